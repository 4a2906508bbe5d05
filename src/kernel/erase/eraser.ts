/** Overwrites what the rules of --config erase, wherever a page is read to be written, and tells what was erased. */

import type { MemoryReader } from '../../read/dump-file.ts';
import type { EraseRanges, Erasure } from './ranges.ts';

/** 'X', as makedumpfile has it. */
const ERASED = 0x58;
const NULLIFIED = 0;

/** What is erased, as plain data that all threads see: each range lies within one page. */
export interface ErasePlan {
  readonly pageSize: number;
  /** Physical addresses, ascending. */
  readonly paddr: Float64Array;
  readonly length: Int32Array;
  /** What the bytes become. */
  readonly fill: Uint8Array;
  /** Which of the erasures each is a part of. */
  readonly erasure: Int32Array;
}

/** Cuts ranges at the borders of pages. */
export function erasePlan({ ranges }: Pick<EraseRanges, 'ranges'>, pageSize: number): ErasePlan {
  const pieces: { paddr: number; length: number; fill: number; erasure: number }[] = [];
  for (const { paddr, length, nullify, erasure } of ranges) {
    for (let done = 0; done < length; ) {
      const at = paddr + done;
      const size = Math.min(length - done, pageSize - (at % pageSize));
      pieces.push({ paddr: at, length: size, fill: nullify ? NULLIFIED : ERASED, erasure });
      done += size;
    }
  }
  // Of two that begin in one place the longer comes last, and counts.
  pieces.sort((a, b) => a.paddr - b.paddr || a.length - b.length);
  const shared = (bytes: number) => new SharedArrayBuffer(bytes * pieces.length);
  const plan: ErasePlan = {
    pageSize,
    paddr: new Float64Array(shared(8)),
    length: new Int32Array(shared(4)),
    fill: new Uint8Array(shared(1)),
    erasure: new Int32Array(shared(4)),
  };
  for (const [i, piece] of pieces.entries()) {
    plan.paddr[i] = piece.paddr;
    plan.length[i] = piece.length;
    plan.fill[i] = piece.fill;
    plan.erasure[i] = piece.erasure;
  }
  return plan;
}

/** One thread's way to erase. */
export class Eraser {
  private readonly plan: ErasePlan;

  constructor(plan: ErasePlan) {
    this.plan = plan;
  }

  /** The first page frame from `pfn` on in which something is to be erased; Infinity where there is none. */
  nextPfn(pfn: number): number {
    const { paddr, pageSize } = this.plan;
    const first = this.firstFrom(pfn * pageSize);
    return first === paddr.length ? Infinity : Math.floor(paddr[first]! / pageSize);
  }

  /** Overwrites in `bytes`, which hold the memory from `start` on. */
  apply(start: number, bytes: Uint8Array): void {
    const { paddr, length, fill, pageSize } = this.plan;
    const end = start + bytes.length;
    // What begins earlier in the first page may reach into the bytes.
    for (let i = this.firstFrom(start - (start % pageSize)); i < paddr.length && paddr[i]! < end; i++) {
      const from = Math.max(0, paddr[i]! - start);
      const to = paddr[i]! + length[i]! - start;
      if (to > from) bytes.fill(fill[i]!, from, to);
    }
  }

  /** The first range at an address or behind it. */
  private firstFrom(start: number): number {
    const { paddr } = this.plan;
    let low = 0;
    let high = paddr.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (paddr[middle]! < start) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Memory as it is written. Pages without anything to erase are those of the reader behind it; the others are loaded one by one, and copied. */
export class ErasingReader implements MemoryReader {
  readonly pageSize: number;
  readonly mapped: boolean;
  readonly maxPages: number;
  bytes: Buffer;
  start = 0;
  private readonly reader: MemoryReader;
  private readonly eraser: Eraser;
  private readonly page: Buffer;

  constructor(reader: MemoryReader, plan: ErasePlan) {
    this.reader = reader;
    this.eraser = new Eraser(plan);
    this.pageSize = reader.pageSize;
    this.mapped = reader.mapped;
    this.maxPages = reader.maxPages;
    this.page = Buffer.alloc(reader.pageSize);
    this.bytes = this.page;
  }

  get cutPages(): number {
    return this.reader.cutPages;
  }

  load(pfn: number, count: number): number {
    const { reader, eraser, page, pageSize } = this;
    const next = eraser.nextPfn(pfn);
    if (next > pfn) {
      const loaded = reader.load(pfn, Math.min(count, next - pfn));
      this.bytes = reader.bytes;
      this.start = reader.start;
      return loaded;
    }
    this.bytes = page;
    this.start = 0;
    if (reader.load(pfn, 1) === 0) return 0;
    reader.bytes.copy(page, 0, reader.start, reader.start + pageSize);
    eraser.apply(pfn * pageSize, page);
    return 1;
  }

  read(paddr: number, into: Uint8Array): boolean {
    if (!this.reader.read(paddr, into)) return false;
    this.eraser.apply(paddr, into);
    return true;
  }

  /** The reader behind it is closed by whoever opened it. */
  close(): void {}
}

/** What a dump says of it: a line for each thing of which something is in the dump. Source: makedumpfile, write_eraseinfo(). */
export function eraseInfo(
  { paddr, length, erasure, pageSize }: ErasePlan,
  erasures: readonly Erasure[],
  isKept: (pfn: number) => boolean,
): string {
  const bytes = new Float64Array(erasures.length);
  for (let i = 0; i < paddr.length; i++) {
    if (isKept(Math.floor(paddr[i]! / pageSize))) bytes[erasure[i]!]! += length[i]!;
  }
  return erasures
    .map(({ expression, nullify }, i) =>
      bytes[i] === 0 ? '' : `erase ${expression} ${nullify ? 'nullify' : `size ${bytes[i]}`}\n`,
    )
    .join('');
}
