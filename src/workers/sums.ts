/** Adds up what the threads found, and settles what one window's pages decide for the next. */

import { PAGE_CLASSES, type PageClass } from '../filter/page-class.ts';
import { windowSpan } from '../filter/plan.ts';
import { clearRange } from '../read/bitmap.ts';
import { lowerBound } from '../read/extents.ts';
import { readPart } from '../read/file.ts';
import { writeFully } from '../write/target-file.ts';
import type { ClassifyResult } from './classify-phase.ts';
import type { CompressResult } from './compress-phase.ts';
import type { Job } from './job.ts';

export interface Classified {
  readonly classes: Record<PageClass, number>;
  readonly freeFound: number;
  readonly absent: number;
  readonly carries: ClassifyResult['carries'];
}

export function sumClassified(results: readonly ClassifyResult[]): Classified {
  const classes = Object.fromEntries(
    PAGE_CLASSES.map((name, i) => [name, results.reduce((sum, r) => sum + r.classes[i]!, 0)]),
  ) as Record<PageClass, number>;
  return {
    classes,
    freeFound: results.reduce((sum, r) => sum + r.freeFound, 0),
    absent: results.reduce((sum, r) => sum + r.absent, 0),
    carries: results.flatMap((r) => r.carries),
  };
}

export function sumCompressed(results: readonly CompressResult[]): CompressResult {
  const sum = (key: keyof CompressResult) => results.reduce((total, r) => total + r[key], 0);
  return {
    dataBytes: sum('dataBytes'),
    storedPages: sum('storedPages'),
    zeroPages: sum('zeroPages'),
    undecidedZeroPages: sum('undecidedZeroPages'),
    missingPages: sum('missingPages'),
    cutPages: sum('cutPages'),
  };
}

/** Drops the rest of compound pages that reach beyond the window of their head (1 GiB hugetlb pages do). */
export function applyCarries(job: Job, classified: Classified): void {
  const { plan, layout, shared, targetPath, targetFd } = job;
  for (const { pfn, end, pageClass } of classified.carries) {
    for (let index = lowerBound(plan.starts, pfn); index < plan.starts.length; index++) {
      const span = windowSpan(plan, index);
      if (span.pfn >= end) break;
      const byteOffset = layout.bitmap2Offset + span.pfn / 8;
      const bits = readPart(targetPath, targetFd, 'the second bitmap', byteOffset, Math.ceil(span.count / 8));
      // A carry begins where a window ends, so that it covers the windows behind it from their beginning.
      const cleared = clearRange(bits, 0, Math.min(end - span.pfn, span.count));
      if (cleared === 0) continue;
      writeFully(targetPath, targetFd, bits, byteOffset);
      shared.keptPages[index]! -= cleared;
      classified.classes[PAGE_CLASSES[pageClass]!] += cleared;
    }
  }
}
