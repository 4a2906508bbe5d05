/** The first phase: each window's slices of both bitmaps go to their place in the output, and its kept pages are counted. */

import { type Carry, WindowClassifier } from '../filter/classify.ts';
import { ClassIndex } from '../filter/page-class.ts';
import { windowSpan } from '../filter/plan.ts';
import { unmappedBits } from '../filter/unmapped.ts';
import type { MemoryMap } from '../kernel/memory-model.ts';
import { clearRange, popcount, runsOf, testBit } from '../read/bitmap.ts';
import { existingBits, storedBits } from '../read/stored-pages.ts';
import { FrameSet, type FrameSetData } from '../sme/census/frame-set.ts';
import { writeFully } from '../write/target-file.ts';
import { addDone, type Job, type JobTarget, takeWindows } from './job.ts';
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
export function* classifyWindows(
  thread: Thread,
  drop: FrameSetData | undefined,
  seat?: number,
): Generator<void, ClassifyResult> {
  const { job } = thread;
  const { shared, target } = job;
  const sorter = new WindowSorter(thread, drop);
  const { classifier, existing, kept } = sorter;
  let absent = 0;
  for (const index of takeWindows(job, 'classify', seat)) {
    const undecidedBefore = classifier.classes[ClassIndex.undecided]!;
    const { keptPages, existingPages, absentPages } = sorter.sort(index);
    absent += absentPages;
    shared.keptPages[index] = keptPages;
    shared.undecidedPages[index] = classifier.classes[ClassIndex.undecided]! - undecidedBefore;
    if (target !== undefined) writeSlices(target, job, index, existing, kept);
    addDone(shared, 'classify', existingPages);
    yield;
  }
  const { classes, freeFound, carries } = classifier;
  return { classes, freeFound, absent, carries };
}

function writeSlices(
  { path, fd, layout }: JobTarget,
  { plan }: Job,
  index: number,
  existing: Uint8Array,
  kept: Uint8Array,
): void {
  const { pfn, count } = windowSpan(plan, index);
  const sliceBytes = Math.ceil(count / 8);
  writeFully(path, fd, existing.subarray(0, sliceBytes), layout.bitmap1Offset + pfn / 8);
  writeFully(path, fd, kept.subarray(0, sliceBytes), layout.bitmap2Offset + pfn / 8);
}

/** Sorts the page frames of one window after another into those that stay and those that do not. */
export class WindowSorter {
  readonly classifier: WindowClassifier;
  /** Of the last window: page frames that exist, and those of them that are kept. */
  readonly existing: Uint8Array;
  readonly kept: Uint8Array;
  private readonly job: Job;
  private readonly map: MemoryMap | undefined;
  /** Page frames that go whatever they are. */
  private readonly drop: FrameSet | undefined;

  constructor(thread: Thread, drop: FrameSetData | undefined) {
    this.job = thread.job;
    const readable = thread.memoryMap();
    this.map = readable?.map;
    this.drop = drop && FrameSet.from(drop);
    this.classifier = new WindowClassifier(thread.reader, readable, this.job.dumpLevel);
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
    const keptPages = this.classifier.classify(pfn, count, kept) - this.dropShared(pfn, count);
    return { keptPages, existingPages, absentPages };
  }

  /** Drops what is left of `drop` behind the classes: a page that starts a block must be there while the block is looked at. */
  private dropShared(pfn: number, count: number): number {
    if (this.drop === undefined) return 0;
    const { classes } = this.classifier;
    let unmapped: Uint8Array | undefined;
    let dropped = 0;
    for (const [from, to] of this.drop.runsIn(pfn, count)) {
      for (const [start, end] of runsOf(this.kept, from - pfn, to - pfn)) {
        dropped += end - start;
        if (classes[ClassIndex.undecided] === 0) continue;
        unmapped ??= unmappedBits(this.map, pfn, count);
        for (let page = start; page < end; page++)
          if (testBit(unmapped, page)) classes[ClassIndex.undecided]!--;
      }
      clearRange(this.kept, from - pfn, to - pfn);
    }
    classes[ClassIndex.shared]! += dropped;
    return dropped;
  }
}
