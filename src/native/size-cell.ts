/** A size_t in memory that C reads and writes through a pointer, as a number: a bigint a page would be garbage a page. */
import { endianness } from 'node:os';
import { type Address, AddressBook } from './address.ts';

const LOW = endianness() === 'LE' ? 0 : 1;
const HIGH = 1 - LOW;

export class SizeCell {
  /** What to pass as the `size_t *`. Eight bytes, which is right for 64-bit machines and for little-endian 32-bit ones. */
  readonly words = new Uint32Array(new ArrayBuffer(8));

  #address: Address | undefined;

  /** The same as an address. */
  get address(): Address {
    this.#address ??= new AddressBook().of(new Uint8Array(this.words.buffer), 0, 8);
    return this.#address;
  }

  get value(): number {
    return this.words[HIGH] * 2 ** 32 + this.words[LOW];
  }

  set value(value: number) {
    this.words[HIGH] = Math.floor(value / 2 ** 32);
    this.words[LOW] = value >>> 0;
  }
}
