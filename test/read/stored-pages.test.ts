/** The two bitmaps of an input, slice by slice, against the page frames that were put into it. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { testBit } from '../../src/read/bitmap.ts';
import type { DumpFile } from '../../src/read/dump-file.ts';
import { existingBits, storedBits } from '../../src/read/stored-pages.ts';
import { writeElfCore } from '../build/elf.ts';
import { buildKdump } from '../build/kdump.ts';
import { expectSmeltError, tempFiles } from './temp-files.ts';

const files = tempFiles();
const pfnsIn = (bits: Uint8Array, pfn: number, count: number) =>
  Array.from({ length: count }, (_, i) => pfn + i).filter((p) => testBit(bits, p - pfn));

function slices(file: DumpFile, pfn: number, count: number) {
  const existing = new Uint8Array(Math.ceil(count / 8));
  const stored = new Uint8Array(existing.length);
  existingBits(file, pfn, count, existing);
  storedBits(file, pfn, count, existing, stored);
  return { existing: pfnsIn(existing, pfn, count), stored: pfnsIn(stored, pfn, count) };
}

describe('the bitmaps of an ELF core', () => {
  const path = files.path('elf');
  writeElfCore(path, {
    loads: [
      { paddr: 0x10800, memsz: 0x100 },
      { paddr: 0x3000, memsz: 0x5000, filesz: 0x1001 },
      { paddr: 0x20000, memsz: 0x3000, filesz: 0 },
    ],
  });
  const file = files.open(path);
  const existing = [3, 4, 5, 6, 7, 0x10, 0x20, 0x21, 0x22];
  const stored = [3, 4, 0x10];

  it('have a page frame of which there is one byte, existing and in the file apart', () => {
    expect(slices(file, 0, 0x40)).toEqual({ existing, stored });
  });

  it('are the same in any slice', () => {
    fc.assert(
      fc.property(fc.nat(0x30), fc.integer({ min: 1, max: 0x30 }), (pfn, count) => {
        const inSlice = (p: number) => p >= pfn && p < pfn + count;
        expect(slices(file, pfn, count)).toEqual({
          existing: existing.filter(inSlice),
          stored: stored.filter(inSlice),
        });
      }),
    );
  });
});

describe('the bitmaps of a kdump file', () => {
  const path = files.path('kdump');
  const page = new Uint8Array(4096).fill(1);
  buildKdump({
    path,
    pages: new Map([2, 9, 17, 18].map((pfn) => [pfn, page])),
    ram: [
      { start: 0, end: 12 },
      { start: 16, end: 21 },
    ],
    // A page frame of the second bitmap that the first does not have is no memory.
    patch: (file, { bitmap1 }) => {
      file[bitmap1 + 2] &= ~0b100;
      return undefined;
    },
  });
  const file = files.open(path);

  it('have what the file has, also behind the last page frame of the header', () => {
    expect(slices(file, 0, 64)).toEqual({
      existing: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 16, 17, 19, 20],
      stored: [2, 9, 17],
    });
    expect(slices(file, 16, 64)).toEqual({ existing: [16, 17, 19, 20], stored: [17] });
    expect(slices(file, 4096, 64)).toEqual({ existing: [], stored: [] });
  });

  it('are read by whole bytes', () => {
    expectSmeltError(() => slices(file, 4, 8), 'INTERNAL', 'page frame 4');
  });
});
