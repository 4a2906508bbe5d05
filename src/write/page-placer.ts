/** Collects a thread's compressed pages, takes room for them in the output with one atomic add, and writes them there. */

import { PageDescriptor } from '../read/kdump-layout.ts';
import { writeFully } from './target-file.ts';

/** Bytes of page data, and pages, that are written at once. */
const DATA_BYTES = 1024 * 1024;
const MAX_PAGES = 4096;

/** In `place`: the descriptor points to the page of zeros, or nowhere because the page could not be read. */
const ZERO_PAGE = -1;
const MISSING_PAGE = -2;

export interface PlacerTarget {
  readonly path: string;
  readonly fd: number;
  readonly descOffset: number;
  readonly zeroPageOffset: number;
  readonly pageSize: number;
  /** One number that all threads share: the first byte behind all data that has a place. */
  readonly nextByte: BigInt64Array;
}

export class PagePlacer {
  /** Bytes of page data placed by this thread. */
  dataBytes = 0;

  private readonly target: PlacerTarget;
  private readonly data: Buffer;
  private used = 0;
  /** Place in `data` of each page that waits, or ZERO_PAGE or MISSING_PAGE; its size and flags. */
  private readonly place = new Int32Array(MAX_PAGES);
  private readonly size = new Uint32Array(MAX_PAGES);
  private readonly flags = new Uint32Array(MAX_PAGES);
  /** Pages that wait. */
  count = 0;
  private readonly descriptors = Buffer.alloc(MAX_PAGES * PageDescriptor.size);
  /** Index of the descriptor of the first page that waits. */
  private firstDescriptor = 0;
  private readonly pageRoom: number;

  /** `pageRoom`: bytes that the next page may need in `room()`. */
  constructor(target: PlacerTarget, pageRoom: number) {
    this.target = target;
    this.pageRoom = pageRoom;
    this.data = Buffer.alloc(DATA_BYTES + pageRoom);
  }

  /** The pages that follow have the descriptors from `descriptor` on. */
  begin(descriptor: number): void {
    this.flush();
    this.firstDescriptor = descriptor;
  }

  /** Where the next page's bytes go before `add`. */
  room(): Buffer {
    return this.data.subarray(this.used, this.used + this.pageRoom);
  }

  /** The next page is the `size` bytes at the start of `room()`. */
  add(size: number, flags: number): void {
    this.push(this.used, size, flags);
    this.used += size;
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

  /** Data first, descriptors behind: a descriptor in the file never points to bytes that are not there. */
  flush(): void {
    const { path, fd, descOffset, zeroPageOffset, nextByte } = this.target;
    if (this.count === 0) return;
    const base = Number(Atomics.add(nextByte, 0, BigInt(this.used)));
    writeFully(path, fd, this.data.subarray(0, this.used), base);
    const view = this.descriptors;
    const { offset, size, flags } = PageDescriptor.offset;
    for (let i = 0; i < this.count; i++) {
      const place = this.place[i]!;
      const byteOffset = place >= 0 ? base + place : place === ZERO_PAGE ? zeroPageOffset : 0;
      const at = i * PageDescriptor.size;
      view.writeUInt32LE(byteOffset % 2 ** 32, at + offset);
      view.writeUInt32LE(Math.floor(byteOffset / 2 ** 32), at + offset + 4);
      view.writeUInt32LE(this.size[i]!, at + size);
      view.writeUInt32LE(this.flags[i]!, at + flags);
    }
    const length = this.count * PageDescriptor.size;
    writeFully(path, fd, view.subarray(0, length), descOffset + this.firstDescriptor * PageDescriptor.size);
    this.dataBytes += this.used;
    this.firstDescriptor += this.count;
    this.used = 0;
    this.count = 0;
  }
}
