/** Overwrites what the rules of --config erase, page by page, and tells what was erased. */

import type { EraseRanges, Erasure } from './ranges.ts';

/** 'X', as makedumpfile has it. */
const ERASED = 0x58;
const NULLIFIED = 0;

/** The ranges as plain data that all threads see: each lies within one page, ascending. */
export interface ErasePlan {
  readonly pageSize: number;
  readonly paddr: Float64Array;
  readonly length: Int32Array;
  readonly fill: Uint8Array;
  /** Which of the erasures each is a part of. */
  readonly erasure: Int32Array;
  /** Not 0: its page is in the dump, and it was erased there. */
  readonly done: Uint8Array;
}

/** Cut at the borders of pages. */
export function erasePlan({ ranges }: EraseRanges, pageSize: number): ErasePlan {
  const pieces: { paddr: number; length: number; fill: number; erasure: number }[] = [];
  for (const { paddr, length, nullify, erasure } of ranges) {
    for (let done = 0; done < length; ) {
      const at = paddr + done;
      const size = Math.min(length - done, pageSize - (at % pageSize));
      pieces.push({ paddr: at, length: size, fill: nullify ? NULLIFIED : ERASED, erasure });
      done += size;
    }
  }
  // Stable: of two in one place the longer comes last, and counts.
  pieces.sort((a, b) => a.paddr - b.paddr);
  const shared = (bytes: number) => new SharedArrayBuffer(bytes * pieces.length);
  const plan: ErasePlan = {
    pageSize,
    paddr: new Float64Array(shared(8)),
    length: new Int32Array(shared(4)),
    fill: new Uint8Array(shared(1)),
    erasure: new Int32Array(shared(4)),
    done: new Uint8Array(shared(1)),
  };
  for (const [i, { paddr, length, fill, erasure }] of pieces.entries()) {
    plan.paddr[i] = paddr;
    plan.length[i] = length;
    plan.fill[i] = fill;
    plan.erasure[i] = erasure;
  }
  return plan;
}

/** One thread's way to erase. */
export class Eraser {
  private readonly plan: ErasePlan;
  /** An erased page: the reader's bytes may be the file itself. */
  private readonly page: Buffer;

  constructor(plan: ErasePlan) {
    this.plan = plan;
    this.page = Buffer.alloc(plan.pageSize);
  }

  /** The page at `at` with what is to be erased in it overwritten, valid until the next call; undefined where nothing is. */
  apply(pfn: number, bytes: Uint8Array, at: number): Buffer | undefined {
    const { paddr, length, fill, done, pageSize } = this.plan;
    const start = pfn * pageSize;
    const first = this.firstFrom(start);
    if (first === paddr.length || paddr[first]! >= start + pageSize) return undefined;
    this.page.set(bytes.subarray(at, at + pageSize));
    for (let i = first; i < paddr.length && paddr[i]! < start + pageSize; i++) {
      const from = paddr[i]! - start;
      this.page.fill(fill[i]!, from, from + length[i]!);
      done[i] = 1;
    }
    return this.page;
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

/** What a dump says of it: a line for each thing of which something was erased. Source: makedumpfile, erase_info.c. */
export function eraseInfo(plan: ErasePlan, erasures: readonly Erasure[]): string {
  const bytes = new Float64Array(erasures.length);
  for (let i = 0; i < plan.paddr.length; i++) {
    if (plan.done[i] !== 0) bytes[plan.erasure[i]!]! += plan.length[i]!;
  }
  return erasures
    .map(({ expression, nullify }, i) => {
      if (bytes[i] === 0) return '';
      return `erase ${expression} ${nullify ? 'nullify' : `size ${bytes[i]}`}\n`;
    })
    .join('');
}
