/** A sequence of steps that a person can follow, and that is undone from its end when one of them fails. */

/** Something that was done, or found done. */
export interface Step {
  readonly step: 'restore' | 'find key' | 'open' | 'mount' | 'drop key' | 'unmount' | 'close';
  /** False: there was nothing to do, or it failed and the run went on; `what` says which. */
  readonly done: boolean;
  /** What was done or found: a part of a sentence. */
  readonly what: string;
  readonly ms: number;
}

export class Steps {
  readonly all: Step[] = [];
  private readonly tell: (step: Step) => void;
  private readonly signal: AbortSignal | undefined;
  private readonly undos: (() => Promise<void>)[] = [];

  constructor(tell: (step: Step) => void = () => {}, signal?: AbortSignal) {
    this.tell = tell;
    this.signal = signal;
  }

  /** `undo` is what to do if it or a later step fails: what fails may have had its effect. @throws SmeltError INTERRUPTED */
  async run(
    step: Step['step'],
    work: () => Promise<Pick<Step, 'done' | 'what'>>,
    undo?: () => Promise<void>,
  ): Promise<void> {
    this.stopIfAborted();
    if (undo !== undefined) this.undos.push(undo);
    const started = performance.now();
    const outcome = await work();
    const told = { step, ...outcome, ms: Math.round(performance.now() - started) };
    this.all.push(told);
    if (!outcome.done && undo !== undefined) this.undos.pop();
    this.tell(told);
  }

  /** A signal does not cut a step in two: what it stops is the next one. */
  stopIfAborted(): void {
    if (this.signal?.aborted) throw this.signal.reason;
  }

  /** Undoes what was done, last things first. What cannot be undone stays as it is: the failure before it is the one to tell. */
  async undo(): Promise<void> {
    for (const undo of this.undos.splice(0).reverse()) await undo().catch(() => {});
  }
}
