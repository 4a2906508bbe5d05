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

/** Does windows until there are none left. Yields every so many pages. */
export function* copyWindows(
  thread: Thread,
  segments: ImageSegments,
  fileBytes: number,
  seat?: number,
): Generator<void, CompressResult> {
  const { job, reader } = thread;
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
    states: undefined,
    dedup: undefined,
  });
  const write = (bytes: Uint8Array, byteOffset: number) => {
    writeAt(outlet, bytes, byteOffset);
    behind?.wrote(byteOffset, bytes.length);
    result.dataBytes += bytes.length;
    result.storedPages += bytes.length / pageSize;
  };
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
        if (loaded === 0) result.missingPages++;
        const { bytes, start } = reader;
        // Pages up to this one are written, or need not be.
        let written = 0;
        for (let i = 0; i <= loaded; i++) {
          const offset = start + i * pageSize;
          // The end of the file is no hole: there would be no end.
          const isLast = byteOffset + (i + 1) * pageSize === fileBytes;
          const zero = i < loaded && !isLast && bytes[offset] === 0 && isZero(bytes, offset);
          if (zero) {
            result.zeroPages++;
            if (open !== undefined && testBit(open, at + i)) result.undecidedZeroPages++;
          }
          if (i < loaded && !zero) continue;
          if (i > written)
            write(bytes.subarray(start + written * pageSize, offset), byteOffset + written * pageSize);
          written = i + 1;
        }
        const n = Math.max(1, loaded);
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
