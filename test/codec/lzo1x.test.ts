/** LZO1X by its bytes: what each instruction means, what we write, and what must be refused. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Lzo1xCompressor, Lzo1xDecompressor, lzo1xBound } from '../../src/codec/lzo1x.ts';
import { openLiblzo2 } from '../../src/native/liblzo2.ts';
import { PAGE_KINDS, randomBytes } from './pages.ts';

const END = '110000';

interface Vector {
  readonly what: string;
  readonly stream: string;
  readonly decoded: Uint8Array;
}

const text = (s: string): Uint8Array => Buffer.from(s, 'latin1');
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const filled = (...parts: readonly (readonly [string, number])[]): Uint8Array =>
  text(parts.map(([s, n]) => s.repeat(n)).join(''));

/** 'a', then itself again until there are `count`: a long copy from 1 back. */
const as = (count: number): string => {
  const rest = count - 1 - 33;
  const zeros = Math.ceil(rest / 255) - 1;
  return `1261 20${'00'.repeat(zeros)}${(rest - 255 * zeros).toString(16).padStart(2, '0')}0000`;
};

/** Worked out by hand from lzo.rst. Spaces stand between instructions. */
const VECTORS: readonly Vector[] = [
  { what: 'nothing but the end', stream: END, decoded: text('') },
  { what: 'a first run of 1', stream: `1261 ${END}`, decoded: text('a') },
  { what: 'a first run of 3', stream: `14616263 ${END}`, decoded: text('abc') },
  { what: 'a first run of 4', stream: `1561626364 ${END}`, decoded: text('abcd') },
  { what: 'a first run of 238', stream: `ff${'61'.repeat(238)} ${END}`, decoded: filled(['a', 238]) },
  { what: 'a first run of 239', stream: `00dd${'61'.repeat(239)} ${END}`, decoded: filled(['a', 239]) },
  {
    what: 'a first run of 18 as an ordinary run',
    stream: `0f${'61'.repeat(18)} ${END}`,
    decoded: filled(['a', 18]),
  },
  { what: 'a near copy of 3', stream: `1561626364 4c00 ${END}`, decoded: text('abcdabc') },
  { what: 'a near copy of 4', stream: `1561626364 6c00 ${END}`, decoded: text('abcdabcd') },
  {
    what: 'a near copy of 8 that overlaps itself',
    stream: `1561626364 ec00 ${END}`,
    decoded: text('abcdabcdabcd'),
  },
  { what: 'a near copy and 1 byte after it', stream: `1561626364 6d0058 ${END}`, decoded: text('abcdabcdX') },
  { what: 'a copy of 2 after 1 byte', stream: `1561626364 4d0058 0c01 ${END}`, decoded: text('abcdabcXab') },
  {
    what: 'a run of 4 after a copy',
    stream: `1561626364 4c00 0177787978 ${END}`,
    decoded: text('abcdabcwxyx'),
  },
  {
    what: 'a run of 19 after a copy',
    stream: `1561626364 4c00 0001${'62'.repeat(19)} ${END}`,
    decoded: filled(['abcdabc', 1], ['b', 19]),
  },
  {
    what: 'a run of 274 after a copy',
    stream: `1561626364 4c00 000001${'62'.repeat(274)} ${END}`,
    decoded: filled(['abcdabc', 1], ['b', 274]),
  },
  { what: 'a middle copy of 33', stream: `1261 3f0000 ${END}`, decoded: filled(['a', 34]) },
  { what: 'a middle copy of 34', stream: `1261 20010000 ${END}`, decoded: filled(['a', 35]) },
  { what: 'a page of one value', stream: `${as(4096)} ${END}`, decoded: filled(['a', 4096]) },
  {
    what: 'a copy of 3 from the third KiB after a run of 4',
    stream: `1562626262 ${as(2100).slice(4).trim()} 0163646566 0000 ${END}`,
    decoded: filled(['b', 4 + 2099], ['cdef', 1], ['b', 3]),
  },
  {
    what: 'a far copy from 16385 back and one from 49151 back',
    stream: `1562636465 ${as(16382).slice(4)} 120400 ${as(32764).slice(4)} 1bfcff ${END}`,
    decoded: filled(['bcde', 1], ['e', 16381], ['bcde', 1], ['e', 32763], ['cdeee', 1]),
  },
];

const bytesOf = (stream: string): Uint8Array => Buffer.from(stream.replaceAll(' ', ''), 'hex');

