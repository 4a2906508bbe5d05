/** Which pages have a place in the output, by their contents: a table of bounded size that all threads share. */

/** Entries of a bucket: together one cache line. */
const WAYS = 4;
/** Words of an entry. */
const WORDS = 4;
const MAX_BUCKETS = 2 ** 18;
const MIN_BUCKETS = 2 ** 10;

/**
 * Word 0 of an entry: bits 0 to 15 a count of its writes, odd while somebody writes and 0 before the first; bits 16 to 31
 * the upper half of the hash, of which the lower half is in the number of the bucket.
 */
const STATE = 0;
const PFN = 1;
const OFFSET = 2;
/** Bits 0 to 16 the size, 17 to 28 the upper bits of the offset, 29 to 31 those of the page frame number. */
const REST = 3;

const SIZE_BITS = 17;
const OFFSET_BITS = 12;
const PFN_BITS = 3;
/** What does not fit is not remembered: 16 TiB of output, 128 TiB of memory. */
const MAX_OFFSET = 2 ** (32 + OFFSET_BITS);
const MAX_PFN = 2 ** (32 + PFN_BITS);

/** Memory for one table: 16 bytes a page, and 16 MiB at most, which is room for a million pages. */
export function createPlacedPages(pages: number): Int32Array {
  let buckets = MIN_BUCKETS;
  while (buckets < MAX_BUCKETS && buckets * WAYS < pages) buckets *= 2;
  return new Int32Array(new SharedArrayBuffer(buckets * WAYS * WORDS * 4));
}

/**
 * One thread's view of the table. What is found was placed as it says, but whether it is the same page only its bytes
 * can tell: a hash is a hint. An entry that is overwritten is forgotten, and its page is stored again when it comes.
 */
export class PlacedPages {
  /** What `find` found. */
  pfn = 0;
  byteOffset = 0;
  size = 0;
  private readonly words: Int32Array;
  private readonly lastBucket: number;
  private turn = 0;

  constructor(words: Int32Array) {
    this.words = words;
    this.lastBucket = words.length / (WAYS * WORDS) - 1;
  }

  find(hash: number): boolean {
    const { words } = this;
    const first = this.bucketOf(hash);
    for (let at = first; at < first + WAYS * WORDS; at += WORDS) {
      const state = Atomics.load(words, at + STATE);
      if (state >>> 16 !== hash >>> 16 || (state & 1) !== 0 || (state & 0xffff) === 0) continue;
      const pfn = Atomics.load(words, at + PFN);
      const offset = Atomics.load(words, at + OFFSET);
      const rest = Atomics.load(words, at + REST);
      // Somebody wrote it meanwhile: the parts may not belong together.
      if (Atomics.load(words, at + STATE) !== state) continue;
      this.pfn = (pfn >>> 0) + (rest >>> (SIZE_BITS + OFFSET_BITS)) * 2 ** 32;
      this.byteOffset = (offset >>> 0) + ((rest >>> SIZE_BITS) & (2 ** OFFSET_BITS - 1)) * 2 ** 32;
      this.size = rest & (2 ** SIZE_BITS - 1);
      return true;
    }
    return false;
  }

  insert(hash: number, pfn: number, byteOffset: number, size: number): void {
    if (pfn >= MAX_PFN || byteOffset >= MAX_OFFSET) return;
    const { words } = this;
    const first = this.bucketOf(hash);
    let at = first;
    while (at < first + WAYS * WORDS && (Atomics.load(words, at + STATE) & 0xffff) !== 0) at += WORDS;
    if (at === first + WAYS * WORDS) at = first + (this.turn++ % WAYS) * WORDS;
    const state = Atomics.load(words, at + STATE);
    // Whoever writes here now keeps it; ours is forgotten.
    if ((state & 1) !== 0) return;
    const writing = (state & 0xffff) + 1;
    if (Atomics.compareExchange(words, at + STATE, state, (state & ~0xffff) | writing) !== state) return;
    Atomics.store(words, at + PFN, pfn | 0);
    Atomics.store(words, at + OFFSET, byteOffset | 0);
    const upper = (Math.floor(pfn / 2 ** 32) << OFFSET_BITS) | Math.floor(byteOffset / 2 ** 32);
    Atomics.store(words, at + REST, (upper << SIZE_BITS) | size);
    // Never 0 again, which means that nothing was written.
    const written = (writing + 1) & 0xffff || 2;
    Atomics.store(words, at + STATE, (hash & ~0xffff) | written);
  }

  private bucketOf(hash: number): number {
    // The upper half is folded in for tables of more than 2^16 buckets.
    return ((hash ^ (hash >>> 15)) & this.lastBucket) * WAYS * WORDS;
  }
}
