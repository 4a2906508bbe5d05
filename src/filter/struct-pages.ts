/** Struct pages on their way to whoever reads them: loaded where they are, as 32-bit words, run after run. */

import type { KernelImage } from '../kernel/image.ts';
import type { MemoryMap } from '../kernel/memory-model.ts';
import type { PageRules } from '../kernel/page-rules.ts';
import { nextBit } from '../read/bitmap.ts';
import type { MemoryReader } from '../read/dump-file.ts';

/** What is known of the memory map; undefined when it cannot be read, and then nothing is dropped. */
export interface ReadableMap {
  readonly map: MemoryMap;
  readonly rules: PageRules;
  readonly image: KernelImage | undefined;
}

export interface StructVisitor {
  /**
   * `count` struct pages from that of page frame `pfn` on; the first begins at `words[base]`. Returns how many are done with:
   * more than `count` when a block reaches beyond, fewer when `more` of them must be there to go on.
   */
  structs(pfn: number, count: number, base: number, more: boolean): number;
  /** Page frames whose struct pages are not to be had. */
  lost(pfn: number, count: number): void;
}

/** The largest compound pages are hugetlb pages of 16 GiB, as are blocks; a larger order is a damaged struct page. */
export const MAX_COMPOUND_ORDER = 22;
export const MAX_COMPOUND_PAGES = 2 ** MAX_COMPOUND_ORDER;

/** One thread's way to them. */
export class StructPages {
  /** Those at work: over the reader's buffer, or over a copy where that is not aligned. */
  words: Int32Array = new Int32Array(0);
  private aligned: Buffer = Buffer.alloc(0);
  private readonly reader: MemoryReader;

  constructor(reader: MemoryReader) {
    this.reader = reader;
  }

  /** Of `count` page frames from `pfn` on, those whose bit is set (bit 0 is `pfn`); others may be among them. */
  walk(readable: ReadableMap, pfn: number, count: number, bits: Uint8Array, visitor: StructVisitor): void {
    for (const piece of readable.map.pieces(pfn, count)) {
      if (piece.paddr === undefined) visitor.lost(piece.pfn, piece.count);
      else this.walkPiece(piece.pfn, piece.count, piece.paddr, readable, pfn, bits, visitor);
    }
  }

  /** Page frames whose struct pages lie one behind the other from `paddr` on. */
  private walkPiece(
    pfn: number,
    count: number,
    paddr: number,
    { rules: { sizeBytes } }: ReadableMap,
    firstBit: number,
    bits: Uint8Array,
    visitor: StructVisitor,
  ): void {
    const { pageSize } = this.reader;
    for (let done = 0; done < count; ) {
      // Nothing is looked up for page frames that nobody asks for.
      const from = pfn + done - firstBit;
      const skipped = nextBit(bits, true, from, from + count - done) - from;
      if (skipped > 0) {
        done += skipped;
        continue;
      }
      const address = paddr + done * sizeBytes;
      const structPfn = Math.floor(address / pageSize);
      const inPage = address - structPfn * pageSize;
      const left = count - done;
      const pages = this.reader.load(structPfn, Math.ceil((inPage + left * sizeBytes) / pageSize));
      const structs = Math.min(left, Math.floor((pages * pageSize - inPage) / sizeBytes));
      if (structs < 1) {
        const lost = Math.min(left, Math.max(1, Math.floor((pageSize - inPage) / sizeBytes)));
        visitor.lost(pfn + done, lost);
        done += lost;
        continue;
      }
      const base = this.wordsAt(this.reader.start + inPage, structs * sizeBytes);
      done += visitor.structs(pfn + done, structs, base, done + structs < count);
    }
  }

  /** Makes `words` cover struct pages in the reader's buffer; returns the index of their first word. */
  private wordsAt(byteOffset: number, length: number): number {
    const { bytes } = this.reader;
    const at = bytes.byteOffset + byteOffset;
    if (at % 4 === 0) {
      if (this.words.buffer !== bytes.buffer) {
        this.words = new Int32Array(bytes.buffer, 0, Math.floor(bytes.buffer.byteLength / 4));
      }
      return at / 4;
    }
    if (this.aligned.length < length) this.aligned = Buffer.from(new ArrayBuffer(length));
    bytes.copy(this.aligned, 0, byteOffset, byteOffset + length);
    if (this.words.buffer !== this.aligned.buffer) {
      this.words = new Int32Array(this.aligned.buffer, 0, Math.floor(this.aligned.length / 4));
    }
    return 0;
  }
}

/**
 * Order of a compound page by its second struct page, which begins at `words[second]`; `alignment` has the low bits of its
 * page frame number. Undefined where it makes no sense.
 */
export function compoundOrder(
  words: Int32Array,
  second: number,
  alignment: number,
  rules: PageRules,
): number | undefined {
  if (rules.compoundOrder === undefined) return undefined;
  const order = byteAt(words, second, rules.compoundOrder);
  const fits = order >= 1 && order <= MAX_COMPOUND_ORDER && (alignment & ((1 << order) - 1)) === 0;
  return fits ? order : undefined;
}

/** A byte of the struct page whose first word has the index `word`; little-endian. */
export function byteAt(words: Int32Array, word: number, offset: number): number {
  return (words[word + (offset >>> 2)]! >>> ((offset & 3) * 8)) & 0xff;
}
