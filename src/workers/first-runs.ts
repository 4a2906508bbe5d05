/** The first few runs of page frames of a kind, whoever finds them: what a list shows where there may be millions. */

import type { PfnRun } from './report.ts';

/** What is shown of each kind. */
export const MOST_RUNS = 10;

/** Page frames in ascending order, as a thread comes to them. */
export class FirstRuns {
  readonly runs: { pfn: number; count: number }[] = [];

  add(pfn: number, count = 1): void {
    const last = this.runs.at(-1);
    if (last !== undefined && last.pfn + last.count === pfn) last.count += count;
    else if (this.runs.length < MOST_RUNS) this.runs.push({ pfn, count });
  }
}

/** Of all threads: each has its own lowest ones, so that the lowest of all are among them. */
export function firstOf(all: readonly (readonly PfnRun[])[]): PfnRun[] {
  const joined = new FirstRuns();
  for (const { pfn, count } of all.flat().sort((a, b) => a.pfn - b.pfn)) joined.add(pfn, count);
  return joined.runs;
}
