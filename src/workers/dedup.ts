/** Stores identical pages once: a page whose bytes have a place in the output gets a descriptor that points there. */

import { type Checksum, openChecksum } from '../native/crc32.ts';
import type { MemoryReader } from '../read/dump-file.ts';
import type { PagePlacer } from '../write/page-placer.ts';
import { SeenPages } from './seen-pages.ts';

/** Every so many pages one is timed, which stands for all of them. */
const TIMED = 64;

export interface DedupResult {
  /** Pages that were not stored again, and the bytes that they would have taken. */
  readonly pages: number;
  readonly savedBytes: number;
  /** What looking for them cost, in all threads together. */
  readonly ms: number;
}

export class Dedup extends SeenPages {
  private readonly reader: MemoryReader;
  private readonly flag: number;
  private readonly checksum: Checksum = openChecksum();
  /** The first page of a pair, read again to be compared. */
  private readonly other: Buffer;
  /** The page that is looked for. */
  private bytes: Buffer;
  private at = 0;
  private pages = 0;
  private savedBytes = 0;
  private ms = 0;
  private looked = 0;

  /** `flag`: of a page that the codec made smaller, as all have it that are not stored whole. */
  constructor(reader: MemoryReader, table: Int32Array, batchPages: number, flag: number) {
    super(table, batchPages);
    this.reader = reader;
    this.flag = flag;
    this.other = Buffer.alloc(reader.pageSize);
    this.bytes = this.other;
  }

  result(): DedupResult {
    return { pages: this.pages, savedBytes: this.savedBytes, ms: this.ms };
  }

  /** Gives the page at `at` a descriptor when its bytes are in the output already, or wait to be; false: it is to be stored. */
  place(bytes: Buffer, at: number, placer: PagePlacer): boolean {
    const timed = this.looked++ % TIMED === 0;
    const began = timed ? performance.now() : 0;
    this.bytes = bytes;
    this.at = at;
    const size = this.find(this.checksum(bytes, at, this.reader.pageSize), placer);
    if (timed) this.ms += (performance.now() - began) * TIMED;
    if (size === 0) return false;
    this.pages++;
    this.savedBytes += size;
    return true;
  }

  protected isSame(pfn: number): boolean {
    const { reader, other, bytes, at } = this;
    return reader.read(pfn * reader.pageSize, other) && other.compare(bytes, at, at + reader.pageSize) === 0;
  }

  protected flagsOf(size: number): number {
    return size === this.reader.pageSize ? 0 : this.flag;
  }
}
