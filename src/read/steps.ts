/** Long work in steps, between which whoever does it may look up: to hear a Ctrl-C, or to give others their turn. */

/** Takes all steps at once: of a thread that has nothing else to do, or of work that needs no other. */
export function drain<T>(steps: Generator<void, T>): T {
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value as T;
  }
}
