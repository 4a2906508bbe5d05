/** Takes pages that were not to be had out of an output: their bits, and their descriptors. Readers then call them excluded. */

import { popcount, runsOf } from '../read/bitmap.ts';
import { readPart } from '../read/file.ts';
import { PageDescriptor } from '../read/kdump-layout.ts';
import { writeFully } from '../write/target-file.ts';
import { tableEnds } from './table-end.ts';

/** Page frames that are lost, one behind the other. */
export interface LostRange {
  readonly pfn: number;
  readonly count: number;
}

export interface Settled {
  /** Pages that the output has, and those that it should have. */
  readonly savedPages: number;
  readonly lostPages: number;
  readonly lostRanges: number;
  readonly firstLost: LostRange | undefined;
  readonly lastLost: LostRange | undefined;
}

export interface SettlePlaces {
  readonly path: string;
  readonly fd: number;
  readonly bitmap2Offset: number;
  readonly descOffset: number;
}

/** Descriptors moved at once. */
const AT_ONCE = 2 ** 15;

/**
 * `spans`: where there is memory, in ascending order, each beginning at a multiple of 8. `claim`: sets the bits of page frames that the
 * input should have, into zeros. Yields now and then.
 */
export function* settlePages(
  { path, fd, bitmap2Offset, descOffset }: SettlePlaces,
  spans: Iterable<{ pfn: number; count: number }>,
  claim: (pfn: number, count: number, bits: Uint8Array) => void,
): Generator<void, Settled> {
  const ranges = new LostRanges();
  let from = 0;
  let to = 0;
  for (const { pfn, count } of spans) {
    const bitmapAt = bitmap2Offset + pfn / 8;
    const bits = readPart(path, fd, 'the second bitmap', bitmapAt, Math.ceil(count / 8));
    const claimed = Buffer.from(bits);
    claim(pfn, count, claimed);
    const marked = popcount(bits, count);
    const moved = moveDescriptors({ path, fd, descOffset }, from, to, marked, bits, count);
    from += marked;
    to += moved;
    if (moved < marked) writeFully(path, fd, bits, bitmapAt);
    for (let i = 0; i < bits.length; i++) claimed[i]! &= ~bits[i]!;
    for (const [first, end] of runsOf(claimed, 0, count)) ranges.add(pfn + first, end - first);
    yield;
  }
  // What is left of the descriptors says nothing any more, but where they end.
  for (let at = to; at < from; at += AT_ONCE) {
    const marks = tableEnds(to, Math.min(AT_ONCE, from - at));
    writeFully(path, fd, marks, descOffset + at * PageDescriptor.size);
    yield;
  }
  return { savedPages: to, ...ranges.sum() };
}

/** Moves the descriptors of a window's pages that are there from number `from` to `to` on, and clears the bits of the others; gives how many are there. */
function moveDescriptors(
  { path, fd, descOffset }: Omit<SettlePlaces, 'bitmap2Offset'>,
  from: number,
  to: number,
  marked: number,
  bits: Buffer,
  count: number,
): number {
  let there = 0;
  let bit = nextSet(bits, 0, count);
  for (let done = 0; done < marked; ) {
    const n = Math.min(AT_ONCE, marked - done);
    const length = n * PageDescriptor.size;
    const at = descOffset + (from + done) * PageDescriptor.size;
    const table = readPart(path, fd, 'page descriptors', at, length);
    let kept = 0;
    for (let i = 0; i < length; i += PageDescriptor.size) {
      const isThere = table.readUInt32LE(i) !== 0 || table.readUInt32LE(i + 4) !== 0;
      if (isThere) {
        if (kept < i) table.copyWithin(kept, i, i + PageDescriptor.size);
        kept += PageDescriptor.size;
      } else bits[bit >>> 3]! &= ~(1 << (bit & 7));
      bit = nextSet(bits, bit + 1, count);
    }
    // Nothing moves as long as nothing was lost.
    if (from + done !== to + there || kept < length)
      writeFully(path, fd, table.subarray(0, kept), descOffset + (to + there) * PageDescriptor.size);
    there += kept / PageDescriptor.size;
    done += n;
  }
  return there;
}

function nextSet(bits: Uint8Array, from: number, to: number): number {
  let bit = from;
  while (bit < to && (bits[bit >>> 3]! & (1 << (bit & 7))) === 0)
    bit += bits[bit >>> 3] === 0 ? 8 - (bit & 7) : 1;
  return bit;
}

class LostRanges {
  private pages = 0;
  private ranges = 0;
  private first: LostRange | undefined;
  private last: { pfn: number; count: number } | undefined;

  add(pfn: number, count: number): void {
    this.pages += count;
    if (this.last !== undefined && this.last.pfn + this.last.count === pfn) {
      this.last.count += count;
      return;
    }
    if (this.ranges === 1) this.first = this.last;
    this.ranges++;
    this.last = { pfn, count };
  }

  sum() {
    return {
      lostPages: this.pages,
      lostRanges: this.ranges,
      firstLost: this.ranges === 1 ? this.last : this.first,
      lastLost: this.last,
    };
  }
}
