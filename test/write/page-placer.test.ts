import { closeSync, mkdtempSync, openSync, readFileSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { drain } from '../../src/read/drain.ts';
import { PagePlacer } from '../../src/write/page-placer.ts';

const DESCRIPTORS = 100;
const ZERO_PAGE = 300_000;
const DATA = ZERO_PAGE + 4096;
let dir: string;
let path: string;
let fd: number;
let nextByte: BigInt64Array;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'smelt-placer-'));
  path = join(dir, 'file');
  fd = openSync(path, 'w+');
  nextByte = new BigInt64Array(new SharedArrayBuffer(8));
  nextByte[0] = BigInt(DATA);
});
afterEach(() => {
  closeSync(fd);
  rmSync(dir, { recursive: true });
});

const placer = (): PagePlacer =>
  new PagePlacer(
    {
      outlet: { path, fd, mostBytes: undefined, stream: undefined },
      pageSize: 4096,
      descOffset: DESCRIPTORS,
      zeroPageOffset: ZERO_PAGE,
      nextByte,
      index: 0,
    },
    5000,
  );
const flush = (of: PagePlacer): void => drain(of.flush());
const add = (to: PagePlacer, size: number, fill: number, flags = 0): void => {
  to.data.fill(fill, to.used, to.used + size);
  to.add(size, flags);
};
const descriptor = (index: number) => {
  const file = readFileSync(path);
  const at = DESCRIPTORS + index * 24;
  return [
    Number(file.readBigUInt64LE(at)),
    file.readUInt32LE(at + 8),
    file.readUInt32LE(at + 12),
    file.readBigUInt64LE(at + 16),
  ];
};

describe('a page placer', () => {
  test('writes nothing before it is flushed', () => {
    const p = placer();
    p.begin(0);
    add(p, 100, 7);
    expect(readFileSync(path).length).toBe(0);
    expect(nextByte[0]).toBe(BigInt(DATA));
    flush(p);
    expect(readFileSync(path).length).toBe(DATA + 100);
    flush(p);
    expect(nextByte[0]).toBe(BigInt(DATA + 100));
  });

  test('places pages behind each other and their descriptors where they belong', () => {
    const p = placer();
    p.begin(3);
    add(p, 100, 1, 0x20);
    p.addZeroPage();
    p.addMissingPage();
    add(p, 4096, 2);
    expect(() => p.begin(10)).toThrow('4 pages wait that were not written');
    flush(p);
    p.begin(10);
    add(p, 50, 3, 1);
    flush(p);
    expect(descriptor(3)).toEqual([DATA, 100, 0x20, 0n]);
    expect(descriptor(4)).toEqual([ZERO_PAGE, 4096, 0, 0n]);
    expect(descriptor(5)).toEqual([0, 0, 0, 0n]);
    expect(descriptor(6)).toEqual([DATA + 100, 4096, 0, 0n]);
    expect(descriptor(7)).toEqual([0, 0, 0, 0n]);
    expect(descriptor(10)).toEqual([DATA + 4196, 50, 1, 0n]);
    const data = readFileSync(path).subarray(DATA);
    expect(data).toEqual(Buffer.concat([Buffer.alloc(100, 1), Buffer.alloc(4096, 2), Buffer.alloc(50, 3)]));
    expect(p.dataBytes).toBe(4246);
  });

  test('shares the file with others without an overlap', () => {
    const [a, b] = [placer(), placer()];
    a.begin(0);
    b.begin(1000);
    for (let i = 0; i < 50; i++) {
      add(a, 10 + i, 0xaa);
      add(b, 20 + i, 0xbb);
      if (i % 7 === 0) flush(a);
      if (i % 5 === 0) flush(b);
    }
    flush(a);
    flush(b);
    const file = readFileSync(path);
    for (const [first, fill] of [
      [0, 0xaa],
      [1000, 0xbb],
    ]) {
      for (let i = 0; i < 50; i++) {
        const [offset, size] = descriptor(first + i).map(Number);
        expect(file.subarray(offset, offset + size).every((byte) => byte === fill)).toBe(true);
      }
    }
    expect(Number(nextByte[0])).toBe(DATA + a.dataBytes + b.dataBytes);
    expect(file.length).toBe(Number(nextByte[0]));
  });

  test('is full after a mebibyte or 4,096 pages, and has room for one more page until then', () => {
    const p = placer();
    p.begin(0);
    let pages = 0;
    while (!p.isFull) {
      expect(p.data.length - p.used).toBeGreaterThanOrEqual(5000);
      add(p, 5000, 1);
      pages++;
    }
    expect(pages).toBe(Math.ceil(2 ** 20 / 5000));
    flush(p);
    expect(p.isFull).toBe(false);
    for (pages = 0; !p.isFull; pages++) p.addZeroPage();
    expect(pages).toBe(4096);
    flush(p);
    expect(descriptor(210 + 4095)).toEqual([ZERO_PAGE, 4096, 0, 0n]);
  });

  test('writes offsets beyond 4 GiB whole', () => {
    nextByte[0] = 5n * 2n ** 32n + 12n;
    const p = placer();
    p.begin(0);
    add(p, 1, 1);
    // Only the descriptor is looked at: reading the file back would take 20 GiB of zeros.
    flush(p);
    const head = Buffer.alloc(24);
    const read = openSync(path, 'r');
    readSync(read, head, 0, 24, DESCRIPTORS);
    closeSync(read);
    expect(head.readBigUInt64LE(0)).toBe(5n * 2n ** 32n + 12n);
  });

  test('leaves descriptors at 0 when their data cannot be written', () => {
    const p = placer();
    p.begin(0);
    add(p, 100, 1);
    nextByte[0] = 2n ** 52n;
    expect(() => flush(p)).toThrow(expect.objectContaining({ code: 'WRITE' }));
    expect(readFileSync(path).length).toBe(0);
  });
});
