/** Work that this thread does by itself, in steps, so that others have their turn. */

import { setImmediate as breathe } from 'node:timers/promises';

export { drain } from '../read/drain.ts';

/** How long it works before timers, signals and helpers that come up are served. */
const BREATH_MS = 5;

/** Takes all steps, each a few milliseconds at most. `look` may throw, to end the work when nobody wants it any more. */
export async function takeSteps<T>(
  steps: Generator<void, T> | Promise<Generator<void, T>>,
  look: () => void = () => {},
): Promise<T> {
  const all = await steps;
  let looked = performance.now();
  try {
    for (;;) {
      const { done, value } = all.next();
      if (performance.now() - looked >= BREATH_MS) {
        await breathe();
        if (!done) look();
        looked = performance.now();
      }
      if (done) return value as T;
    }
  } finally {
    // What is open in the midst of them is closed.
    all.return(undefined as T);
  }
}
