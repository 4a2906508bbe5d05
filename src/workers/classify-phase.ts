/** The first phase: each window's slices of both bitmaps go to their place in the output, and its kept pages are counted. */

import { type Carry, type Told, WindowClassifier } from '../filter/classify.ts';
import { ClassIndex } from '../filter/page-class.ts';
import { windowSpan } from '../filter/plan.ts';
import { popcount, setRange } from '../read/bitmap.ts';
import { existingBits, storedBits } from '../read/stored-pages.ts';
import { writeFully } from '../write/target-file.ts';
import { addDone, type BitmapPlace, type Job, takeWindows } from './job.ts';
import type { Thread } from './thread.ts';

export interface ClassifyResult {
  /** Page frames by class, indexed as PAGE_CLASSES; those that stay are not counted as kernel here. */
  readonly classes: Float64Array;
  readonly freeFound: number;
  /** Page frames that exist and that the input does not have. */
  readonly absent: number;
  readonly carries: readonly Carry[];
}

/** Does windows until there are none left. Yields after each, so that a single thread can look after other things. */
export function* classifyWindows(thread: Thread, seat?: number): Generator<void, ClassifyResult> {
  const { job } = thread;
  const { shared, target } = job;
  const sorter = new WindowSorter(thread);
  const { classifier, existing, kept } = sorter;
  let absent = 0;
  for (const index of takeWindows(job, 'classify', seat)) {
    const undecidedBefore = classifier.classes[ClassIndex.undecided]!;
    const { keptPages, existingPages, absentPages } = sorter.sort(index);
    absent += absentPages;
    shared.keptPages[index] = keptPages;
    shared.undecidedPages[index] = classifier.classes[ClassIndex.undecided]! - undecidedBefore;
    if (target !== undefined) writeSlices(target.bitmaps, job, index, existing, kept);
    addDone(shared, 'classify', existingPages);
    yield;
  }
  const { classes, freeFound, carries } = classifier;
  return { classes, freeFound, absent, carries };
}

function writeSlices(
  { path, fd, bitmap1Offset, bitmap2Offset }: BitmapPlace,
  { plan }: Job,
  index: number,
  existing: Uint8Array,
  kept: Uint8Array,
): void {
  const { pfn, count } = windowSpan(plan, index);
  const sliceBytes = Math.ceil(count / 8);
  writeFully(path, fd, existing.subarray(0, sliceBytes), bitmap1Offset + pfn / 8);
  writeFully(path, fd, kept.subarray(0, sliceBytes), bitmap2Offset + pfn / 8);
}

/** Sorts the page frames of one window after another into those that stay and those that do not. */
export class WindowSorter {
  readonly classifier: WindowClassifier;
  /** Of the last window: page frames that exist, and those of them that are kept. */
  readonly existing: Uint8Array;
  readonly kept: Uint8Array;
  private readonly job: Job;
  /** Of those that exist, the ones that would be kept; undefined where only what the input has is sorted. */
  private readonly all: Uint8Array | undefined;

  constructor(thread: Thread, told?: Told) {
    this.job = thread.job;
    this.all = this.job.sortAbsent ? new Uint8Array(this.job.plan.windowPages / 8) : undefined;
    this.classifier = new WindowClassifier(thread.reader, thread.memoryMap(), this.job.dumpLevel, told);
    this.existing = new Uint8Array(this.job.plan.windowPages / 8);
    this.kept = new Uint8Array(this.job.plan.windowPages / 8);
  }

  sort(index: number): { keptPages: number; existingPages: number; absentPages: number } {
    const { existing, kept } = this;
    const { file, plan } = this.job;
    const { pfn, count } = windowSpan(plan, index);
    existing.fill(0);
    kept.fill(0);
    existingBits(file, pfn, count, existing);
    storedBits(file, pfn, count, existing, kept);
    const existingPages = popcount(existing, count);
    const absentPages = existingPages - popcount(kept, count);
    const { all } = this;
    if (all === undefined || absentPages === 0)
      return { keptPages: this.classifier.classify(pfn, count, kept), existingPages, absentPages };
    all.set(existing);
    this.classifier.classify(pfn, count, all);
    for (let i = 0; i < kept.length; i++) kept[i]! &= all[i]!;
    return { keptPages: popcount(kept, count), existingPages, absentPages };
  }
}

/** Which page frames of a window are undecided: found once more where somebody asks, because few windows have any. */
export class UndecidedPages {
  private readonly job: Job;
  private readonly sorter: WindowSorter;
  private readonly found: Uint8Array;
  private windowPfn = 0;

  constructor(thread: Thread) {
    this.job = thread.job;
    this.found = new Uint8Array(this.job.plan.windowPages / 8);
    this.sorter = new WindowSorter(thread, (pfn, end, pageClass) => {
      if (pageClass === ClassIndex.undecided)
        setRange(this.found, pfn - this.windowPfn, end - this.windowPfn);
    });
  }

  /** A bit for each page frame of the window, valid until the next call; undefined where there is none. */
  of(index: number): Uint8Array | undefined {
    if (this.job.shared.undecidedPages[index] === 0) return undefined;
    this.found.fill(0);
    this.windowPfn = windowSpan(this.job.plan, index).pfn;
    this.sorter.sort(index);
    return this.found;
  }
}
