/** Small reads of physical memory: single values and strings, through a cache of whole pages. */

import type { MemoryReader } from '../read/dump-file.ts';

/** Pages held where nothing else is said: the tables of a walk and the data that it leads to. */
const CACHED_PAGES = 64;

export class CachedMemory {
  readonly pageSize: number;
  private readonly reader: MemoryReader;
  /** In order of use; undefined marks a page that the dump does not have. */
  private readonly pages = new Map<number, Buffer | undefined>();

  private readonly mostPages: number;

  constructor(reader: MemoryReader, mostPages = CACHED_PAGES) {
    this.reader = reader;
    this.mostPages = mostPages;
    this.pageSize = reader.pageSize;
  }

  /** The page frame's bytes, read only and valid until the next call, or undefined where the dump does not have it. */
  page(pfn: number): Buffer | undefined {
    if (this.pages.has(pfn)) {
      const page = this.pages.get(pfn);
      this.pages.delete(pfn);
      this.pages.set(pfn, page);
      return page;
    }
    const evicted = this.pages.size >= this.mostPages ? this.evict() : undefined;
    const fresh = evicted ?? Buffer.alloc(this.pageSize);
    const page = this.reader.read(pfn * this.pageSize, fresh) ? fresh : undefined;
    this.pages.set(pfn, page);
    return page;
  }

  private evict(): Buffer | undefined {
    const [oldest, page] = this.pages.entries().next().value!;
    this.pages.delete(oldest);
    return page;
  }

  /** `length` bytes from a physical address, or undefined where any of them is not in the dump. */
  read(paddr: number, length: number): Buffer | undefined {
    const into = Buffer.alloc(length);
    return this.reader.read(paddr, into) ? into : undefined;
  }
}
