/** Whether two dumps have the same bytes in a page frame. */

import type { MemoryReader } from '../read/dump-file.ts';
import { State } from '../read/page-state.ts';

/** `onlyA`, `onlyB`: the other one marks it as missing. `unreadable`: one of them does not have it whole. */
export type Compared = 'identical' | 'differ' | 'onlyA' | 'onlyB' | 'neither' | 'unreadable';

/** One thread's way to the pages of both; both have the page frames that are asked for, or say that they have. */
export class PagePair {
  private readonly a: MemoryReader;
  private readonly b: MemoryReader;

  constructor(a: MemoryReader, b: MemoryReader) {
    this.a = a;
    this.b = b;
  }

  /** Tells what came of each of `count` page frames from `pfn` on, or of fewer, and at least of one; gives how many. */
  compare(pfn: number, count: number, tell: (pfn: number, pages: number, what: Compared) => void): number {
    const { a, b } = this;
    if (this.isStoredAlike(pfn)) {
      tell(pfn, 1, 'identical');
      return 1;
    }
    const inA = a.load(pfn, count);
    const inB = b.load(pfn, Math.max(1, Math.min(count, inA)));
    if (inA === 0) {
      tell(pfn, 1, this.whyNot(pfn, false, inB > 0));
      return 1;
    }
    const both = Math.min(inA, inB);
    if (both > 0 && isSame(a, 0, b, 0, both)) tell(pfn, both, 'identical');
    else for (let i = 0; i < both; i++) tell(pfn + i, 1, isSame(a, i, b, i, 1) ? 'identical' : 'differ');
    // What was loaded of A is not loaded again for each page that B does not have.
    for (let i = both; i < inA; i++) {
      if (b.load(pfn + i, 1) === 0) tell(pfn + i, 1, this.whyNot(pfn + i, true, false));
      else tell(pfn + i, 1, isSame(a, i, b, 0, 1) ? 'identical' : 'differ');
    }
    return inA;
  }

  /** Packed alike they need not be unpacked. */
  private isStoredAlike(pfn: number): boolean {
    const { stored: a } = this.a;
    const { stored: b } = this.b;
    if (a === undefined || b === undefined) return false;
    if (a.find(pfn) !== State.here || b.find(pfn) !== State.here) return false;
    // Raw pages are mostly the one of zeros, and readers hold that.
    if (a.flags === 0 || a.flags !== b.flags || a.size !== b.size) return false;
    if (!a.fetch() || !b.fetch()) return false;
    return a.data.compare(b.data, b.at, b.at + b.size, a.at, a.at + a.size) === 0;
  }

  private whyNot(pfn: number, isInA: boolean, isInB: boolean): Compared {
    const [noA, noB] = [isMarked(this.a, pfn), isMarked(this.b, pfn)];
    if (noA && noB) return 'neither';
    if (isInA && noB) return 'onlyA';
    return isInB && noA ? 'onlyB' : 'unreadable';
  }
}

function isMarked({ stored }: MemoryReader, pfn: number): boolean {
  return stored !== undefined && stored.find(pfn) === State.marked;
}

/** Of pages that both have loaded, from number `i` of A and `j` of B on. */
function isSame(a: MemoryReader, i: number, b: MemoryReader, j: number, count: number): boolean {
  const { pageSize } = a;
  const [atA, atB] = [a.start + i * pageSize, b.start + j * pageSize];
  const length = count * pageSize;
  return a.bytes.compare(b.bytes, atB, atB + length, atA, atA + length) === 0;
}
