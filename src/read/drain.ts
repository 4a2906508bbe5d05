/** Work in steps, taken all at once: by a thread that has nothing else to do, or of work that needs no other. */

export function drain<T>(steps: Generator<void, T>): T {
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value as T;
  }
}
