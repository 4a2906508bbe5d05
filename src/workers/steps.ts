/** Work that this thread does by itself, in steps, so that others have their turn. */

import { setImmediate as breathe } from 'node:timers/promises';

/** How long it works before timers, signals and helpers that come up are served. */
const BREATH_MS = 5;

/** Takes all steps, each a few milliseconds at most. `look` may throw, to end the work when nobody wants it any more: to the work it is as if a step had failed. */
export async function takeSteps<T>(
  steps: Generator<void, T> | Promise<Generator<void, T>>,
  look: () => void = () => {},
): Promise<T> {
  const all = await steps;
  let looked = performance.now();
  for (;;) {
    const { done, value } = all.next();
    if (performance.now() - looked >= BREATH_MS) {
      await breathe();
      // What is done is not thrown away: whoever has it sees to it.
      if (!done) lookBetween(all, look);
      looked = performance.now();
    }
    if (done) return value as T;
  }
}

function lookBetween(steps: Generator<void, unknown>, look: () => void): void {
  try {
    look();
  } catch (unwanted) {
    steps.throw(unwanted);
    throw unwanted;
  }
}
