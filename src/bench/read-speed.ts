/** How fast the dump's memory comes out of its file, by each way of access. */

import type { DumpFile, MemoryReader } from '../read/dump-file.ts';
import { pfnRuns } from '../read/extents.ts';
import { openReader } from '../workers/thread.ts';
import type { ReadingReport } from './report.ts';
import { type Pace, takeTurns, timed } from './rounds.ts';
import { rateOf } from './spread.ts';

/** Larger dumps are read in stretches, evenly spread over them. */
const MOST_BYTES = 2 ** 30;
const STRETCH_BYTES = 2 ** 22;
/** One word of each cache line is looked at, so that a mapping is really read. */
const LINE_WORDS = 16;

export interface Stretch {
  readonly pfn: number;
  readonly count: number;
}

/** Up to `mostPages` of the memory's page frames, evenly spread, in ascending order. */
export function spreadStretches(runs: Iterable<Stretch>, stretchPages: number, mostPages: number): Stretch[] {
  const all: Stretch[] = [];
  let pages = 0;
  for (const { pfn, count } of runs) {
    for (let at = 0; at < count; at += stretchPages)
      all.push({ pfn: pfn + at, count: Math.min(stretchPages, count - at) });
    pages += count;
  }
  const step = Math.max(1, pages / mostPages);
  const kept: Stretch[] = [];
  for (let i = 0; Math.floor(i) < all.length; i += step) kept.push(all[Math.floor(i)]!);
  return kept;
}

export async function measureReading(pace: Pace, file: DumpFile): Promise<ReadingReport[]> {
  const { pageSize } = file;
  const stretches = spreadStretches(
    pfnRuns(file.memory, pageSize),
    STRETCH_BYTES / pageSize,
    MOST_BYTES / pageSize,
  );
  const readers: { access: ReadingReport['access']; reader: MemoryReader }[] = [];
  try {
    readers.push({ access: 'read', reader: await openReader(file, false) });
    const mapped = await openReader(file, true);
    // Pages stored one by one cannot be mapped, nor can anything without native code.
    if (mapped.mapped) readers.push({ access: 'mmap', reader: mapped });
    else mapped.close();
    let bytes = 0;
    const results = await takeTurns(
      pace,
      'reading',
      readers,
      ({ access }) => access,
      ({ reader }) =>
        timed(() => {
          bytes = readStretches(reader, stretches) * pageSize;
        }),
    );
    return results.map(({ variant: { access }, warmUp, rounds }) => ({
      access,
      bytes,
      bytesPerSecond: rateOf(bytes, rounds),
      firstBytesPerSecond: (bytes / warmUp) * 1000,
    }));
  } finally {
    for (const { reader } of readers) reader.close();
  }
}

/** Pages read; those that the input does not have are passed over. */
function readStretches(reader: MemoryReader, stretches: readonly Stretch[]): number {
  let pages = 0;
  let seen = 0;
  for (const { pfn, count } of stretches) {
    for (let at = 0; at < count; ) {
      const n = reader.load(pfn + at, Math.min(count - at, reader.maxPages));
      if (n > 0) seen ^= touch(reader.bytes, reader.start, n * reader.pageSize);
      pages += n;
      at += Math.max(n, 1);
    }
  }
  // `seen` is used, so that looking is not optimised away.
  return seen === 0.5 ? 0 : pages;
}

function touch(bytes: Buffer, start: number, length: number): number {
  const at = bytes.byteOffset + start;
  const first = Math.ceil(at / 4);
  const words = new Int32Array(bytes.buffer, first * 4, Math.floor((at + length) / 4) - first);
  let seen = 0;
  for (let i = 0; i < words.length; i += LINE_WORDS) seen ^= words[i]!;
  return seen;
}
