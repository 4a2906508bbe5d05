import { describe, expect, test } from 'vitest';
import type { Step } from '../../src/bench/report.ts';
import { takeTurns } from '../../src/bench/rounds.ts';
import { SmeltError } from '../../src/errors.ts';

function pace(rounds: number, signal = new AbortController().signal) {
  const steps: Step[] = [];
  return { rounds, signal, onStep: (step: Step) => steps.push(step), steps };
}

describe('taking turns', () => {
  test('goes over all variants in each round, the warm-up first', async () => {
    const order: string[] = [];
    const slow = pace(2);
    const results = await takeTurns(
      slow,
      'part',
      ['a', 'b'],
      (name) => `the ${name}`,
      (name, round) => {
        order.push(`${name}${round}`);
        return order.length;
      },
    );
    expect(order).toEqual(['a0', 'b0', 'a1', 'b1', 'a2', 'b2']);
    expect(results).toEqual([
      { variant: 'a', warmUp: 1, rounds: [3, 5] },
      { variant: 'b', warmUp: 2, rounds: [4, 6] },
    ]);
    expect(slow.steps[3]).toEqual({ part: 'part', detail: 'the b', round: 1, rounds: 2 });
  });

  test('ends between two measurements when it is told to', async () => {
    const controller = new AbortController();
    let done = 0;
    const running = takeTurns(pace(9, controller.signal), 'part', [0], String, () => {
      if (++done === 3) controller.abort(new SmeltError('INTERRUPTED', 'interrupted by SIGINT'));
    });
    await expect(running).rejects.toMatchObject({ code: 'INTERRUPTED' });
    expect(done).toBe(3);
  });
});
