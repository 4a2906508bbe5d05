/** Sorting in steps: the same order as a sort in one go, and short enough steps. */
import { describe, expect, it } from 'vitest';
import { sortedOrder } from '../../src/read/sort-steps.ts';

/** Reproducible, and with many keys that are equal. */
function scrambled(count: number, different: number): Float64Array {
  let state = 1;
  return Float64Array.from({ length: count }, () => {
    state = (state * 48271) % 2147483647;
    return state % different;
  });
}

function inSteps(keys: Float64Array): { order: Uint32Array; steps: number } {
  const sorting = sortedOrder(keys, keys.length);
  for (let steps = 0; ; steps++) {
    const { done, value } = sorting.next();
    if (done) return { order: value, steps };
  }
}

describe('sorting in steps', () => {
  it.each([0, 1, 2, 1000, 2 ** 14, 2 ** 14 + 1, 100_000])(
    'puts %d keys into the order of one sort, equal ones as they were',
    (count) => {
      for (const different of [3, 1000, 2 ** 30]) {
        const keys = scrambled(count, different);
        const want = Array.from(keys.keys()).sort((a, b) => keys[a]! - keys[b]! || a - b);
        expect(Array.from(inSteps(keys).order)).toEqual(want);
      }
    },
  );

  it('takes a step for some thousand keys, in order or not', () => {
    const count = 300_000;
    for (const keys of [scrambled(count, count), Float64Array.from({ length: count }, (_, i) => i)])
      expect(inSteps(keys).steps).toBeGreaterThan(
        2 * Math.floor(count / 2 ** 16) + Math.floor(count / 2 ** 14),
      );
  });
});
