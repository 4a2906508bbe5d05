/** Whether bytes look random, as ciphertext does: and compressed data too, so that one page alone says nothing. */

/** Bytes of a page that are looked at: all of it where pages have 4 KiB, and as good a sample of larger ones. */
export const SAMPLE_BYTES = 4096;

/**
 * Chi-square over the counts of the 256 byte values (255 degrees of freedom). Of random pages 99.97 % lie below; text,
 * code, tables and structures lie in the thousands. Measured: docs/notes/ciphertext-verdict.md.
 */
const CHI_SQUARE_LIMIT = 340;
const EXPECTED = SAMPLE_BYTES / 256;
/** chi² = Σ (n − 16)² / 16 = Σ n² / 16 − 4096: with whole numbers the limit is one of Σ n². */
const SQUARES_LIMIT = EXPECTED * (SAMPLE_BYTES + CHI_SQUARE_LIMIT);

const counts = new Uint16Array(256);

/**
 * Looks at the `SAMPLE_BYTES` bytes from `at` on. 8 bytes that are zero or the same as the 8 before them do not happen in
 * random bytes (once in 2^54 pages) and do in most others, which so are done with after their first words. Chi-square sees
 * the rest: fewer than 200 distinct byte values make it 896 at least, the same 2 KiB twice about 510.
 */
export function looksRandom(bytes: Buffer, at: number): boolean {
  let lowBefore = 0;
  let highBefore = 0;
  for (let i = at; i < at + SAMPLE_BYTES; i += 8) {
    const low = bytes.readInt32LE(i);
    const high = bytes.readInt32LE(i + 4);
    if (low === lowBefore && high === highBefore) return false;
    if (low === 0 && high === 0) return false;
    lowBefore = low;
    highBefore = high;
  }
  counts.fill(0);
  for (let i = at; i < at + SAMPLE_BYTES; i++) counts[bytes[i]!]!++;
  let squares = 0;
  for (const count of counts) squares += count * count;
  return squares < SQUARES_LIMIT;
}

/** Words of a page that look like kernel addresses: in random bytes of the same length two are to be expected, and 16 never. */
const KERNEL_WORDS = 16;
/** The upper half of a list pointer after list_del: include/linux/poison.h with CONFIG_ILLEGAL_POINTER_VALUE of x86-64. */
const POISON_HIGH = 0xdead0000 | 0;

/**
 * Whether a page has the addresses in it that struct pages, slabs, stacks and the kernel's data are full of: 8-byte words in the upper half of
 * the address space (with 5 levels from 0xff00… on), aligned as objects are, or the poison of list pointers. Words of all
 * ones, small negative numbers and words that repeat the one before are not counted: fill patterns and pictures have them.
 */
export function looksKernelData(bytes: Buffer, at: number): boolean {
  let found = 0;
  let lowBefore = 0;
  let highBefore = 0;
  for (let i = at; i < at + SAMPLE_BYTES; i += 8) {
    const low = bytes.readInt32LE(i);
    const high = bytes.readInt32LE(i + 4);
    const repeats = low === lowBefore && high === highBefore;
    lowBefore = low;
    highBefore = high;
    if ((low & 7) !== 0 || repeats) continue;
    const direct = high >>> 24 === 0xff && high !== -1;
    // The kernel image and its modules: the last 2 GiB without the fixmap.
    const image = high === -1 && low < -0x800000;
    if ((direct || image || high === POISON_HIGH) && ++found >= KERNEL_WORDS) return true;
  }
  return false;
}
