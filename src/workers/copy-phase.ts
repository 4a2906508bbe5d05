/** The last phase where pages are stored as they are (ELF, raw, LiME): each goes to its place, and pages of zeros are holes. */

import { SmeltError } from '../errors.ts';
import { windowSpan } from '../filter/plan.ts';
import { openZeroTest } from '../native/zero-test.ts';
import { runsOf, testBit } from '../read/bitmap.ts';
import { isLive } from '../read/live.ts';
import { type ImageSegments, placeOf } from '../write/image.ts';
import { writeAt } from '../write/outlet.ts';
import { WriteBehind } from '../write/write-behind.ts';
import { UndecidedPages } from './classify-phase.ts';
import type { CompressResult } from './compress-phase.ts';
import { addDone, isStopped, takeWindows } from './job.ts';
import { keptBitsIn } from './sums.ts';
import type { Thread } from './thread.ts';

/** Pages between two looks at the world. */
const LOOK_PAGES = 1024;

/** What a thread has to know of the output to copy pages into it. */
export interface CopyTask {
  readonly phase: 'copy';
  readonly segments: ImageSegments;
  /** Where the last page lies, which a stream has to have whatever is in it: it has no length of its own. Undefined: a file. */
  readonly endPage: number | undefined;
}

/** Does windows until there are none left. Yields every so many pages. */
export function* copyWindows(
  thread: Thread,
  { segments, endPage }: CopyTask,
  seat?: number,
): Generator<void, CompressResult> {
  const { job, pages: reader } = thread;
  const { plan, shared, target } = job;
  if (target === undefined) throw new SmeltError('INTERNAL', 'pages were to be written without a target');
  const { pageSize } = reader;
  const outlet = target.outlets[0]!;
  const kept = keptBitsIn(target.bitmaps, plan);
  const behind =
    isLive(job.file) && outlet.stream === undefined ? WriteBehind.open(outlet.path, outlet.fd) : undefined;
  const isZero = openZeroTest(pageSize);
  const undecided = new UndecidedPages(thread);
  const result = { dataBytes: 0, storedPages: 0, zeroPages: 0, undecidedZeroPages: 0, missingPages: 0 };
  const cutBefore = reader.cutPages;
  const done = (): CompressResult => ({
    ...result,
    cutPages: reader.cutPages - cutBefore,
    dedup: undefined,
  });
  for (const index of takeWindows(job, 'copy', seat)) {
    const { pfn, count } = windowSpan(plan, index);
    if (shared.keptPages[index] === 0) continue;
    const open = undecided.of(index);
    let sinceLook = 0;
    for (const [from, to] of runsOf(kept.read(index), 0, count)) {
      const place = placeOf(segments, pfn + from, pageSize);
      if (place === undefined)
        throw new SmeltError('INTERNAL', `page frame ${pfn + from} is kept and has no place in the output`);
      for (let at = from; at < to; ) {
        const loaded = reader.load(pfn + at, to - at);
        const byteOffset = place + (at - from) * pageSize;
        const { bytes, start } = reader;
        // Pages up to this one are written, or need not be.
        let written = 0;
        for (let i = 0; i <= loaded; i++) {
          const offset = start + i * pageSize;
          if (i < loaded) {
            if (bytes[offset] !== 0 || !isZero(bytes, offset)) continue;
            result.zeroPages++;
            if (open !== undefined && testBit(open, at + i)) result.undecidedZeroPages++;
          }
          if (i > written) {
            const data = bytes.subarray(start + written * pageSize, offset);
            const dataAt = byteOffset + written * pageSize;
            yield* writeAt(outlet, data, dataAt);
            behind?.wrote(dataAt, data.length);
            result.dataBytes += data.length;
            result.storedPages += i - written;
          }
          written = i + 1;
        }
        if (loaded === 0) result.missingPages++;
        const n = Math.max(1, loaded);
        const isEnd = byteOffset + (n - 1) * pageSize === endPage;
        if (isEnd && (loaded === 0 || isZero(bytes, start + (loaded - 1) * pageSize)))
          yield* writeAt(outlet, Buffer.alloc(pageSize), endPage);
        at += n;
        addDone(shared, 'copy', n);
        sinceLook += n;
        if (sinceLook < LOOK_PAGES) continue;
        sinceLook = 0;
        yield;
        if (isStopped(shared)) return done();
      }
    }
    yield;
  }
  return done();
}
