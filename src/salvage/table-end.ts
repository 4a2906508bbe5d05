/**
 * What stands in place of the descriptors that were taken out of a table, up to where it ended at first: behind it begins the data, and
 * something has to say that these are no more descriptors. No descriptor looks like it. A damaged bit, or a sector, must not make of it
 * what could be another table: so it says three times how many descriptors there are, and is repeated.
 */

import { PageDescriptor } from '../read/kdump-layout.ts';

const TEXT = Buffer.from('smelt:', 'latin1');
const FIELD = 6;
/** What the number is masked with, each of the three times: zeros and ones all over are none. */
const MASKS = [0, 0xffffffffffff, 0xaaaaaaaaaaaa].map((mask) => {
  const bytes = Buffer.alloc(FIELD);
  bytes.writeUIntLE(mask, 0, FIELD);
  return bytes;
});
/** Bits that may be wrong of the 48 of the text, and of the 96 that say a second and a third time what was said. */
const MOST_WRONG = 12;
/** What earlier builds wrote, once: it does not say how many. */
const OLD = Buffer.from('smelt: page_desc end\n\0\0\0', 'latin1');

/** `count` of them, for a table of `pages`. */
export function tableEnds(pages: number, count: number): Buffer {
  const number = Buffer.alloc(FIELD);
  number.writeUIntLE(pages, 0, FIELD);
  const masked = MASKS.map((mask) => number.map((byte, i) => byte ^ mask[i]!));
  return Buffer.alloc(count * PageDescriptor.size, Buffer.concat([TEXT, ...masked]));
}

/** How many descriptors there are by what stands in place of one; undefined where that is something else, NaN where it does not say. */
export function readTableEnd(bytes: Uint8Array, at: number): number | undefined {
  const wrong = distance(bytes, at, TEXT);
  if (wrong > MOST_WRONG) return undefined;
  if (distance(bytes, at, OLD) <= MOST_WRONG) return Number.NaN;
  const number = Buffer.alloc(FIELD);
  let differing = 0;
  for (let i = 0; i < FIELD; i++) {
    const [a, b, c] = MASKS.map((mask, n) => bytes[at + (n + 1) * FIELD + i]! ^ mask[i]!) as [
      number,
      number,
      number,
    ];
    // Each bit is what two of three say.
    number[i] = (a & b) | (a & c) | (b & c);
    differing += bitsOf((a ^ b) | (a ^ c));
  }
  return wrong + differing <= MOST_WRONG ? number.readUIntLE(0, FIELD) : undefined;
}

function distance(bytes: Uint8Array, at: number, from: Uint8Array): number {
  let bits = 0;
  for (let i = 0; i < from.length; i++) bits += bitsOf(bytes[at + i]! ^ from[i]!);
  return bits;
}

function bitsOf(byte: number): number {
  let bits = 0;
  for (let rest = byte; rest > 0; rest &= rest - 1) bits++;
  return bits;
}
