/** The first phase: each window's slices of both bitmaps go to their place in the output, and its kept pages are counted. */

import { type Carry, WindowClassifier } from '../filter/classify.ts';
import { ClassIndex } from '../filter/page-class.ts';
import { windowSpan } from '../filter/plan.ts';
import { popcount } from '../read/bitmap.ts';
import { existingBits, storedBits } from '../read/stored-pages.ts';
import { writeFully } from '../write/target-file.ts';
import { addDone, takeWindow } from './job.ts';
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
export function* classifyWindows(thread: Thread): Generator<void, ClassifyResult> {
  const { job } = thread;
  const { plan, layout, shared, file, targetPath, targetFd } = job;
  const classifier = new WindowClassifier(thread.reader, thread.memoryMap(), job.dumpLevel);
  const existing = new Uint8Array(plan.windowPages / 8);
  const kept = new Uint8Array(plan.windowPages / 8);
  let absent = 0;
  for (let index = takeWindow(job, 'classify'); index !== undefined; index = takeWindow(job, 'classify')) {
    const { pfn, count } = windowSpan(plan, index);
    const sliceBytes = Math.ceil(count / 8);
    existing.fill(0);
    kept.fill(0);
    existingBits(file, pfn, count, existing);
    storedBits(file, pfn, count, existing, kept);
    const existingPages = popcount(existing, count);
    absent += existingPages - popcount(kept, count);
    const undecidedBefore = classifier.classes[ClassIndex.undecided]!;
    shared.keptPages[index] = classifier.classify(pfn, count, kept);
    shared.undecidedPages[index] = classifier.classes[ClassIndex.undecided]! - undecidedBefore;
    writeFully(targetPath, targetFd, existing.subarray(0, sliceBytes), layout.bitmap1Offset + pfn / 8);
    writeFully(targetPath, targetFd, kept.subarray(0, sliceBytes), layout.bitmap2Offset + pfn / 8);
    addDone(shared, 'classify', existingPages);
    yield;
  }
  const { classes, freeFound, carries } = classifier;
  return { classes, freeFound, absent, carries };
}
