/** Memory as words of 64 bits, with the symbols that they point to. */

import type { KernelView } from '../kernel/view/view.ts';
import { FIRST_VIRTUAL } from './address.ts';

export const WORD_BYTES = 8;

export interface WordReport {
  readonly address: bigint;
  /** Of so many bytes as are there: 8, or at the edge of what is not there fewer. */
  readonly value: bigint;
  readonly sizeBytes: number;
  /** Symbol of the kernel or a module that the value points into; undefined: into none. */
  readonly name: string | undefined;
  readonly module: string | undefined;
  readonly offset: number | undefined;
}

/** Makes words of bytes that come piece by piece: pieces end where pages do, and words need not. */
export class Words {
  private readonly view: KernelView | undefined;
  private rest = Buffer.alloc(0);
  private address = 0n;

  constructor(view: KernelView | undefined) {
    this.view = view;
  }

  /** Those that are whole by now. */
  take(address: bigint, bytes: Buffer): WordReport[] {
    if (this.rest.length === 0) this.address = address;
    this.rest = Buffer.concat([this.rest, bytes]);
    return this.cut(this.rest.length - (this.rest.length % WORD_BYTES));
  }

  /** The last one, where it is not whole: no more bytes are behind it. */
  end(): WordReport[] {
    return this.cut(this.rest.length);
  }

  private cut(length: number): WordReport[] {
    const words: WordReport[] = [];
    for (let at = 0; at < length; at += WORD_BYTES)
      words.push(
        this.word(this.address + BigInt(at), this.rest.subarray(at, Math.min(at + WORD_BYTES, length))),
      );
    this.rest = this.rest.subarray(length);
    this.address += BigInt(length);
    return words;
  }

  private word(address: bigint, bytes: Buffer): WordReport {
    const sizeBytes = bytes.length;
    const whole = Buffer.alloc(WORD_BYTES);
    bytes.copy(whole);
    const value = whole.readBigUInt64LE();
    // Low numbers are symbols of per-CPU variables, and no addresses.
    const place = value < FIRST_VIRTUAL ? undefined : this.view?.placeOf(value);
    return { address, value, sizeBytes, name: place?.name, module: place?.module, offset: place?.offset };
  }
}
