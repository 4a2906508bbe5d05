/** Kernel memory that is read on and on in small pieces: the page read last is kept. */

import type { PageTableWalker } from '../arch/page-table.ts';

/** Read one by one: one that is missing must not take its neighbours along. */
const PAGE_BYTES = 4096;

export class LogMemory {
  private readonly walker: PageTableWalker;
  private start = -1n;
  private page: Buffer | undefined;

  constructor(walker: PageTableWalker) {
    this.walker = walker;
  }

  /** Undefined where any of the bytes is not in the dump. Not to be written to. */
  read(vaddr: bigint, length: number): Buffer | undefined {
    const inPage = Number(vaddr % BigInt(PAGE_BYTES));
    if (inPage + length <= PAGE_BYTES) return this.pageAt(vaddr, inPage)?.subarray(inPage, inPage + length);
    const parts: Buffer[] = [];
    for (let done = 0; done < length; ) {
      const at = vaddr + BigInt(done);
      const from = Number(at % BigInt(PAGE_BYTES));
      const size = Math.min(length - done, PAGE_BYTES - from);
      const part = this.pageAt(at, from)?.subarray(from, from + size);
      if (part === undefined) return undefined;
      parts.push(part);
      done += size;
    }
    return Buffer.concat(parts, length);
  }

  private pageAt(vaddr: bigint, inPage: number): Buffer | undefined {
    const start = vaddr - BigInt(inPage);
    if (start !== this.start) {
      this.page = this.walker.read(start, PAGE_BYTES);
      this.start = start;
    }
    return this.page;
  }
}
