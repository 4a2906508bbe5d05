/** Which page frames a dump says there was memory at: sorted runs, and a search that begins where the last one ended. */

import type { DumpFile } from '../../read/dump-file.ts';
import { pfnRuns } from '../../read/extents.ts';

/** Machines with 65,536 runs were seen. */
const MAX_RUNS = 2 ** 16 + 2 ** 12;

/** What of a dump this needs. */
export type MemoryOf = Pick<DumpFile, 'memory' | 'pageSize'>;

export class MemoryRuns {
  /** First page frame of each run, and the first one behind it. */
  readonly starts: readonly number[];
  readonly ends: readonly number[];
  readonly pages: number;
  /** No page frame that counts lies here or above. */
  readonly limit: number;
  /** Page frames above the limit, where there are more runs than a machine can have. */
  readonly leftOut: number;
  /** Page frames in all runs before each one. */
  private readonly before: readonly number[];
  private last = 0;

  constructor(file: MemoryOf) {
    const starts: number[] = [];
    const ends: number[] = [];
    const before: number[] = [];
    let pages = 0;
    let leftOut = 0;
    for (const { pfn, count } of pfnRuns(file.memory, file.pageSize)) {
      if (starts.length === MAX_RUNS) {
        leftOut += count;
        continue;
      }
      starts.push(pfn);
      ends.push(pfn + count);
      before.push(pages);
      pages += count;
    }
    this.starts = starts;
    this.ends = ends;
    this.before = before;
    this.pages = pages;
    this.limit = ends.at(-1) ?? 0;
    this.leftOut = leftOut;
  }

  has(pfn: number): boolean {
    const index = this.at(pfn);
    return index < this.starts.length && this.starts[index]! <= pfn;
  }

  /** How many page frames from `pfn` to `end - 1` are memory. */
  pagesIn(pfn: number, end: number): number {
    const index = this.at(pfn);
    if (index < this.starts.length && this.starts[index]! <= pfn && end <= this.ends[index]!)
      return end - pfn;
    return this.pagesBelow(end) - this.pagesBelow(pfn);
  }

  /** Runs, as far as they lie from `pfn` to `end - 1`, as [first, first behind]. */
  *runsIn(pfn: number, end: number): Generator<[number, number]> {
    for (let i = this.at(pfn); i < this.starts.length && this.starts[i]! < end; i++)
      yield [Math.max(pfn, this.starts[i]!), Math.min(end, this.ends[i]!)];
  }

  private pagesBelow(pfn: number): number {
    const index = this.at(pfn);
    if (index === this.starts.length) return this.pages;
    return this.before[index]! + Math.max(0, pfn - this.starts[index]!);
  }

  /** Index of the first run that ends behind `pfn`: `starts.length` where none does. */
  private at(pfn: number): number {
    const { ends, last } = this;
    if (pfn < ends[last]! && (last === 0 || pfn >= ends[last - 1]!)) return last;
    let low = 0;
    let high = ends.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (ends[middle]! <= pfn) low = middle + 1;
      else high = middle;
    }
    if (low < ends.length) this.last = low;
    return low;
  }
}
