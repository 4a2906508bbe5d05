/** Progress on stderr: a bar on a terminal, a plain line now and then anywhere else. */

import { type GenericFormatter, type Options, SingleBar } from 'cli-progress';
import type { Phase, Progress } from '../workers/report.ts';
import { clock, count, duration, memory, pages, phaseRate } from './format.ts';
import type { Host, Sink } from './host.ts';

/** What is told of a run's progress. `end` may be called at any time and more than once; it leaves whole lines. */
export interface ProgressView {
  show(progress: Progress, pageSizeBytes: number): void;
  end(): void;
}

export const NO_PROGRESS: ProgressView = { show: () => {}, end: () => {} };

export function progressView(host: Pick<Host, 'stderr' | 'env' | 'stderrDevice'>): ProgressView {
  return host.stderr.isTTY ? new BarView(host.stderr, lookOf(host)) : new LineView(host.stderr);
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

const NAME_WIDTH = 8;
const MAX_BAR = 32;
/** Of the text behind a bar, so that the bar keeps its length when the phase ends. */
const RIGHT_WIDTH = 35;
/** A bar that is shorter says nothing. */
const MIN_BAR = 8;

function isDone({ donePages, totalPages }: Progress): boolean {
  return donePages >= totalPages;
}

/** "61 %"; 100 is not said before it is true. */
function wholePercent({ donePages, totalPages }: Progress): string {
  return `${totalPages === 0 ? 100 : Math.min(100, Math.floor((donePages / totalPages) * 100))} %`;
}

function timeLeft({ donePages, totalPages, elapsedMs }: Progress): string {
  if (donePages === 0 || elapsedMs < 1) return 'eta -:--';
  return `eta ${clock((elapsedMs / donePages) * (totalPages - donePages))}`;
}

function rateOf({ phase, donePages, elapsedMs }: Progress, pageSizeBytes: number): string | undefined {
  return phaseRate(phase, donePages, pageSizeBytes, elapsedMs);
}

/** What a running phase says behind its bar. */
function pace(progress: Progress, pageSizeBytes: number): string {
  const rate = rateOf(progress, pageSizeBytes) ?? '';
  return `${wholePercent(progress).padStart(5)}  ${rate.padStart(14)}  ${timeLeft(progress)}`;
}

/** What a phase came to. */
function outcome({ donePages, elapsedMs }: Progress, pageSizeBytes: number): string {
  return [
    memory(donePages * pageSizeBytes).padStart(9),
    pages(donePages).padStart(15),
    duration(elapsedMs).padStart(7),
  ].join('  ');
}

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

/** The same without a bar, for logs. */
export function plainLine(progress: Progress, pageSizeBytes: number): string {
  const name = `  ${progress.phase.padEnd(NAME_WIDTH)}`;
  if (isDone(progress)) return `${name}  ${outcome(progress, pageSizeBytes).trim().replace(/ {3,}/g, '  ')}`;
  const rate = rateOf(progress, pageSizeBytes);
  const parts = [
    wholePercent(progress),
    `${count(progress.donePages)} of ${pages(progress.totalPages)}`,
    ...(rate === undefined ? [] : [rate]),
    timeLeft(progress),
  ];
  return `${name}  ${parts.join('  ')}`;
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

const LINE_INTERVAL_MS = 1000;

/** At most one line a second, none for what is over before that; the summary has the rest. */
class LineView implements ProgressView {
  readonly #sink: Sink;
  #lastMs = performance.now();

  constructor(sink: Sink) {
    this.#sink = sink;
  }

  show(progress: Progress, pageSizeBytes: number): void {
    const nowMs = performance.now();
    if (nowMs - this.#lastMs < LINE_INTERVAL_MS) return;
    this.#lastMs = nowMs;
    this.#sink.write(`${plainLine(progress, pageSizeBytes)}\n`);
  }

  end(): void {}
}
