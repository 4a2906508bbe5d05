/** Physical memory of a map of pages, as a reader gives it. */
import { CachedMemory } from '../../src/arch/memory.ts';
import type { MemoryReader } from '../../src/read/dump-file.ts';
import { type PhysicalPages, pageSize } from '../build/physical-pages.ts';

/** Page frames that were never written are not in the dump. */
export function readerOf(pages: PhysicalPages, maxPages = 64): MemoryReader {
  const bytes = Buffer.alloc(maxPages * pageSize);
  return {
    pageSize,
    mapped: false,
    cutPages: 0,
    maxPages,
    bytes,
    start: 0,
    load(pfn, count) {
      for (let i = 0; i < Math.min(count, maxPages); i++) {
        const page = pages.peek(pfn + i);
        if (page === undefined) return i;
        bytes.set(page, i * pageSize);
      }
      return Math.min(count, maxPages);
    },
    read(paddr, into) {
      for (let done = 0; done < into.length; ) {
        const page = pages.peek(Math.floor((paddr + done) / pageSize));
        if (page === undefined) return false;
        const at = (paddr + done) % pageSize;
        const n = Math.min(into.length - done, pageSize - at);
        into.set(page.subarray(at, at + n), done);
        done += n;
      }
      return true;
    },
    close() {},
  };
}

export const cachedOf = (pages: PhysicalPages): CachedMemory => new CachedMemory(readerOf(pages));
