/** Overwrites what the rules of --config erase, wherever a page is read to be written, and tells what was erased. */

import type { MemoryReader } from '../../read/dump-file.ts';
import type { EraseRange, EraseRanges } from './ranges.ts';

/** 'X', as makedumpfile has it. */
const ERASED = 0x58;
const NULLIFIED = 0;

/** What is erased, as plain data that all threads see: ranges that do not overlap. */
export interface ErasePlan {
  readonly pageSize: number;
  /** Physical addresses, ascending; the byte behind each range. */
  readonly paddr: Float64Array;
  readonly end: Float64Array;
  /** What the bytes become. */
  readonly fill: Uint8Array;
}

/** Of ranges that overlap the one that begins last counts, and of two that begin in one place the longer. */
export function erasePlan({ ranges }: Pick<EraseRanges, 'ranges'>, pageSize: number): ErasePlan {
  const runs: { paddr: number; end: number; fill: number }[] = [];
  const add = (paddr: number, end: number, nullify: boolean) => {
    const fill = nullify ? NULLIFIED : ERASED;
    const last = runs.at(-1);
    if (last?.end === paddr && last.fill === fill) last.end = end;
    else runs.push({ paddr, end, fill });
  };
  /** Those that have begun; the last of them counts up to its end. */
  const open: EraseRange[] = [];
  let at = 0;
  const goTo = (to: number) => {
    for (let top = open.at(-1); top !== undefined && at < to; top = open.at(-1)) {
      const topEnd = top.paddr + top.length;
      const end = Math.min(topEnd, to);
      if (end > at) {
        add(at, end, top.nullify);
        at = end;
      }
      if (topEnd <= at) open.pop();
    }
    at = to;
  };
  for (const range of ranges.toSorted((a, b) => a.paddr - b.paddr || a.length - b.length)) {
    goTo(range.paddr);
    open.push(range);
  }
  goTo(Infinity);
  const shared = (bytes: number) => new SharedArrayBuffer(bytes * runs.length);
  const plan: ErasePlan = {
    pageSize,
    paddr: new Float64Array(shared(8)),
    end: new Float64Array(shared(8)),
    fill: new Uint8Array(shared(1)),
  };
  for (const [i, run] of runs.entries()) {
    plan.paddr[i] = run.paddr;
    plan.end[i] = run.end;
    plan.fill[i] = run.fill;
  }
  return plan;
}

/** Bytes of the memory that are overwritten. */
export function erasedBytes({ paddr, end }: ErasePlan): number {
  return paddr.reduce((sum, from, index) => sum + end[index]! - from, 0);
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
    const first = this.firstBehind(pfn * pageSize);
    return first === paddr.length ? Infinity : Math.max(pfn, Math.floor(paddr[first]! / pageSize));
  }

  /** Overwrites in `bytes`, which hold the memory from `start` on. */
  apply(start: number, bytes: Uint8Array): void {
    const { paddr, end, fill } = this.plan;
    const stop = start + bytes.length;
    for (let i = this.firstBehind(start); i < paddr.length && paddr[i]! < stop; i++)
      bytes.fill(fill[i]!, Math.max(0, paddr[i]! - start), Math.min(end[i]!, stop) - start);
  }

  /** The first range that does not end in front of an address. */
  private firstBehind(start: number): number {
    const { end } = this.plan;
    let low = 0;
    let high = end.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (end[middle]! <= start) low = middle + 1;
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

/**
 * What a dump says of it: a line for each thing of which something is in the dump. `isKept` is asked in ascending order.
 * Source: makedumpfile, write_eraseinfo().
 */
export function eraseInfo(
  plan: ErasePlan,
  { ranges, erasures }: Pick<EraseRanges, 'ranges' | 'erasures'>,
  isKept: (pfn: number) => boolean,
): string {
  // Ranges overlap: each page is asked for once, and every range is what is kept below its end without what is below its start.
  const points = new Float64Array(ranges.flatMap(({ paddr, length }) => [paddr, paddr + length])).sort();
  const keptBelow = new Map<number, number>();
  let kept = 0;
  let next = 0;
  for (const [run, start] of plan.paddr.entries()) {
    const end = plan.end[run]!;
    for (let at = start; at < end; ) {
      for (; points[next]! <= at; next++) keptBelow.set(points[next]!, kept);
      const pfn = Math.floor(at / plan.pageSize);
      const stop = Math.min(end, (pfn + 1) * plan.pageSize, points[next]!);
      if (isKept(pfn)) kept += stop - at;
      at = stop;
    }
  }
  for (; next < points.length; next++) keptBelow.set(points[next]!, kept);
  const bytes = new Float64Array(erasures.length);
  for (const { paddr, length, erasure } of ranges)
    bytes[erasure]! += keptBelow.get(paddr + length)! - keptBelow.get(paddr)!;
  return erasures
    .map(({ expression, nullify }, i) =>
      bytes[i] === 0 ? '' : `erase ${expression} ${nullify ? 'nullify' : `size ${bytes[i]}`}\n`,
    )
    .join('');
}
