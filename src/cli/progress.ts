/** Progress on stderr: a bar on a terminal, a plain line now and then anywhere else. */

import { count, memory } from '../units.ts';
import type { Progress } from '../workers/report.ts';
import { amount, clock, duration, phaseRate } from './format.ts';
import type { Host, Sink } from './host.ts';

/** What is told of a run's progress. `end` may be called at any time and more than once; it leaves whole lines. */
export interface ProgressView {
  show(progress: Progress, pageSizeBytes: number): void;
  end(): void;
}

export const NO_PROGRESS: ProgressView = { show: () => {}, end: () => {} };

/** What draws bars is loaded only where somebody sees them. */
export async function progressView(
  host: Pick<Host, 'stderr' | 'env' | 'stderrDevice'>,
): Promise<ProgressView> {
  return host.stderr.isTTY ? (await import('./progress-bar.ts')).barView(host) : new LineView(host.stderr);
}

export const NAME_WIDTH = 8;

export function isDone({ donePages, totalPages }: Progress): boolean {
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
export function pace(progress: Progress, pageSizeBytes: number): string {
  const rate = rateOf(progress, pageSizeBytes) ?? '';
  return `${wholePercent(progress).padStart(5)}  ${rate.padStart(14)}  ${timeLeft(progress)}`;
}

/** What a phase came to. */
export function outcome({ phase, donePages, elapsedMs }: Progress, pageSizeBytes: number): string {
  return [
    (phase === 'census' ? '' : memory(donePages * pageSizeBytes)).padStart(9),
    amount(phase, donePages).padStart(15),
    duration(elapsedMs).padStart(7),
  ].join('  ');
}

/** The line of a phase without a bar, for logs. */
export function plainLine(progress: Progress, pageSizeBytes: number): string {
  const name = `  ${progress.phase.padEnd(NAME_WIDTH)}`;
  if (isDone(progress)) return `${name}  ${outcome(progress, pageSizeBytes).trim().replace(/ {3,}/g, '  ')}`;
  const rate = rateOf(progress, pageSizeBytes);
  const parts = [
    wholePercent(progress),
    `${count(progress.donePages)} of ${amount(progress.phase, progress.totalPages)}`,
    ...(rate === undefined ? [] : [rate]),
    timeLeft(progress),
  ];
  return `${name}  ${parts.join('  ')}`;
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
