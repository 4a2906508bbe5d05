/** Pages and the work on them, in words. */

import { count, memory } from '../../units.ts';
import type { PfnRun, TeamReport } from '../../workers/report.ts';
import { duration, phaseRate } from '../format.ts';

/** What is shown of a list. */
const MOST_RUNS = 3;

/** "page frames 0x10, 0x20 to 0x2f, …" */
export function framesText(runs: readonly PfnRun[]): string {
  const shown = runs
    .slice(0, MOST_RUNS)
    .map(({ pfn, count: n }) =>
      n === 1 ? `0x${pfn.toString(16)}` : `0x${pfn.toString(16)} to 0x${(pfn + n - 1).toString(16)}`,
    );
  const isOne = runs.length === 1 && runs[0]!.count === 1;
  return `page frame${isOne ? '' : 's'} ${shown.join(', ')}${runs.length > MOST_RUNS ? ', …' : ''}`;
}

/** "2 threads, 0.5 s, 812 MB/s, at most 80.3 MiB of memory" */
export function runLine(
  { threads, totalMs, phases, peakRssBytes }: TeamReport,
  pageSizeBytes: number,
): string {
  const last = phases.at(-1);
  const rate = last && phaseRate(last.phase, last.pages, pageSizeBytes, last.ms);
  return [
    threads === 1 ? '1 thread' : `${count(threads)} threads`,
    duration(totalMs),
    ...(rate === undefined ? [] : [rate]),
    `at most ${memory(peakRssBytes)} of memory`,
  ].join(', ');
}
