/** A size_t in memory that C reads and writes through a pointer, as a number: a bigint a page would be garbage a page. */
import { endianness } from 'node:os';

const LOW = endianness() === 'LE' ? 0 : 1;
const HIGH = 1 - LOW;

export class SizeCell {
  /** What to pass as the `size_t *`. Eight bytes, which is right for 64-bit machines and for little-endian 32-bit ones. */
  readonly words = new Uint32Array(new ArrayBuffer(8));

  get value(): number {
    return this.words[HIGH] * 2 ** 32 + this.words[LOW];
  }

  set value(value: number) {
    this.words[HIGH] = Math.floor(value / 2 ** 32);
    this.words[LOW] = value >>> 0;
  }
}
