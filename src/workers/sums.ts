/** Adds up what the threads found, and settles what one window's pages decide for the next. */

import { PAGE_CLASSES, type PageClass } from '../filter/page-class.ts';
import { type Plan, windowSpan } from '../filter/plan.ts';
import { clearRange } from '../read/bitmap.ts';
import { lowerBound } from '../read/extents.ts';
import { readPart } from '../read/file.ts';
import type { FrameSetData } from '../sme/census/frame-set.ts';
import { writeFully } from '../write/target-file.ts';
import { type ClassifyResult, WindowSorter } from './classify-phase.ts';
import type { CompressResult } from './compress-phase.ts';
import type { DedupResult } from './dedup.ts';
import type { Job, JobTarget } from './job.ts';
import type { Thread } from './thread.ts';

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
  const sum = (key: Exclude<keyof CompressResult, 'dedup'>) =>
    results.reduce((total, r) => total + r[key], 0);
  return {
    dataBytes: sum('dataBytes'),
    storedPages: sum('storedPages'),
    zeroPages: sum('zeroPages'),
    undecidedZeroPages: sum('undecidedZeroPages'),
    missingPages: sum('missingPages'),
    cutPages: sum('cutPages'),
    dedup: sumDedup(results.flatMap((r) => r.dedup ?? [])),
  };
}

function sumDedup(results: readonly DedupResult[]): DedupResult | undefined {
  if (results.length === 0) return undefined;
  const sum = (key: keyof DedupResult) => results.reduce((total, r) => total + r[key], 0);
  return { pages: sum('pages'), savedBytes: sum('savedBytes'), ms: sum('ms') };
}

/** The second bitmap, a window's slice at a time. */
export interface KeptBits {
  read(index: number): Uint8Array;
  write(index: number, bits: Uint8Array): void;
}

/** Drops the rest of compound pages that reach beyond the window of their head (1 GiB hugetlb pages do). */
export function applyCarries({ plan, shared }: Job, classified: Classified, kept: KeptBits): void {
  for (const { pfn, end, pageClass } of classified.carries) {
    for (let index = lowerBound(plan.starts, pfn); index < plan.starts.length; index++) {
      const span = windowSpan(plan, index);
      if (span.pfn >= end) break;
      const bits = kept.read(index);
      // A carry begins where a window ends, so that it covers the windows behind it from their beginning.
      const cleared = clearRange(bits, 0, Math.min(end - span.pfn, span.count));
      if (cleared === 0) continue;
      kept.write(index, bits);
      shared.keptPages[index]! -= cleared;
      classified.classes[PAGE_CLASSES[pageClass]!] += cleared;
    }
  }
}

/** As it stands in the output. */
export function keptBitsIn({ path, fd, layout }: JobTarget, plan: Plan): KeptBits {
  const place = (index: number) => layout.bitmap2Offset + windowSpan(plan, index).pfn / 8;
  return {
    read(index) {
      const sliceBytes = Math.ceil(windowSpan(plan, index).count / 8);
      return readPart(path, fd, 'the second bitmap', place(index), sliceBytes);
    },
    write: (index, bits) => writeFully(path, fd, bits, place(index)),
  };
}

/** Found once more where it is asked for, because it was not written; what is written is remembered. */
export function keptBitsAgain(thread: Thread, drop: FrameSetData | undefined): KeptBits {
  const sorter = new WindowSorter(thread, drop);
  const changed = new Map<number, Uint8Array>();
  return {
    read(index) {
      const known = changed.get(index);
      if (known !== undefined) return known;
      sorter.sort(index);
      return sorter.kept;
    },
    write: (index, bits) => changed.set(index, bits.slice()),
  };
}
