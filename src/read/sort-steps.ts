/** Sorts millions of numbers in steps of a few milliseconds, which a sort of the language's own does not. */

/** Sorted by themselves, and merged then. */
const RUN = 2 ** 14;
/** Moved between two steps. */
const STEP = 2 ** 16;

/** The numbers of the keys, 0 and up, in ascending order of the keys; those of equal keys in their own. */
export function* sortedOrder(keys: Float64Array, count: number): Generator<void, Uint32Array> {
  let from = new Uint32Array(count);
  for (let i = 0; i < count; i++) from[i] = i;
  for (let at = 0; at < count; at += RUN) {
    const run = from.subarray(at, at + RUN);
    // Most are in order already, as they were written.
    if (!isAscending(keys, at, at + run.length)) run.sort((a, b) => keys[a]! - keys[b]!);
    yield;
  }
  let to = new Uint32Array(count > RUN ? count : 0);
  for (let width = RUN; width < count; width *= 2) {
    for (let at = 0; at < count; at += 2 * width) {
      const middle = Math.min(at + width, count);
      yield* merge(keys, from, to, at, middle, Math.min(middle + width, count));
    }
    [from, to] = [to, from];
  }
  return from;
}

function isAscending(keys: Float64Array, from: number, end: number): boolean {
  for (let i = from + 1; i < end; i++) if (keys[i - 1]! > keys[i]!) return false;
  return true;
}

/** Two runs that follow each other in `from`, as one in `to`. */
function* merge(
  keys: Float64Array,
  from: Uint32Array,
  to: Uint32Array,
  begin: number,
  middle: number,
  end: number,
): Generator<void> {
  let left = begin;
  let right = middle;
  for (let at = begin; at < end; ) {
    for (const stop = Math.min(at + STEP, end); at < stop; at++) {
      const isLeft = right === end || (left < middle && keys[from[left]!]! <= keys[from[right]!]!);
      to[at] = from[isLeft ? left++ : right++]!;
    }
    yield;
  }
}
