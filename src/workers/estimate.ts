/** What a dump would come to, without writing it: from a sample of the pages that are kept. */

import { setImmediate as breathe } from 'node:timers/promises';
import { windowSpan } from '../filter/plan.ts';
import { openZeroTest } from '../native/zero-test.ts';
import { runsOf } from '../read/bitmap.ts';
import type { CompressResult } from './compress-phase.ts';
import type { KeptBits } from './sums.ts';
import type { Thread } from './thread.ts';

/** Windows that are looked at, spread evenly over the kept pages, and pages of each. */
const WINDOWS = 64;
const PAGES_OF_A_WINDOW = 64;

interface Sample {
  pages: number;
  zeroPages: number;
  missingPages: number;
  dataBytes: number;
}

/** What compressing would give, if all kept pages were like the sample; all of them are looked at when they are few. */
export async function estimate(
  thread: Thread,
  kept: KeptBits,
  keptPages: number,
  stopIfAborted: () => void,
): Promise<CompressResult> {
  const measure = await pageMeasure(thread);
  const sample: Sample = { pages: 0, zeroPages: 0, missingPages: 0, dataBytes: 0 };
  for (const [index, times] of chosenWindows(thread.job.shared.keptPages, keptPages)) {
    const { pfn, count } = windowSpan(thread.job.plan, index);
    const inWindow = thread.job.shared.keptPages[index]!;
    const step = Math.max(1, inWindow / (PAGES_OF_A_WINDOW * times));
    for (const page of everyNth(kept.read(index), count, step)) measure(pfn + page, sample);
    await breathe();
    stopIfAborted();
  }
  const share = (value: number) => (sample.pages === 0 ? 0 : Math.round((value / sample.pages) * keptPages));
  const [zeroPages, missingPages] = [share(sample.zeroPages), share(sample.missingPages)];
  return {
    dataBytes: share(sample.dataBytes),
    storedPages: keptPages - zeroPages - missingPages,
    zeroPages,
    undecidedZeroPages: 0,
    missingPages,
    cutPages: 0,
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

/** Set bits of the first `count`: each `step`-th, which need not be a whole number. */
function* everyNth(bits: Uint8Array, count: number, step: number): Generator<number> {
  let seen = 0;
  let next = 0;
  for (const [from, to] of runsOf(bits, 0, count)) {
    for (; next < seen + (to - from); next += step) yield from + Math.floor(next) - seen;
    seen += to - from;
  }
}

/** Looks at one page as the compress phase would. */
async function pageMeasure(thread: Thread): Promise<(pfn: number, sample: Sample) => void> {
  const { reader } = thread;
  const { pageSize } = reader;
  const codec = await thread.openCodec();
  const out = Buffer.alloc(Math.max(pageSize, codec?.outSize(pageSize) ?? 0));
  const isZero = openZeroTest(pageSize);
  return (pfn, sample) => {
    sample.pages++;
    if (reader.load(pfn, 1) === 0) sample.missingPages++;
    else if (isZero(reader.bytes, reader.start)) sample.zeroPages++;
    else sample.dataBytes += codec?.compress(reader.bytes, out, reader.start, pageSize) || pageSize;
  };
}
