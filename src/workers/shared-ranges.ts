/** The shared page frames of a census as ranges, each with what its pages are. */

import { WindowClassifier } from '../filter/classify.ts';
import { ClassIndex, DumpLevel, PAGE_CLASSES } from '../filter/page-class.ts';
import type { ReadableMap } from '../filter/struct-pages.ts';
import type { DumpFile, MemoryReader } from '../read/dump-file.ts';
import { lowerBound } from '../read/extents.ts';
import { existingBits } from '../read/stored-pages.ts';
import type { SharedFrames } from '../sme/census/shared-uses.ts';
import type { SharedRange } from './report.ts';

/** Ranges that are told one by one, the largest ones; what is beyond is in the sums only. */
const MAX_RANGES = 10_000;
const RUNS_OF_A_STEP = 4096;
/** No block or compound page of x86-64 crosses a multiple of this: 1 GiB of 4 KiB pages. */
const WINDOW_PAGES = 2 ** 18;
/** All classes that struct pages tell. */
const LEVEL = DumpLevel.cachePrivate | DumpLevel.user | DumpLevel.free;

type Run = Pick<SharedRange, 'pfn' | 'count' | 'use'>;

/** The ranges in ascending order, and how many there are in all. A step is a window of memory, or some thousand ranges. */
export function* sharedRanges(
  shared: readonly SharedFrames[],
  file: DumpFile,
  reader: MemoryReader,
  map: ReadableMap | undefined,
): Generator<void, { ranges: SharedRange[]; inAll: number }> {
  const { runs, inAll } = yield* largestRuns(shared);
  if (map === undefined) return { ranges: runs.map((run) => ({ ...run, classes: undefined })), inAll };
  const counts = runs.map(() => new Float64Array(PAGE_CLASSES.length));
  const ends = Float64Array.from(runs, ({ pfn, count }) => pfn + count);
  const classifier = new WindowClassifier(reader, map, LEVEL, (from, to, pageClass) => {
    for (let i = lowerBound(ends, from + 1); i < runs.length && runs[i]!.pfn < to; i++)
      counts[i]![pageClass]! += Math.min(to, ends[i]!) - Math.max(from, runs[i]!.pfn);
  });
  const bits = new Uint8Array(WINDOW_PAGES / 8);
  for (const pfn of windowsOf(runs)) {
    existingBits(file, pfn, WINDOW_PAGES, bits.fill(0));
    classifier.classify(pfn, WINDOW_PAGES, bits);
    yield;
  }
  return { ranges: runs.map((run, i) => ({ ...run, classes: classesOf(run.count, counts[i]!) })), inAll };
}

function* largestRuns(shared: readonly SharedFrames[]): Generator<void, { runs: Run[]; inAll: number }> {
  let largest: Run[] = [];
  let inAll = 0;
  // Shorter ones are not among the largest.
  let least = 1;
  const cut = () => {
    largest = largest.sort((a, b) => b.count - a.count).slice(0, MAX_RANGES);
    if (largest.length === MAX_RANGES) least = largest.at(-1)!.count + 1;
  };
  for (const { use, frames } of shared) {
    for (const [pfn, end] of frames.runs()) {
      if (++inAll % RUNS_OF_A_STEP === 0) yield;
      if (end - pfn < least) continue;
      if (largest.push({ pfn, count: end - pfn, use }) >= 2 * MAX_RANGES) cut();
    }
  }
  cut();
  return { runs: largest.sort((a, b) => a.pfn - b.pfn), inAll };
}

/** The first page frame of each window that has some of the runs. */
function* windowsOf(runs: readonly Run[]): Generator<number> {
  let next = 0;
  for (const { pfn, count } of runs) {
    const first = Math.max(next, pfn - (pfn % WINDOW_PAGES));
    for (next = first; next < pfn + count; next += WINDOW_PAGES) yield next;
  }
}

/** Pages of no class that was told are the kernel's. */
function classesOf(pages: number, counted: Float64Array): NonNullable<SharedRange['classes']> {
  const found = PAGE_CLASSES.map((name, i) => [name, counted[i]!] as const);
  const kernel = pages - counted.reduce((sum, some) => sum + some, 0);
  return Object.fromEntries(
    found
      .map(([name, some], i) => [name, i === ClassIndex.kernel ? kernel : some] as const)
      .filter(([, some]) => some > 0),
  );
}
