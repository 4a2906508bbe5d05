/** Cuts the memory of a dump into windows: the units of work, of which any thread can do any one. */

import type { PfnRange } from '../kernel/image.ts';
import type { DumpFile } from '../read/dump-file.ts';
import { endOf, lowerBound, pfnRuns } from '../read/extents.ts';

/** Page frames of a window, at most: 1 GiB of 4 KiB pages. */
const LARGEST_WINDOW = 2 ** 18;
/** And at least: no free block of the buddy allocator (order 10) crosses a border, and there is work in it. */
const SMALLEST_WINDOW = 2 ** 11;
/** Enough that the last one keeps nobody waiting for long: at most a 64th of a thread's own time. */
const WINDOWS_PER_THREAD = 64;

export interface Plan {
  /** Page frames a window spans, a power of two; each window begins at a multiple of it. */
  readonly windowPages: number;
  /** First page frame of each window, ascending, in memory that threads share. Windows without memory are left out. */
  readonly starts: Float64Array;
  /** Page frames that the two bitmaps cover. */
  readonly maxMapnr: number;
  /** Page frames that exist. */
  readonly totalPages: number;
}

export function planWindows(file: Pick<DumpFile, 'memory' | 'pageSize'>, threads: number): Plan {
  let totalPages = 0;
  for (const run of pfnRuns(file.memory, file.pageSize)) totalPages += run.count;
  const even = totalPages / (Math.max(1, threads) * WINDOWS_PER_THREAD);
  const windowPages = Math.min(
    LARGEST_WINDOW,
    Math.max(SMALLEST_WINDOW, 2 ** Math.floor(Math.log2(Math.max(1, even)))),
  );
  const starts: number[] = [];
  for (const { pfn, count } of pfnRuns(file.memory, file.pageSize)) {
    const first = Math.floor(pfn / windowPages);
    const last = Math.floor((pfn + count - 1) / windowPages);
    for (let w = first; w <= last; w++) {
      if (starts.at(-1) !== w * windowPages) starts.push(w * windowPages);
    }
  }
  const shared = new Float64Array(new SharedArrayBuffer(starts.length * Float64Array.BYTES_PER_ELEMENT));
  shared.set(starts);
  return { windowPages, starts: shared, maxMapnr: Math.ceil(endOf(file.memory) / file.pageSize), totalPages };
}

/**
 * The order in which windows are written, in memory that threads share: those with page frames of the first of
 * `groups`, of the second and so on, then from the end of memory to its beginning. Page tables, struct pages and per-CPU data are taken from the end at boot, so that a dump
 * that could not be finished has what a debugger needs to begin with.
 */
export function urgencyOrder(plan: Plan, groups: readonly (readonly PfnRange[])[]): Int32Array {
  const order = new Int32Array(new SharedArrayBuffer(plan.starts.length * Int32Array.BYTES_PER_ELEMENT));
  const urgency = (index: number) => {
    const { pfn, count } = windowSpan(plan, index);
    const found = groups.findIndex((ranges) =>
      ranges.some((range) => range.pfn < pfn + count && range.end > pfn),
    );
    return found < 0 ? groups.length : found;
  };
  const urgencies = Array.from(order, (_, index) => urgency(index));
  const backwards = Array.from(order, (_, i) => order.length - 1 - i);
  order.set(backwards.sort((a, b) => urgencies[a]! - urgencies[b]!));
  return order;
}

/** Page frames that window `index` spans; the last one may be cut by the end of memory. */
export function windowSpan(plan: Plan, index: number): { pfn: number; count: number } {
  const pfn = plan.starts[index]!;
  return { pfn, count: Math.min(plan.windowPages, plan.maxMapnr - pfn) };
}

/** The window that has this page frame; there must be one. */
export function windowOf(plan: Plan, pfn: number): number {
  return lowerBound(plan.starts, Math.floor(pfn / plan.windowPages) * plan.windowPages);
}
