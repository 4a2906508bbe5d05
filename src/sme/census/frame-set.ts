/** A set of page frames that takes memory where it is irregular, not where the machine is large. */

import type { MemoryRuns } from './memory-runs.ts';

/** Page frames of a chunk: 128 MiB of 4 KiB pages, whose bitmap has 4 KiB. */
const CHUNK_FRAMES = 32768;
const CHUNK_WORDS = CHUNK_FRAMES / 32;
/** Bitmaps that `add` makes at most, 64 MiB: 2 TiB of memory with something irregular in every chunk have as many. */
const MAX_BITMAPS = 2 ** 14;

/** Absent from the map: none of its frames is in the set. */
interface Chunk {
  /** Bit n of word k stands for frame 32k + n of the chunk; undefined: all of them are in the set. */
  readonly words: Int32Array | undefined;
  count: number;
  /** Other sets have it, too: it is to be copied before it is changed. */
  isShared?: true;
}

const FULL: Chunk = { words: undefined, count: CHUNK_FRAMES };

/** A FrameSet as it is sent to another thread. */
export interface FrameSetData {
  readonly limit: number;
  readonly chunks: Map<number, Chunk>;
  readonly lost: number;
}

export class FrameSet {
  /** No frame at or above this is taken in. */
  readonly limit: number;
  /** Frames that were added and for which there was no room, some of them perhaps more than once. */
  lost: number;
  private readonly chunks: Map<number, Chunk>;
  private bitmaps = 0;

  constructor(limit: number, chunks = new Map<number, Chunk>(), lost = 0) {
    this.limit = limit;
    this.chunks = chunks;
    this.lost = lost;
  }

  /** Shares the data's memory. */
  static from({ limit, chunks, lost }: FrameSetData): FrameSet {
    return new FrameSet(limit, chunks, lost);
  }

  /** Plain data, the set's own: it is not to be changed while the data are in use. */
  get data(): FrameSetData {
    return { limit: this.limit, chunks: this.chunks, lost: this.lost };
  }

  /** Frames in the set. */
  get count(): number {
    let count = 0;
    for (const chunk of this.chunks.values()) count += chunk.count;
    return count;
  }

  /** Adds `count` frames from `pfn` on, those below the limit. */
  add(pfn: number, count = 1): void {
    const end = Math.min(pfn + count, this.limit);
    for (let at = pfn; at < end; ) {
      const index = Math.floor(at / CHUNK_FRAMES);
      const base = index * CHUNK_FRAMES;
      const to = Math.min(end - base, CHUNK_FRAMES);
      this.addInChunk(index, at - base, to);
      at = base + to;
    }
  }

  has(pfn: number): boolean {
    const chunk = this.chunks.get(Math.floor(pfn / CHUNK_FRAMES));
    if (chunk === undefined) return false;
    const bit = pfn % CHUNK_FRAMES;
    return chunk.words === undefined || (chunk.words[bit >>> 5]! & (1 << (bit & 31))) !== 0;
  }

  addAll(other: FrameSet): void {
    this.lost += other.lost;
    for (const [index, chunk] of other.chunks) {
      const own = this.chunks.get(index);
      if (own === undefined) this.share(index, chunk);
      else if (own.words !== undefined)
        this.put(
          index,
          combine(own, chunk, (a, b) => a | b),
        );
    }
  }

  /** The frames that are memory. */
  clip(memory: MemoryRuns): FrameSet {
    const result = new FrameSet(this.limit, undefined, this.lost);
    for (const [index, chunk] of this.chunks) {
      const base = index * CHUNK_FRAMES;
      const inside = memory.pagesIn(base, base + CHUNK_FRAMES);
      if (inside === CHUNK_FRAMES) result.share(index, chunk);
      else if (inside > 0) {
        const bits = new Int32Array(CHUNK_WORDS);
        for (const [from, to] of memory.runsIn(base, base + CHUNK_FRAMES))
          setBits(bits, from - base, to - base);
        result.put(
          index,
          combine(chunk, { words: bits, count: inside }, (a, b) => a & b),
        );
      }
    }
    return result;
  }

  /** The frames that are in both. */
  and(other: FrameSet): FrameSet {
    return this.with(other, (a, b) => a & b);
  }

  /** The frames that are in this one and not in the other. */
  minus(other: FrameSet): FrameSet {
    return this.with(other, (a, b) => a & ~b);
  }

  /** Runs of frames in ascending order, as [first, first behind]. */
  runs(): Generator<[number, number]> {
    const indices = [...this.chunks.keys()].sort((a, b) => a - b);
    return this.runsOf(indices, 0, this.limit);
  }

  /** Runs among the `count` frames from `pfn` on. */
  runsIn(pfn: number, count: number): Generator<[number, number]> {
    const end = Math.min(pfn + count, this.limit);
    return this.runsOf(integers(Math.floor(pfn / CHUNK_FRAMES), Math.ceil(end / CHUNK_FRAMES)), pfn, end);
  }

