/** Work that this thread does by itself, in steps, so that others have their turn. */

import { setImmediate as breathe } from 'node:timers/promises';

/** How long it works before timers, signals and helpers that come up are served. */
const BREATH_MS = 5;

/** Takes all steps, each a few milliseconds at most. `look` may throw, to end the work when nobody wants it any more. */
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
      look();
      looked = performance.now();
    }
    if (done) return value as T;
  }
}

/** Takes all steps at once: of a thread that has nothing else to do, or of work that needs no other. */
export function drain<T>(steps: Generator<void, T>): T {
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value as T;
  }
}
