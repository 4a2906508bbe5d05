/** Long work gives others their turn every so often: that is when a Ctrl-C is heard. */

const LOOK_MS = 50;

export class Turns {
  private readonly look: () => Promise<void>;
  private looked = performance.now();

  constructor(look: () => Promise<void>) {
    this.look = look;
  }

  /** To be called at least every few milliseconds; `look` may throw to end the work. */
  async take(): Promise<void> {
    if (performance.now() - this.looked < LOOK_MS) return;
    await this.look();
    this.looked = performance.now();
  }
}