  private addInChunk(index: number, from: number, to: number): void {
    const chunk = this.chunks.get(index);
    if (chunk !== undefined && chunk.words === undefined) return;
    if (to - from === CHUNK_FRAMES) {
      if (chunk !== undefined) this.bitmaps--;
      this.chunks.set(index, FULL);
      return;
    }
    if (chunk === undefined && this.bitmaps === MAX_BITMAPS) {
      this.lost += to - from;
      return;
    }
    if (chunk === undefined) this.bitmaps++;
    const partial = ownChunk(chunk);
    partial.count += setBits(partial.words!, from, to);
    if (partial.count === CHUNK_FRAMES) this.bitmaps--;
    this.put(index, partial);
  }

  private share(index: number, chunk: Chunk): void {
    if (chunk.words !== undefined) chunk.isShared = true;
    this.chunks.set(index, chunk);
  }

  private put(index: number, chunk: Chunk): void {
    if (chunk.count === 0) this.chunks.delete(index);
    else this.chunks.set(index, chunk.count === CHUNK_FRAMES ? FULL : chunk);
  }

  /** An operation that gives nothing where this set has nothing. */
  private with(other: FrameSet, op: (a: number, b: number) => number): FrameSet {
    const result = new FrameSet(this.limit, undefined, this.lost);
    for (const [index, chunk] of this.chunks) {
      const others = other.chunks.get(index);
      // Against nothing a word comes out as nothing or as it is, and so does the chunk.
      if (others !== undefined) result.put(index, combine(chunk, others, op));
      else if (op(-1, 0) !== 0) result.share(index, chunk);
    }
    return result;
  }

  private *runsOf(indices: Iterable<number>, from: number, to: number): Generator<[number, number]> {
    let start = -1;
    let end = -1;
    for (const index of indices) {
      const chunk = this.chunks.get(index);
      if (chunk === undefined) continue;
      const base = index * CHUNK_FRAMES;
      const last = Math.min(CHUNK_FRAMES, to - base);
      for (let bit = Math.max(0, from - base); bit < last; ) {
        const first = chunk.words === undefined ? bit : nextBit(chunk.words, bit, last, 0);
        if (first >= last) break;
        bit = chunk.words === undefined ? last : nextBit(chunk.words, first, last, -1);
        if (base + first !== end) {
          if (start >= 0) yield [start, end];
          start = base + first;
        }
        end = base + bit;
      }
    }
    if (start >= 0) yield [start, end];
  }
}

function* integers(from: number, to: number): Generator<number> {
  for (let i = from; i < to; i++) yield i;
}

/** One that may be changed, with the same frames. */
function ownChunk(chunk: Chunk | undefined): Chunk {
  if (chunk === undefined) return { words: new Int32Array(CHUNK_WORDS), count: 0 };
  return chunk.isShared ? { words: Int32Array.from(chunk.words!), count: chunk.count } : chunk;
}

/** A chunk of which each word is `op` of the words of two; either may be absent. */
function combine(a: Chunk | undefined, b: Chunk | undefined, op: (a: number, b: number) => number): Chunk {
  const wholeA = wholeWord(a);
  const wholeB = wholeWord(b);
  if (wholeA !== undefined && wholeB !== undefined) {
    return op(wholeA, wholeB) === 0 ? { words: undefined, count: 0 } : FULL;
  }
  const words = new Int32Array(CHUNK_WORDS);
  let count = 0;
  for (let i = 0; i < CHUNK_WORDS; i++) {
    const word = op(wholeA ?? a!.words![i]!, wholeB ?? b!.words![i]!);
    words[i] = word;
    count += popcount32(word);
  }
  return { words, count };
}

/** The word that all words of a chunk are, where it has no bitmap. */
function wholeWord(chunk: Chunk | undefined): number | undefined {
  if (chunk === undefined) return 0;
  return chunk.words === undefined ? -1 : undefined;
}

/** Sets the bits `from` … `to - 1` and returns how many of them were clear. */
function setBits(words: Int32Array, from: number, to: number): number {
  let added = 0;
  for (let bit = from; bit < to; ) {
    const index = bit >>> 5;
    const upTo = Math.min(to, (index + 1) * 32);
    const mask = (upTo - bit === 32 ? -1 : (1 << (upTo - bit)) - 1) << (bit & 31);
    const old = words[index]!;
    added += popcount32(mask & ~old);
    words[index] = old | mask;
    bit = upTo;
  }
  return added;
}

/** The first bit from `from` on, below `to`, that is set (`skip` 0) or clear (`skip` -1); else `to`. */
function nextBit(words: Int32Array, from: number, to: number, skip: 0 | -1): number {
  for (let bit = from; bit < to; ) {
    const rest = (words[bit >>> 5]! ^ skip) >>> (bit & 31);
    if (rest !== 0) return Math.min(to, bit + 31 - Math.clz32(rest & -rest));
    bit = (bit | 31) + 1;
  }
  return to;
}

function popcount32(word: number): number {
  let n = word - ((word >>> 1) & 0x55555555);
  n = (n & 0x33333333) + ((n >>> 2) & 0x33333333);
  return (((n + (n >>> 4)) & 0x0f0f0f0f) * 0x01010101) >>> 24;
}
