/** Collects a thread's compressed pages, takes room for them in the output with one atomic add, and writes them there. */

import { endianness } from 'node:os';
import { SmeltError } from '../errors.ts';
import { PageDescriptor } from '../read/kdump-layout.ts';
import { type Outlet, writeAt } from './outlet.ts';
import type { WriteBehind } from './write-behind.ts';

/** Bytes of page data, and pages, that are written at once. */
const DATA_BYTES = 1024 * 1024;
export const MAX_PAGES = 4096;

/** The file's byte order is little-endian, and so is that of every machine but a few. */
const WORD = 4;
const DESCRIPTOR_WORDS = PageDescriptor.size / WORD;
const OFFSET_WORD = PageDescriptor.offset.offset / WORD;
const SIZE_WORD = PageDescriptor.offset.size / WORD;
const FLAGS_WORD = PageDescriptor.offset.flags / WORD;

/** In `place`: the descriptor points to the page of zeros, to bytes placed before, or nowhere because the page could not be read. */
const ZERO_PAGE = -1;
const MISSING_PAGE = -2;
const ELSEWHERE = -3;
/** And below this: it points to the bytes of another page that waits, at the place that is missing to here. */
const SAME = -4;

export interface PlacerTarget {
  readonly outlet: Outlet;
  readonly descOffset: number;
  readonly zeroPageOffset: number;
  readonly pageSize: number;
  /** The number with this index, which all threads share, is the first byte behind all data that has a place. */
  readonly nextByte: BigInt64Array;
  readonly index: number;
}

/** Told of each page that waited as number `index`, with bytes of its own, once they are in the output. */
export type OnPlaced = (index: number, byteOffset: number, size: number) => void;

export class PagePlacer {
  /** Bytes of page data placed by this thread. */
  dataBytes = 0;

  private readonly target: PlacerTarget;
  /** Where the next page's bytes go before `add`: from `used` on. */
  readonly data: Buffer;
  used = 0;
  /** Place in `data` of each page that waits, or one of the above; its size and flags. */
  private readonly place = new Int32Array(MAX_PAGES);
  private readonly size = new Uint32Array(MAX_PAGES);
  private readonly flags = new Uint32Array(MAX_PAGES);
  /** Place in the output of those that are ELSEWHERE. */
  private readonly elsewhere = new Float64Array(MAX_PAGES);
  /** Pages that wait. */
  count = 0;
  /** Page descriptors, by words of 32 bits: views of single values would cost more than all else that is done for a page. */
  private readonly descriptors = new Uint32Array((MAX_PAGES * PageDescriptor.size) / WORD);
  /** Index of the descriptor of the first page that waits. */
  private firstDescriptor = 0;
  private readonly onPlaced: OnPlaced | undefined;
  private readonly behind: WriteBehind | undefined;

  /** `pageRoom`: bytes that the next page may need in `data`. `behind`: who is told of page data that was written. */
  constructor(target: PlacerTarget, pageRoom: number, onPlaced?: OnPlaced, behind?: WriteBehind) {
    this.target = target;
    this.onPlaced = onPlaced;
    this.behind = behind;
    this.data = Buffer.alloc(DATA_BYTES + pageRoom);
  }

  /** The pages that follow have the descriptors from `descriptor` on. */
  begin(descriptor: number): void {
    if (this.count > 0) throw new SmeltError('INTERNAL', `${this.count} pages wait that were not written`);
    this.firstDescriptor = descriptor;
  }

  /** The next page is the `size` bytes of `data` from `used` on. */
  add(size: number, flags: number): void {
    this.push(this.used, size, flags);
    this.used += size;
  }

  /** The next page is the same as the one that waits as number `index`; returns its size. */
  addSame(index: number): number {
    this.push(SAME - this.place[index]!, this.size[index]!, this.flags[index]!);
    return this.size[index]!;
  }

  /** The next page is the same as one that has its place in the output. */
  addPlaced(byteOffset: number, size: number, flags: number): void {
    this.elsewhere[this.count] = byteOffset;
    this.push(ELSEWHERE, size, flags);
  }

  addZeroPage(): void {
    this.push(ZERO_PAGE, this.target.pageSize, 0);
  }

  addMissingPage(): void {
    this.push(MISSING_PAGE, 0, 0);
  }

  private push(place: number, size: number, flags: number): void {
    const i = this.count++;
    this.place[i] = place;
    this.size[i] = size;
    this.flags[i] = flags;
  }

  /** Whether there is as much as is written at once; then `flush` must be called before the next page. */
  get isFull(): boolean {
    return this.used >= DATA_BYTES || this.count >= MAX_PAGES;
  }

  /** Data first, descriptors behind: a descriptor in the file never points to bytes that are not there. Yields as `writeAt` does. */
  *flush(): Generator<void, void> {
    const { outlet, descOffset, zeroPageOffset, nextByte, index } = this.target;
    if (this.count === 0) return;
    const base = Number(Atomics.add(nextByte, index, BigInt(this.used)));
    yield* writeAt(outlet, this.data.subarray(0, this.used), base);
    if (this.used > 0) this.behind?.wrote(base, this.used);
    const { descriptors, place, elsewhere, onPlaced } = this;
    for (let i = 0, at = 0; i < this.count; i++, at += DESCRIPTOR_WORDS) {
      const where = place[i]!;
      let byteOffset = base + where;
      if (where <= SAME) byteOffset = base + (SAME - where);
      else if (where === ELSEWHERE) byteOffset = elsewhere[i]!;
      else if (where < 0) byteOffset = where === ZERO_PAGE ? zeroPageOffset : 0;
      // Storing takes the lower 32 bits of a number.
      descriptors[at + OFFSET_WORD] = byteOffset;
      descriptors[at + OFFSET_WORD + 1] = byteOffset / 2 ** 32;
      descriptors[at + SIZE_WORD] = this.size[i]!;
      descriptors[at + FLAGS_WORD] = this.flags[i]!;
      if (onPlaced !== undefined && where >= 0) onPlaced(i, byteOffset, this.size[i]!);
    }
    const written = Buffer.from(descriptors.buffer, 0, this.count * PageDescriptor.size);
    if (endianness() === 'BE') written.swap32();
    yield* writeAt(outlet, written, descOffset + this.firstDescriptor * PageDescriptor.size);
    this.dataBytes += this.used;
    this.firstDescriptor += this.count;
    this.used = 0;
    this.count = 0;
  }
}
