/** Before an output in which every kept page has its place: pages of zeros are taken from the kept ones. */

import { SmeltError } from '../errors.ts';
import { windowSpan } from '../filter/plan.ts';
import { openZeroTest } from '../native/zero-test.ts';
import { clearRange, runsOf, testBit } from '../read/bitmap.ts';
import { UndecidedPages } from './classify-phase.ts';
import { addDone, isStopped, takeWindows } from './job.ts';
import { keptBitsIn } from './sums.ts';
import type { Thread } from './thread.ts';

export interface ZeroResult {
  readonly zeroPages: number;
  /** Those of them that are undecided. */
  readonly undecidedZeroPages: number;
  /** Kept pages that could not be read, and stay. */
  readonly missingPages: number;
}

/** Pages between two looks at the world. */
const LOOK_PAGES = 1024;

/** Does windows until there are none left. Yields every so many pages. */
export function* dropZeroPages(thread: Thread, seat?: number): Generator<void, ZeroResult> {
  const { job, reader } = thread;
  const { plan, shared, target } = job;
  if (target === undefined) throw new SmeltError('INTERNAL', 'pages were to be dropped without a target');
  const { pageSize } = reader;
  const kept = keptBitsIn(target.bitmaps, plan);
  const isZero = openZeroTest(pageSize);
  const undecided = new UndecidedPages(thread);
  const result = { zeroPages: 0, undecidedZeroPages: 0, missingPages: 0 };
  for (const index of takeWindows(job, 'zeros', seat)) {
    const { pfn, count } = windowSpan(plan, index);
    if (shared.keptPages[index] === 0) continue;
    const open = undecided.of(index);
    const bits = kept.read(index);
    let dropped = 0;
    let sinceLook = 0;
    for (const [from, to] of runsOf(kept.read(index), 0, count)) {
      for (let at = from; at < to; ) {
        const loaded = reader.load(pfn + at, to - at);
        if (loaded === 0) result.missingPages++;
        const { bytes, start } = reader;
        for (let i = 0; i < loaded; i++) {
          const offset = start + i * pageSize;
          if (bytes[offset] !== 0 || !isZero(bytes, offset)) continue;
          dropped += clearRange(bits, at + i, at + i + 1);
          if (open !== undefined && testBit(open, at + i)) result.undecidedZeroPages++;
        }
        const n = Math.max(1, loaded);
        at += n;
        addDone(shared, 'zeros', n);
        sinceLook += n;
        if (sinceLook < LOOK_PAGES) continue;
        sinceLook = 0;
        yield;
        if (isStopped(shared)) return result;
      }
    }
    if (dropped > 0) kept.write(index, bits);
    shared.keptPages[index]! -= dropped;
    result.zeroPages += dropped;
    yield;
  }
  return result;
}
