/** A sample of the pages that a level keeps: evenly spread over them, the same for the same seed, in no order. */

import { SmeltError } from '../errors.ts';
import { popcount, runsOf } from '../read/bitmap.ts';
import type { KdumpDumpFile, MemoryReader } from '../read/dump-file.ts';
import { partOf } from '../read/source.ts';
import { randomNumbers, shuffle } from './random.ts';

export interface Sample {
  /** `pages` pages one behind the other. Any first part of them is spread over the dump as well. */
  readonly bytes: Buffer;
  readonly pages: number;
  readonly pageSize: number;
  readonly keptPages: number;
}

/** Pages that are looked at for each one wanted: many kept pages may be zero. */
const LOOKS = 4;
/** Page frames whose bits are read at once. */
const SLICE = 2 ** 18;

/** `count` numbers below `of`, one by chance out of each of `count` equal parts, ascending; all of them when they are fewer. */
export function spreadRanks(of: number, count: number, random: () => number): number[] {
  if (of <= count) return Array.from({ length: of }, (_, i) => i);
  const border = (part: number) => Math.floor((part * of) / count);
  return Array.from(
    { length: count },
    (_, i) => border(i) + Math.floor(random() * (border(i + 1) - border(i))),
  );
}

/**
 * Pages that are not zero, `wanted` at most, of those that `dump` keeps, as `reader` reads them in the input.
 * @throws SmeltError UNSUPPORTED where there is none
 */
export function samplePages(dump: KdumpDumpFile, reader: MemoryReader, wanted: number, seed: number): Sample {
  const { pageSize } = reader;
  const random = randomNumbers(seed);
  let keptPages = 0;
  for (const { bits } of keptSlices(dump)) keptPages += popcount(bits);
  const zeros = Buffer.alloc(pageSize);
  const found: Buffer[] = [];
  for (const pfn of pfnsOf(dump, spreadRanks(keptPages, wanted * LOOKS, random))) {
    if (reader.load(pfn, 1) === 0) continue;
    const page = reader.bytes.subarray(reader.start, reader.start + pageSize);
    if (!page.equals(zeros)) found.push(Buffer.from(page));
  }
  if (found.length === 0) {
    throw new SmeltError('UNSUPPORTED', `${dump.path}: this level keeps no page with anything in it`, {
      hint: 'Measure at another level with -d, or another dump.',
    });
  }
  const picked = spreadRanks(found.length, wanted, random).map((i) => found[i]!);
  shuffle(picked, random);
  return { bytes: Buffer.concat(picked), pages: picked.length, pageSize, keptPages };
}

/** The page frames that have these ranks among the kept ones; `ranks` ascend. */
function* pfnsOf(dump: KdumpDumpFile, ranks: readonly number[]): Generator<number> {
  let next = 0;
  let before = 0;
  for (const { pfn, bits } of keptSlices(dump)) {
    for (const [from, to] of runsOf(bits, 0, bits.length * 8)) {
      while (next < ranks.length && ranks[next]! < before + to - from) {
        yield pfn + from + (ranks[next]! - before);
        next++;
      }
      before += to - from;
    }
  }
}

/** The second bitmap, piece by piece. */
export function* keptSlices(dump: KdumpDumpFile): Generator<{ pfn: number; bits: Buffer }> {
  const { bitmap2Offset, maxMapnr } = dump;
  for (let pfn = 0; pfn < maxMapnr; pfn += SLICE) {
    const count = Math.min(SLICE, maxMapnr - pfn);
    const bits = partOf(dump, 'the second bitmap', bitmap2Offset + pfn / 8, Math.ceil(count / 8));
    // What a writer left behind the last bit means nothing.
    if (count % 8 !== 0) bits[bits.length - 1]! &= (1 << (count % 8)) - 1;
    yield { pfn, bits };
  }
}