describe('the LZO1X decompressor', () => {
  const decompressor = new Lzo1xDecompressor();

  for (const { what, stream, decoded } of VECTORS) {
    it(`reads ${what}`, () => {
      const out = new Uint8Array(decoded.length);
      expect(decompressor.decompress(bytesOf(stream), out)).toBe(decoded.length);
      expect(Buffer.compare(out, decoded)).toBe(0);
    });
  }

  const refused: readonly (readonly [what: string, stream: string])[] = [
    ['nothing at all', ''],
    ['a stream without an end', '1561626364'],
    ['an end that is cut short', '1561626364 1100'],
    ['a byte after the end', `1561626364 ${END} 00`],
    ['a copy from before the start', `1561626364 7000 ${END}`],
    ['a copy as the very first instruction', `4000 ${END}`],
    ['a far copy from before the start', `1561626364 120400 ${END}`],
    ['a run longer than the stream', `ff6161 ${END}`],
    ['a run that takes the end mark for bytes', `1861626364 ${END}`],
    ['a length that never ends', '1561626364 2000000000'],
    ['a run length that never ends', '0000000000000000'],
    ['more than there is room for', `${as(5000)} ${END}`],
    ['a run for which there is no room', `00${'00'.repeat(16)}01${'61'.repeat(18 + 255 * 16 + 1)} ${END}`],
    ['a stream of bitstream version 1', `1101 1561626364 ${END}`],
  ];
  for (const [what, stream] of refused) {
    it(`refuses ${what} and leaves the output alone`, () => {
      const out = new Uint8Array(4096).fill(0xa5);
      expect(decompressor.decompress(bytesOf(stream), out)).toBe(-1);
      expect(out.every((byte) => byte === 0xa5)).toBe(true);
    });
  }

  const liblzo2 = openLiblzo2();
  const skipped = 'unavailable' in liblzo2 ? ` (skipped: ${liblzo2.unavailable})` : '';
  it.skipIf(skipped !== '')(
    `agrees with liblzo2 on these streams and on any made of valid instructions${skipped}`,
    () => {
      if ('unavailable' in liblzo2) return;
      const bothSay = (stream: Uint8Array): void => {
        const ours = new Uint8Array(4096);
        const theirs = new Uint8Array(4096);
        const written = decompressor.decompress(stream, ours);
        expect(written, hex(stream)).toBe(liblzo2.decompress(stream, theirs));
        if (written > 0) expect(hex(ours.subarray(0, written))).toBe(hex(theirs.subarray(0, written)));
      };
      for (const { stream } of VECTORS) bothSay(bytesOf(stream));
      for (const [, stream] of refused) if (!stream.startsWith('1101')) bothSay(bytesOf(stream));
      // A long first run gives copies something to reach; then anything; then the end.
      const instructions = fc.array(fc.tuple(fc.nat(255), fc.nat(255), fc.nat(7)), { maxLength: 40 });
      fc.assert(
        fc.property(fc.integer({ min: 18, max: 255 }), instructions, (first, rest) => {
          bothSay(
            Buffer.concat([
              Buffer.from([first]),
              randomBytes(first - 17),
              Buffer.from(rest.flat()),
              bytesOf(END),
            ]),
          );
        }),
        { numRuns: 5000 },
      );
    },
  );
});

describe('the LZO1X compressor', () => {
  const compress = (block: Uint8Array, by = new Lzo1xCompressor()): string => {
    const out = new Uint8Array(lzo1xBound(block.length));
    return hex(out.subarray(0, by.compress(block, out)));
  };
  const hexOf = (stream: string): string => stream.replaceAll(' ', '');

  it('writes a page of zeros as one byte and one copy', () => {
    expect(compress(new Uint8Array(4096))).toBe(hexOf(`1200 20${'00'.repeat(15)}ed0000 ${END}`));
  });

  it('writes short copies in two bytes, and the 1 to 3 bytes after them inside', () => {
    expect(compress(text('abcdabcdabcdx'))).toBe(hexOf(`1561626364 ed0078 ${END}`));
    expect(compress(text('abcdabcdabcdxyzabcdabcd'))).toBe(hexOf(`1561626364 ef0078797a e801 ${END}`));
  });

  it('writes a copy from more than 2048 back in three bytes', () => {
    const block = Buffer.concat([text('abcdefgh'), new Uint8Array(3000), text('abcdefgh')]);
    expect(compress(block)).toBe(hexOf(`1a616263646566676800 20${'00'.repeat(11)}a10000 26fc2e ${END}`));
  });

  it('writes a copy from more than 16384 back in its far form', () => {
    const block = Buffer.concat([text('abcdefgh'), new Uint8Array(20000), text('abcdefgh')]);
    expect(compress(block)).toBe(hexOf(`1a616263646566676800 20${'00'.repeat(78)}4c0000 16a038 ${END}`));
  });

  it('copies from 49151 back and from no farther', () => {
    const at = (distance: number): string =>
      compress(Buffer.concat([text('abcdefgh'), new Uint8Array(distance - 8), text('abcdefgh')]));
    expect(at(49151).slice(-12)).toBe(hexOf(`1efcff ${END}`));
    expect(at(49152).slice(-24)).toBe(hexOf(`05${hex(text('abcdefgh'))} ${END}`));
  });

  it('never writes 17 as the first byte, which would name a bitstream version', () => {
    const compressor = new Lzo1xCompressor();
    for (const make of Object.values(PAGE_KINDS)) {
      const stream = compress(make(4096), compressor);
      if (stream !== '') expect(stream.slice(0, 2)).not.toBe('11');
    }
  });

  it('gives the same bytes for a page whatever it compressed before', () => {
    const used = new Lzo1xCompressor();
    for (const make of Object.values(PAGE_KINDS)) {
      expect(compress(make(4096), used)).toBe(compress(make(4096)));
    }
  });

  it('keeps on giving right streams when its position counter starts again', () => {
    const compressor = new Lzo1xCompressor();
    const decompressor = new Lzo1xDecompressor();
    const large = new Uint8Array(1 << 26);
    const out = new Uint8Array(lzo1xBound(large.length));
    for (let i = 0; i < 33; i++) expect(compressor.compress(large, out)).toBeGreaterThan(0);
    const page = PAGE_KINDS.text(4096);
    const written = compressor.compress(page, out);
    const back = new Uint8Array(4096);
    expect(decompressor.decompress(out.subarray(0, written), back)).toBe(4096);
    expect(hex(back)).toBe(hex(page));
  });
});
