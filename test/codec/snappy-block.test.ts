/** Raw snappy blocks by their bytes, among them those that other decompressors fall over. */
import { describe, expect, it } from 'vitest';
import { decompressSnappyBlock } from '../../src/codec/snappy-block.ts';

const bytesOf = (hex: string): Uint8Array => Buffer.from(hex.replaceAll(' ', ''), 'hex');

function decompress(hex: string, room = 64): string | number {
  const out = new Uint8Array(room);
  const written = decompressSnappyBlock(bytesOf(hex), out);
  return written < 0 ? written : Buffer.from(out.subarray(0, written)).toString('latin1');
}

describe('decompressSnappyBlock', () => {
  it.each([
    ['nothing', '00', ''],
    ['a literal', '03 08616263', 'abc'],
    ['a literal with its length in one byte', '03 f002616263', 'abc'],
    ['a literal with its length in two bytes', '03 f40200616263', 'abc'],
    ['a literal with its length in four bytes', '03 fc02000000616263', 'abc'],
    ['a copy with a distance of one byte', '07 08616263 0103', 'abcabca'],
    ['a copy with a distance of two bytes', '06 08616263 0a0300', 'abcabc'],
    ['a copy with a distance of four bytes', '06 08616263 0b03000000', 'abcabc'],
  ])('reads %s', (_what, hex, decoded) => {
    expect(decompress(hex)).toBe(decoded);
  });

  it.each([
    ['no length', ''],
    ['a length without an end', '8080'],
    ['a length of more than 32 bits', '808080808001 08616263'],
    ['a length of 4 GiB', 'ffffffff0f 08616263'],
    ['less than it promised', '04 08616263'],
    ['more than it promised', '02 08616263'],
    ['a literal that is cut short', '03 086162'],
    ['a literal length that is cut short', '03 f4'],
    // snappyjs 0.7.0 takes this length for -6, steps back to the tag and never returns.
    ['a literal of nearly 4 GiB', '7f fcfaffffff 00000000'],
    ['a copy from before the start', '07 08616263 0104'],
    ['a copy of distance 0', '07 08616263 0100'],
    ['a copy of distance 2 GiB', '06 08616263 0b00000080'],
    ['a copy that is cut short', '06 08616263 0a03'],
    ['a copy past the promised end', '06 08616263 0103'],
  ])('refuses %s', (_what, hex) => {
    expect(decompress(hex)).toBe(-1);
  });

  it('refuses a block larger than the room', () => {
    expect(decompress('03 08616263', 2)).toBe(-1);
  });
});
