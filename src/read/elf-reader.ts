/** Memory of an ELF dump: read by pread into one buffer, or seen through a window that slides along the file. */

import { openSlidingWindow, type SlidingWindow } from '../native/sliding-window.ts';
import type { ElfDumpFile, MemoryReader } from './dump-file.ts';
import { extentAt } from './extents.ts';
import { isLive } from './live.ts';
import { openSource, type ReadSource } from './source.ts';

/** Small enough to stay in a core's cache between the read and the work on it, large enough that calls do not count. */
const LOAD_BYTES = 256 * 1024;
/** Bytes of a mapping that are asked for at once: few system calls, and work that is done in a moment. */
const MAPPED_BYTES = 1024 * 1024;
/** makedumpfile's map size too; the kernel fills a window's page tables at once on /proc/vmcore. */
const WINDOW_BYTES = 4 * 1024 * 1024;
/** Fewer pages than this are copied, where reading costs no more than that: a page fault maps sixteen pages at least. */
const MAPPED_PAGES = 16;

export function createElfReader(file: ElfDumpFile, mmap: boolean): MemoryReader {
  // A flattened file has its bytes in another order.
  const window = mmap && file.flat === undefined ? openSlidingWindow(WINDOW_BYTES, !isLive(file)) : undefined;
  if (window === undefined || 'unavailable' in window) return new ElfReader(file);
  // Each read of /proc/vmcore maps and unmaps memory in the kernel, page by page.
  return new MappedElfReader(file, window, isLive(file) ? 1 : MAPPED_PAGES);
}

class ElfReader implements MemoryReader {
  readonly pageSize: number;
  readonly maxPages: number;
  readonly mapped: boolean = false;
  readonly cutPages = 0;
  bytes: Buffer;
  start = 0;
  protected readonly file: ElfDumpFile;
  private readonly copy: Buffer;
  private readonly source: ReadSource;
  /** Index of the extent of the last access: the next one is nearly always in it or behind it. */
  private lastExtent = 0;

  constructor(file: ElfDumpFile) {
    this.file = file;
    this.source = openSource(file);
    this.pageSize = file.pageSize;
    this.copy = Buffer.alloc(Math.max(LOAD_BYTES, this.pageSize));
    this.bytes = this.copy;
    this.maxPages = this.copy.length / this.pageSize;
  }

  load(pfn: number, count: number): number {
    const wanted = Math.min(count, this.copy.length / this.pageSize);
    this.bytes = this.copy;
    this.start = 0;
    const n = this.copyPages(pfn, wanted);
    // One unreadable page must not take its neighbours along: what is readable is found page by page.
    return n > 0 || wanted === 1 ? n : this.copyPages(pfn, 1);
  }

  /** Pages copied to the start of `copy`, up to the first that has no byte in the file; 0 on a read error. */
  private copyPages(pfn: number, count: number): number {
    const from = pfn * this.pageSize;
    const present = this.presentBytes(from, count * this.pageSize);
    const pages = Math.ceil(present / this.pageSize);
    return pages > 0 && this.fill(from, this.copy, pages * this.pageSize) ? pages : 0;
  }

  read(paddr: number, into: Uint8Array): boolean {
    return this.presentBytes(paddr, into.length) >= into.length && this.fill(paddr, into, into.length);
  }

  close(): void {}

  /** Index of the extent that `paddr` lies in or behind, -1 before the first. */
  protected extentAt(paddr: number): number {
    const { stored } = this.file;
    const last = this.lastExtent;
    const inLast =
      stored.paddr[last]! <= paddr && (last + 1 >= stored.paddr.length || paddr < stored.paddr[last + 1]!);
    const index = inLast ? last : extentAt(stored, paddr);
    if (index >= 0) this.lastExtent = index;
    return index;
  }

  /** Bytes from `from` to the first page frame that has no byte in the file, `length` at most. */
  private presentBytes(from: number, length: number): number {
    const { stored } = this.file;
    const end = from + length;
    const pageOf = (paddr: number) => Math.floor(paddr / this.pageSize);
    let at = from;
    for (let i = Math.max(0, this.extentAt(from)); at < end; i++) {
      if (i >= stored.paddr.length || pageOf(stored.paddr[i]!) > pageOf(at)) break;
      const extentEnd = stored.paddr[i]! + stored.sizeBytes[i]!;
      // An extent that ends inside a page frame makes the whole of it present.
      at = Math.max(at, Math.ceil(extentEnd / this.pageSize) * this.pageSize);
    }
    return Math.min(at, end) - from;
  }

  /** Copies what the file has of [paddr, paddr + length), zero where it has nothing; false when the system refuses. */
  private fill(paddr: number, into: Uint8Array, length: number): boolean {
    const { stored } = this.file;
    const end = paddr + length;
    let at = paddr;
    for (let i = Math.max(0, this.extentAt(paddr)); i < stored.paddr.length && stored.paddr[i]! < end; i++) {
      const from = Math.max(at, stored.paddr[i]!);
      const to = Math.min(end, stored.paddr[i]! + stored.sizeBytes[i]!);
      if (to <= from) continue;
      if (from > at) into.fill(0, at - paddr, from - paddr);
      const byteOffset = stored.byteOffset[i]! + (from - stored.paddr[i]!);
      if (!readWhole(this.source, into, from - paddr, to - from, byteOffset)) return false;
      at = to;
    }
    if (at < end) into.fill(0, at - paddr, length);
    return true;
  }
}

function readWhole(
  source: ReadSource,
  into: Uint8Array,
  at: number,
  length: number,
  byteOffset: number,
): boolean {
  try {
    return source(into, at, length, byteOffset) === length;
  } catch {
    return false;
  }
}

class MappedElfReader extends ElfReader {
  override readonly mapped = true;
  private readonly window: SlidingWindow;
  private readonly fewest: number;

  override readonly maxPages: number;

  /** `fewest`: pages that are worth being mapped. */
  constructor(file: ElfDumpFile, window: SlidingWindow, fewest: number) {
    super(file);
    this.maxPages = MAPPED_BYTES / this.pageSize;
    this.window = window;
    this.fewest = fewest;
  }

  override load(pfn: number, count: number): number {
    const { stored, fd, fileBytes } = this.file;
    const wanted = Math.min(count, this.maxPages);
    if (wanted < this.fewest) return super.load(pfn, count);
    const paddr = pfn * this.pageSize;
    const i = this.extentAt(paddr);
    const whole = i < 0 ? 0 : Math.floor((stored.paddr[i]! + stored.sizeBytes[i]! - paddr) / this.pageSize);
    // A page that the file has only a part of, or none, goes the copying way.
    if (whole < 1) return super.load(pfn, count);
    const pages = Math.min(wanted, whole);
    const start = this.window.slide(
      fd,
      stored.byteOffset[i]! + (paddr - stored.paddr[i]!),
      pages * this.pageSize,
      fileBytes,
    );
    if (start === undefined) return super.load(pfn, count);
    this.bytes = this.window.bytes;
    this.start = start;
    return pages;
  }

  override close(): void {
    this.window.close();
  }
}
