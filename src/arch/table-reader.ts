/** Reads whole page tables, one after another, for those who look at every entry. */

import type { MemoryReader } from '../read/dump-file.ts';

const ENTRY_BYTES = 8;

export class TableReader {
  /** The table read last: entry i is words 2i (low) and 2i + 1 (high). */
  readonly words: Int32Array;
  /** Entries of a table. */
  readonly entries: number;
  private readonly bytes: Uint8Array;
  private readonly reader: MemoryReader;

  constructor(reader: MemoryReader) {
    this.reader = reader;
    this.entries = reader.pageSize / ENTRY_BYTES;
    this.bytes = new Uint8Array(reader.pageSize);
    this.words = new Int32Array(this.bytes.buffer);
  }

  /** False where the dump does not have the page frame: `words` is then of no use. */
  load(pfn: number): boolean {
    return this.reader.read(pfn * this.reader.pageSize, this.bytes);
  }
}
