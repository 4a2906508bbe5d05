/** What a dump would come to, without writing it: from a sample of the pages that are kept. */

import { setImmediate as breathe } from 'node:timers/promises';
import { windowSpan } from '../filter/plan.ts';
import { runsOf, testBit } from '../read/bitmap.ts';
import { spread } from '../read/spread.ts';
import { UndecidedPages } from './classify-phase.ts';
import type { CompressResult } from './compress-phase.ts';
import { MISSING_PAGE, openPageMeasure, ZERO_PAGE } from './page-measure.ts';
import type { KeptBits } from './sums.ts';
import type { Thread } from './thread.ts';

/** Windows that are looked at, spread evenly over the kept pages, and pages of each. */
const WINDOWS = 64;
const PAGES_OF_A_WINDOW = 64;

interface Sample {
  pages: number;
  zeroPages: number;
  /** Those of them that are undecided. */
  undecidedZeroPages: number;
  missingPages: number;
  dataBytes: number;
}

/**
 * What compressing would give, if all kept pages were like the sample; all of them are looked at when they are few. No class comes to
 * less than nothing.
 */
export async function estimate(
  thread: Thread,
  kept: KeptBits,
  { keptPages, undecided: undecidedPages }: { readonly keptPages: number; readonly undecided: number },
  stopIfAborted: () => void,
): Promise<CompressResult> {
  const measure = await openPageMeasure(thread);
  const undecided = new UndecidedPages(thread);
  const sample: Sample = { pages: 0, zeroPages: 0, undecidedZeroPages: 0, missingPages: 0, dataBytes: 0 };
  const { plan, shared } = thread.job;
  const cutBefore = thread.reader.cutPages;
  for (const [index, times] of chosenWindows(shared.keptPages, keptPages)) {
    const { pfn, count } = windowSpan(plan, index);
    const open = undecided.of(index);
    const step = Math.max(1, shared.keptPages[index]! / (PAGES_OF_A_WINDOW * times));
    for (const page of oneOfEach(kept.read(index), count, step)) {
      const size = measure(pfn + page);
      sample.pages++;
      if (size === MISSING_PAGE) sample.missingPages++;
      else if (size !== ZERO_PAGE) sample.dataBytes += size;
      else {
        sample.zeroPages++;
        if (open !== undefined && testBit(open, page)) sample.undecidedZeroPages++;
      }
    }
    await breathe();
    stopIfAborted();
  }
  const share = (value: number) => (sample.pages === 0 ? 0 : Math.round((value / sample.pages) * keptPages));
  const zeroPages = share(sample.zeroPages);
  const missingPages = Math.min(keptPages - zeroPages, share(sample.missingPages));
  return {
    dataBytes: share(sample.dataBytes),
    storedPages: keptPages - zeroPages - missingPages,
    zeroPages,
    undecidedZeroPages: Math.max(
      zeroPages - (keptPages - undecidedPages),
      Math.min(undecidedPages, zeroPages, share(sample.undecidedZeroPages)),
    ),
    missingPages,
    cutPages: thread.reader.cutPages - cutBefore,
    dedup: undefined,
  };
}

/** Windows by number, and how often each was chosen: in proportion to the pages that it keeps. */
function chosenWindows(keptOf: Uint32Array, keptPages: number): Map<number, number> {
  const chosen = new Map<number, number>();
  let index = -1;
  let behind = 0;
  for (let i = 0; i < WINDOWS && keptPages > 0; i++) {
    const at = ((i + 0.5) / WINDOWS) * keptPages;
    while (behind <= at) behind += keptOf[++index]!;
    chosen.set(index, (chosen.get(index) ?? 0) + 1);
  }
  return chosen;
}

/**
 * One of every `step` set bits among the first `count`, each time at another place among them: at the same place there
 * would be a pattern, the first pages of large allocations for one.
 */
function* oneOfEach(bits: Uint8Array, count: number, step: number): Generator<number> {
  let seen = 0;
  let taken = 0;
  const nextPlace = () => Math.floor((taken + spread(taken)) * step);
  let next = nextPlace();
  for (const [from, to] of runsOf(bits, 0, count)) {
    while (next < seen + (to - from)) {
      yield from + next - seen;
      taken++;
      next = nextPlace();
    }
    seen += to - from;
  }
}
