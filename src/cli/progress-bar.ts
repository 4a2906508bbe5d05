/** The bars on a terminal. */

import { type GenericFormatter, type Options, SingleBar } from 'cli-progress';
import type { Phase, Progress } from '../workers/report.ts';
import type { Host, Sink } from './host.ts';
import { isDone, NAME_WIDTH, outcome, type ProgressView, pace } from './progress.ts';

export function barView(host: Pick<Host, 'stderr' | 'env' | 'stderrDevice'>): ProgressView {
  return new BarView(host.stderr, lookOf(host));
}

interface Look {
  readonly full: string;
  readonly empty: string;
  readonly redrawsPerSecond: number;
}

/** The kdump kernel's console is a terminal that knows few letters and may be a serial line of 9600 baud. */
function lookOf({ env, stderrDevice }: Pick<Host, 'env' | 'stderrDevice'>): Look {
  const locale = env.LC_ALL || env.LC_CTYPE || env.LANG || '';
  const unicode = /utf-?8/i.test(locale) && env.TERM !== 'dumb';
  const slow =
    env.TERM === undefined || env.TERM === 'dumb' || /^\/dev\/(console|ttyS|hvc)/.test(stderrDevice ?? '');
  return { full: unicode ? '█' : '#', empty: unicode ? '░' : '.', redrawsPerSecond: slow ? 1 : 10 };
}

const MAX_BAR = 32;
/** Of the text behind a bar, so that the bar keeps its length when the phase ends. */
const RIGHT_WIDTH = 35;
/** A bar that is shorter says nothing. */
const MIN_BAR = 8;

/** The line of a phase in at most `width` columns. */
export function barLine(
  progress: Progress,
  pageSizeBytes: number,
  width: number,
  look: Pick<Look, 'full' | 'empty'>,
): string {
  const right = (isDone(progress) ? outcome(progress, pageSizeBytes) : pace(progress, pageSizeBytes)).padEnd(
    RIGHT_WIDTH,
  );
  const name = `  ${progress.phase.padEnd(NAME_WIDTH)}  `;
  const room = Math.min(MAX_BAR, width - name.length - right.length - 2);
  if (room < MIN_BAR) return `${name}${right.trim()}`.slice(0, width);
  const done = progress.totalPages === 0 ? 1 : Math.min(1, progress.donePages / progress.totalPages);
  const full = Math.floor(done * room);
  return `${name}${look.full.repeat(full)}${look.empty.repeat(room - full)}  ${right.trimEnd()}`;
}

/**
 * The terminal that cli-progress draws on, with nothing but a carriage return and spaces: /dev/console shows escape
 * sequences as rubbish, and a cursor that is never hidden need not be brought back, however the run ends.
 */
class PlainTerminal {
  readonly #sink: Sink;
  #shown = 0;

  constructor(sink: Sink) {
    this.#sink = sink;
  }

  write(line: string): void {
    this.#sink.write(`\r${line}${' '.repeat(Math.max(0, this.#shown - line.length))}`);
    this.#shown = line.length;
  }

  newline(): void {
    this.#sink.write('\n');
    this.#shown = 0;
  }

  isTTY(): boolean {
    return true;
  }

  /** One column stays free: a terminal goes to the next line when its last column is written. */
  getWidth(): number {
    return (this.#sink.columns || 80) - 1;
  }

  cursorSave(): void {}
  cursorRestore(): void {}
  cursor(): void {}
  cursorTo(): void {}
  cursorRelative(): void {}
  cursorRelativeReset(): void {}
  clearRight(): void {}
  clearLine(): void {}
  clearBottom(): void {}
  lineWrapping(): void {}
}

interface BarPayload {
  progress: Progress;
  pageSizeBytes: number;
}

class BarView implements ProgressView {
  readonly #terminal: PlainTerminal;
  readonly #look: Look;
  #bar: SingleBar | undefined;
  #phase: Phase | undefined;

  constructor(sink: Sink, look: Look) {
    this.#terminal = new PlainTerminal(sink);
    this.#look = look;
  }

  show(progress: Progress, pageSizeBytes: number): void {
    const payload: BarPayload = { progress, pageSizeBytes };
    if (this.#phase !== progress.phase) {
      this.end();
      this.#phase = progress.phase;
      this.#bar = this.#newBar();
      this.#bar.start(progress.totalPages, progress.donePages, payload);
    } else {
      this.#bar?.update(progress.donePages, payload);
    }
    if (isDone(progress)) this.#stop();
  }

  end(): void {
    this.#stop();
    this.#phase = undefined;
  }

  /** Draws the bar as it is now and ends its line. */
  #stop(): void {
    this.#bar?.stop();
    this.#bar = undefined;
  }

  #newBar(): SingleBar {
    const format: GenericFormatter = (_options, _state, { progress, pageSizeBytes }: BarPayload) =>
      barLine(progress, pageSizeBytes, this.#terminal.getWidth(), this.#look);
    // `terminal` is an option of cli-progress that its types do not know.
    const options: Options & { terminal: PlainTerminal } = {
      format,
      fps: this.#look.redrawsPerSecond,
      linewrap: true,
      terminal: this.#terminal,
    };
    return new SingleBar(options);
  }
}
