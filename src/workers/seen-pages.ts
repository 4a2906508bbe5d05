/** Pages that have a place in the output, or wait for one, found again by a hash: what is the same is not stored twice. */

import type { PagePlacer } from '../write/page-placer.ts';
import { PlacedPages } from '../write/placed-pages.ts';

/** Pages that wait to be placed, by their hash; a later one takes the place of an earlier one. */
const WAITING = 2 ** 12;

/** One thread's view. What the same page is, and its hash, is for others to say. */
export abstract class SeenPages {
  private readonly table: PlacedPages;
  /** Of each page that waits: its page frame and hash. */
  private readonly pfns: Float64Array;
  private readonly hashes: Int32Array;
  /** The number of the page that waits, plus 1, by hash. */
  private readonly waiting = new Int32Array(WAITING);
  /** Hash of the page that was looked for last. */
  private hash = 0;

  constructor(table: Int32Array, batchPages: number) {
    this.table = new PlacedPages(table);
    this.pfns = new Float64Array(batchPages);
    this.hashes = new Int32Array(batchPages);
  }

  /** Gives the page a descriptor where it was seen. Bytes that were saved, 0 when it is new. */
  protected find(hash: number, placer: PagePlacer): number {
    this.hash = hash;
    const { table } = this;
    const waiting = this.waiting[hash & (WAITING - 1)]! - 1;
    if (waiting >= 0 && this.hashes[waiting] === hash && this.isSame(this.pfns[waiting]!)) {
      return placer.addSame(waiting);
    }
    if (table.find(hash) && this.isSame(table.pfn)) {
      placer.addPlaced(table.byteOffset, table.size, this.flagsOf(table.size));
      return table.size;
    }
    return 0;
  }

  /** The page that `find` did not find waits as number `index`. */
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

  /** Whether the page looked for is the one of that page frame, whose hash is the same. */
  protected abstract isSame(pfn: number): boolean;
  /** What the page looked for is packed with, of which so many bytes are stored. */
  protected abstract flagsOf(size: number): number;
}
