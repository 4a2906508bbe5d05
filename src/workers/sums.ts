/** Adds up what the threads found, and settles what one window's pages decide for the next. */

import { ClassIndex, PAGE_CLASSES, type PageClass } from '../filter/page-class.ts';
import { type Plan, windowSpan } from '../filter/plan.ts';
import { MAX_COMPOUND_PAGES } from '../filter/struct-pages.ts';
import { clearRange, popcountIn } from '../read/bitmap.ts';
import { lowerBound } from '../read/extents.ts';
import { readPart } from '../read/file.ts';
import type { FrameSet } from '../sme/census/frame-set.ts';
import { writeFully } from '../write/target-file.ts';
import { type ClassifyResult, type UndecidedPages, WindowSorter } from './classify-phase.ts';
import type { CompressResult } from './compress-phase.ts';
import type { DedupResult } from './dedup.ts';
import type { BitmapPlace, Job } from './job.ts';
import type { Thread } from './thread.ts';
import type { ZeroResult } from './zero-phase.ts';

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
  const sum = (key: Exclude<keyof CompressResult, 'dedup' | 'states'>) =>
    results.reduce((total, r) => total + r[key], 0);
  return {
    dataBytes: sum('dataBytes'),
    storedPages: sum('storedPages'),
    zeroPages: sum('zeroPages'),
    undecidedZeroPages: sum('undecidedZeroPages'),
    missingPages: sum('missingPages'),
    cutPages: sum('cutPages'),
    states: sumStates(results.flatMap(({ states }) => (states === undefined ? [] : [states]))),
    dedup: sumDedup(results.flatMap((r) => r.dedup ?? [])),
  };
}

export function sumZero(results: readonly ZeroResult[]): ZeroResult {
  return {
    zeroPages: results.reduce((total, r) => total + r.zeroPages, 0),
    undecidedZeroPages: results.reduce((total, r) => total + r.undecidedZeroPages, 0),
    missingPages: results.reduce((total, r) => total + r.missingPages, 0),
  };
}

/** Pages of zeros that went before belong to those that were kept, as where all of them share one. */
export function withZeroPages(compressed: CompressResult, zero: ZeroResult): CompressResult {
  return {
    ...compressed,
    zeroPages: compressed.zeroPages + zero.zeroPages,
    undecidedZeroPages: compressed.undecidedZeroPages + zero.undecidedZeroPages,
  };
}

function sumStates(all: readonly (readonly number[])[]): readonly number[] | undefined {
  return all[0]?.map((_, state) => all.reduce((total, states) => total + states[state]!, 0));
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

/** Page frames that go when all windows are classified, from `from` to `to - 1` of their window; a class is an index in PAGE_CLASSES. */
interface LateDrop {
  readonly from: number;
  readonly to: number;
  readonly pageClass: number;
}

/**
 * What no window knows by itself: the rest of compound pages that reach beyond the window of their head (1 GiB hugetlb pages
 * do), and then page frames that go whatever they are, of which a block may still need the first one to be looked at.
 */
export class LateDrops {
  private readonly plan: Plan;
  private readonly carries: ClassifyResult['carries'];
  private readonly starts: Float64Array;
  private readonly drop: FrameSet | undefined;

  constructor(plan: Plan, carries: ClassifyResult['carries'], drop: FrameSet | undefined) {
    this.plan = plan;
    this.carries = [...carries].sort((a, b) => a.pfn - b.pfn);
    this.starts = Float64Array.from(this.carries, ({ pfn }) => pfn);
    this.drop = drop;
  }

  *of(index: number): Generator<LateDrop> {
    const { pfn, count } = windowSpan(this.plan, index);
    // A carry begins where a window ends, so that it covers the windows behind it from their beginning.
    for (
      let i = lowerBound(this.starts, pfn - MAX_COMPOUND_PAGES);
      (this.starts[i] ?? Infinity) <= pfn;
      i++
    ) {
      const { end, pageClass } = this.carries[i]!;
      if (end > pfn) yield { from: 0, to: Math.min(end - pfn, count), pageClass };
    }
    for (const [from, to] of this.drop?.runsIn(pfn, count) ?? [])
      yield { from: from - pfn, to: to - pfn, pageClass: ClassIndex.shared };
  }
}

/** Takes them from the kept pages, window by window, and puts them to their classes. */
export function* settle(
  { plan, shared }: Job,
  classified: Classified,
  late: LateDrops,
  kept: KeptBits,
  undecided: UndecidedPages,
): Generator<void> {
  const { classes } = classified;
  for (let index = 0; index < plan.starts.length; index++) {
    const drops = [...late.of(index)];
    if (drops.length === 0) continue;
    const open = undecided.of(index);
    const bits = kept.read(index);
    let sum = 0;
    for (const { from, to, pageClass } of drops) {
      if (open !== undefined) classes.undecided -= popcountIn(bits, from, to, open);
      const cleared = clearRange(bits, from, to);
      classes[PAGE_CLASSES[pageClass]!] += cleared;
      sum += cleared;
    }
    if (sum > 0) kept.write(index, bits);
    shared.keptPages[index]! -= sum;
    yield;
  }
}

/** As it stands where it is written. */
export function keptBitsIn({ path, fd, bitmap2Offset }: BitmapPlace, plan: Plan): KeptBits {
  const place = (index: number) => bitmap2Offset + windowSpan(plan, index).pfn / 8;
  return {
    read(index) {
      const sliceBytes = Math.ceil(windowSpan(plan, index).count / 8);
      return readPart(path, fd, 'the second bitmap', place(index), sliceBytes);
    },
    write: (index, bits) => writeFully(path, fd, bits, place(index)),
  };
}

/** Found once more where it is asked for, because it was not written: what goes late is taken from windows that were. */
export function keptBitsAgain(thread: Thread, late: LateDrops): KeptBits {
  const sorter = new WindowSorter(thread);
  const settled = new Set<number>();
  return {
    read(index) {
      sorter.sort(index);
      if (settled.has(index)) for (const { from, to } of late.of(index)) clearRange(sorter.kept, from, to);
      return sorter.kept;
    },
    write: (index) => settled.add(index),
  };
}
