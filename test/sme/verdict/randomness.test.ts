import { createCipheriv } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';
import { deflateRawSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { looksKernelData, looksRandom, SAMPLE_BYTES } from '../../../src/sme/verdict/randomness.ts';

const PAGES = 4000;
/** AES in counter mode: as random as it gets, and the same each time. */
const random = createCipheriv('aes-128-ctr', Buffer.alloc(16, 7), Buffer.alloc(16)).update(
  Buffer.alloc(PAGES * SAMPLE_BYTES),
);
const pageOf = (fill: (at: number, page: Buffer) => void, step = 8): Buffer => {
  const page = Buffer.alloc(SAMPLE_BYTES);
  for (let at = 0; at < SAMPLE_BYTES; at += step) fill(at, page);
  return page;
};
const randomPage = (i: number) => Buffer.from(random.subarray(i * SAMPLE_BYTES, (i + 1) * SAMPLE_BYTES));
const count = (test: (bytes: Buffer, at: number) => boolean) =>
  Array.from({ length: PAGES }, (_, i) => test(random, i * SAMPLE_BYTES)).filter(Boolean).length;

/** Pages of machine code. */
function programPart(pages: number): Buffer {
  const part = Buffer.alloc(pages * SAMPLE_BYTES);
  const fd = openSync(process.execPath, 'r');
  readSync(fd, part, 0, part.length, 16 * 2 ** 20);
  closeSync(fd);
  return part;
}

describe('looksRandom', () => {
  it('knows 99.9 % of random pages', () => {
    expect(count(looksRandom)).toBeGreaterThan(PAGES * 0.999);
  });

  it('takes compressed data for random, so that one page alone says nothing', () => {
    const packed = deflateRawSync(programPart(256), { level: 9 });
    const pages = Math.floor(packed.length / SAMPLE_BYTES);
    const taken = Array.from({ length: pages }, (_, i) => looksRandom(packed, i * SAMPLE_BYTES)).filter(
      Boolean,
    );
    expect(pages).toBeGreaterThan(5);
    expect(taken.length).toBeGreaterThan(pages / 2);
  });

  const others: Record<string, Buffer> = {
    zeros: Buffer.alloc(SAMPLE_BYTES),
    text: Buffer.alloc(SAMPLE_BYTES, 'the quick brown fox jumps over the lazy dog\n'),
    'ascending numbers': pageOf((at, page) => page.writeInt32LE(at), 4),
    'page-table entries': pageOf((at, page) =>
      page.writeBigUInt64LE(0x8000000000000063n | (BigInt(at) << 9n), at),
    ),
    'random bytes with 8 zero ones': randomPage(0).fill(0, 2048, 2056),
    'random bytes with 8 that stand there twice': randomPage(1).fill('8 chars.', 2048, 2064, 'latin1'),
    'the same 2 KiB twice': Buffer.concat([random.subarray(0, 2048), random.subarray(0, 2048)]),
    'random bytes without the upper half': Buffer.from(randomPage(2).map((byte) => byte & 0x7f)),
    'a program': programPart(1),
  };
  it.each(Object.keys(others))('does not take %s for random', (name) => {
    expect(looksRandom(others[name]!, 0)).toBe(false);
  });

  it('looks at what stands from the place on, and no further', () => {
    const bytes = Buffer.concat([others.text!, randomPage(3), others.text!]);
    expect([0, SAMPLE_BYTES, 2 * SAMPLE_BYTES].map((at) => looksRandom(bytes, at))).toEqual([
      false,
      true,
      false,
    ]);
  });
});

describe('looksKernelData', () => {
  const with16 = (write: (page: Buffer, at: number) => void): Buffer => {
    const page = Buffer.alloc(SAMPLE_BYTES);
    for (let i = 0; i < 16; i++) write(page, i * 128);
    return page;
  };
  const words: Record<string, [bigint, boolean]> = {
    'addresses in the direct map': [0xffff888004c2b7b8n, true],
    'addresses of struct pages with 5 levels': [0xffd4000000012340n, true],
    'addresses in the kernel image': [0xffffffff81a00000n, true],
    'poisoned list pointers': [0xdead000000000100n, true],
    'user addresses': [0x00007f1234567890n, false],
    'small negative numbers': [-8n, false],
    'addresses that no object has': [0xffff888004c2b7b9n, false],
    'the bits that an address has, moved by a byte': [0x00ffff888004c2b8n, false],
  };
  it.each(Object.keys(words))('knows %s, or that it is none of the kernel', (name) => {
    const [word, expected] = words[name]!;
    const page = with16((into, at) => into.writeBigInt64LE(BigInt.asIntN(64, word), at));
    expect(looksKernelData(page, 0)).toBe(expected);
  });

  it('wants 16 of them', () => {
    const page = with16((into, at) => into.writeBigUInt64LE(0xffff888004c2b7b8n, at));
    page.fill(0, 0, 8);
    expect(looksKernelData(page, 0)).toBe(false);
  });

  it('does not count what only fills a page', () => {
    for (const fill of [0xffn, 0xff000000ff000000n, 0xffffffffffffffffn, 0xffff0000ffff0000n]) {
      expect(
        looksKernelData(
          pageOf((at, page) => page.writeBigUInt64LE(fill, at)),
          0,
        ),
      ).toBe(false);
    }
  });

  it('is true of no random page', () => {
    expect(count(looksKernelData)).toBe(0);
  });
});
