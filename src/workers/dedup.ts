/** Stores identical pages once: a page whose bytes have a place in the output gets a descriptor that points there. */

import { type Checksum, openChecksum } from '../native/crc32.ts';
import type { MemoryReader } from '../read/dump-file.ts';
import type { PagePlacer } from '../write/page-placer.ts';
import { PlacedPages } from '../write/placed-pages.ts';

/** Pages that wait to be placed, by their hash; a later one takes the place of an earlier one. */
const WAITING = 2 ** 12;
/** Every so many pages one is timed, which stands for all of them. */
const TIMED = 64;

export interface DedupResult {
  /** Pages that were not stored again, and the bytes that they would have taken. */
  readonly pages: number;
  readonly savedBytes: number;
  /** What looking for them cost, in all threads together. */
  readonly ms: number;
}

export class Dedup {
  private readonly reader: MemoryReader;
  private readonly table: PlacedPages;
  private readonly flag: number;
  private readonly checksum: Checksum = openChecksum();
  /** The first page of a pair, read again to be compared. */
  private readonly other: Buffer;
  /** Of each page that waits: its page frame and hash. */
  private readonly pfns: Float64Array;
  private readonly hashes: Int32Array;
  /** The number of the page that waits, plus 1, by hash. */
  private readonly waiting = new Int32Array(WAITING);
  private pages = 0;
  private savedBytes = 0;
  private ms = 0;
  private looked = 0;
  /** Hash of the page that was looked for last. */
  private hash = 0;

  /** `flag`: of a page that the codec made smaller, as all have it that are not stored whole. */
  constructor(reader: MemoryReader, table: Int32Array, batchPages: number, flag: number) {
    this.reader = reader;
    this.flag = flag;
    this.table = new PlacedPages(table);
    this.other = Buffer.alloc(reader.pageSize);
    this.pfns = new Float64Array(batchPages);
    this.hashes = new Int32Array(batchPages);
  }

  result(): DedupResult {
    return { pages: this.pages, savedBytes: this.savedBytes, ms: this.ms };
  }

  /** Gives the page at `at` a descriptor when its bytes are in the output already, or wait to be; false: it is to be stored. */
  place(bytes: Buffer, at: number, placer: PagePlacer): boolean {
    const timed = this.looked++ % TIMED === 0;
    const began = timed ? performance.now() : 0;
    const size = this.find(bytes, at, placer);
    if (timed) this.ms += (performance.now() - began) * TIMED;
    if (size === 0) return false;
    this.pages++;
    this.savedBytes += size;
    return true;
  }

  /** The page that `place` refused waits as number `index`. */
  waits(index: number, pfn: number): void {
    this.pfns[index] = pfn;
    this.hashes[index] = this.hash;
    this.waiting[this.hash & (WAITING - 1)] = index + 1;
  }

  /** A page that waited is in the output now. */
  placed(index: number, byteOffset: number, size: number): void {
    this.table.insert(this.hashes[index]!, this.pfns[index]!, byteOffset, size);
  }

  /** All that waited is placed. */
  flushed(): void {
    this.waiting.fill(0);
  }

  /** Bytes that were saved, 0 when there is no such page. */
  private find(bytes: Buffer, at: number, placer: PagePlacer): number {
    this.hash = this.checksum(bytes, at, this.reader.pageSize);
    const { hash, table } = this;
    const waiting = this.waiting[hash & (WAITING - 1)]! - 1;
    if (waiting >= 0 && this.hashes[waiting] === hash && this.isSame(this.pfns[waiting]!, bytes, at)) {
      return placer.addSame(waiting);
    }
    if (table.find(hash) && this.isSame(table.pfn, bytes, at)) {
      placer.addPlaced(table.byteOffset, table.size, table.size === this.reader.pageSize ? 0 : this.flag);
      return table.size;
    }
    return 0;
  }

  private isSame(pfn: number, bytes: Buffer, at: number): boolean {
    const { reader, other } = this;
    return reader.read(pfn * reader.pageSize, other) && other.compare(bytes, at, at + reader.pageSize) === 0;
  }
}
