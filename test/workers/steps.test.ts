/** Work in steps: others have their turn between them, and whoever ends it lets the work clean up. */
import { expect, test } from 'vitest';
import { takeSteps } from '../../src/workers/steps.ts';

/** Each step longer than anybody waits for his turn. */
function* slowSteps(count: number, onEnd: (thrown: unknown) => void): Generator<void, number> {
  try {
    for (let step = 0; step < count; step++) {
      for (const until = performance.now() + 6; performance.now() < until; );
      yield;
    }
    return count;
  } catch (error) {
    onEnd(error);
    throw error;
  }
}

test('work that nobody wants any more fails in a step, so that it can clean up', async () => {
  const enough = new Error('enough');
  let looks = 0;
  let thrown: unknown;
  const work = takeSteps(
    slowSteps(1000, (error) => {
      thrown = error;
    }),
    () => {
      if (++looks === 3) throw enough;
    },
  );
  await expect(work).rejects.toBe(enough);
  expect({ looks, thrown }).toEqual({ looks: 3, thrown: enough });
});

test('timers have their turn', async () => {
  const timer = new AbortController();
  setTimeout(() => timer.abort(new Error('rang')), 1);
  const work = takeSteps(
    slowSteps(1000, () => {}),
    () => timer.signal.throwIfAborted(),
  );
  await expect(work).rejects.toThrow('rang');
});

test('what is done is given to whoever wanted it, though it may be late', async () => {
  const late = takeSteps(
    slowSteps(1, () => {}),
    () => {
      throw new Error('late');
    },
  );
  await expect(late).rejects.toThrow('late');
  const done = takeSteps(
    // biome-ignore lint/correctness/useYield: it has one step, which is the last.
    (function* () {
      for (const until = performance.now() + 6; performance.now() < until; );
      return 7;
    })(),
    () => {
      throw new Error('late');
    },
  );
  expect(await done).toBe(7);
});
