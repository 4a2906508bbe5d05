/** Both readers of ELF memory, by pread and through the sliding window, against a naive model of what is there. */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { openSlidingWindow } from '../../src/native/sliding-window.ts';
import type { ElfDumpFile, MemoryReader } from '../../src/read/dump-file.ts';
import { createElfReader } from '../../src/read/elf-reader.ts';
import { type Load, writeElfCore } from '../build/elf.ts';
import { xorshift } from '../build/page-content.ts';
import { tempFiles } from './temp-files.ts';

const files = tempFiles();
const PAGE = 4096;
const probe = openSlidingWindow(PAGE);
const noWindow = 'unavailable' in probe ? probe.unavailable : undefined;
if (!('unavailable' in probe)) probe.close();
const because = noWindow ? ` (skipped: ${noWindow})` : '';
const KINDS = [
  { name: 'pread', mmap: false },
  { name: 'mmap', mmap: true },
] as const;

function random(length: number, seed: number): Uint8Array {
  const next = xorshift(seed);
  return Uint8Array.from({ length }, () => next() & 0xff);
}

interface Given {
  readonly loads: readonly Load[];
  readonly unaligned: number;
}

/** Segments in a space of 40 pages, at and off page borders. */
const given: fc.Arbitrary<Given> = fc.record({
  loads: fc.array(
    fc
      .record({
        paddr: fc.oneof(
          fc.nat(40 * PAGE),
          fc.nat(39).map((p) => p * PAGE),
        ),
        memsz: fc.oneof(
          fc.integer({ min: 1, max: 9 * PAGE }),
          fc.integer({ min: 1, max: 9 }).map((p) => p * PAGE),
        ),
        short: fc.oneof(fc.constant(0), fc.nat(3 * PAGE)),
        seed: fc.nat(),
      })
      .map(({ paddr, memsz, short, seed }): Load => {
        const filesz = Math.max(0, memsz - short);
        return { paddr, memsz, filesz, data: random(filesz, seed) };
      }),
    { minLength: 1, maxLength: 5 },
  ),
  unaligned: fc.constantFrom(0, 1, 0x838, 4095),
});

/** What the file has of each byte, or undefined; the first segment wins. */
function bytesOf(loads: readonly Load[]): (number | undefined)[] {
  const bytes = new Array<number | undefined>(60 * PAGE).fill(undefined);
  for (const { paddr, data } of loads.toReversed()) {
    data?.forEach((b, i) => {
      bytes[paddr + i] = b;
    });
  }
  return bytes;
}

/** Pages from `pfn` on as the reader must show them: up to the first that has no byte in the file. */
function expectedPages(bytes: readonly (number | undefined)[], pfn: number, count: number): Uint8Array[] {
  const pages: Uint8Array[] = [];
  for (let i = 0; i < count; i++) {
    const page = bytes.slice((pfn + i) * PAGE, (pfn + i + 1) * PAGE);
    if (page.every((b) => b === undefined)) break;
    pages.push(Uint8Array.from(page, (b) => b ?? 0));
  }
  return pages;
}

/** Loads again where a load ended early, as every caller does. */
function loadAll(reader: MemoryReader, pfn: number, count: number): Uint8Array[] {
  const pages: Uint8Array[] = [];
  while (pages.length < count) {
    const n = reader.load(pfn + pages.length, count - pages.length);
    if (n === 0) break;
    for (let i = 0; i < n; i++) {
      const at = reader.start + i * PAGE;
      pages.push(Uint8Array.from(reader.bytes.subarray(at, at + PAGE)));
    }
  }
  return pages;
}

function openLoads({ loads, unaligned }: Given): ElfDumpFile {
  const path = files.path('elf');
  writeElfCore(path, { loads, unaligned });
  return files.open(path) as ElfDumpFile;
}

describe.each(KINDS)('the reader by $name', ({ mmap }) => {
  it.skipIf(mmap && noWindow)(
    `loads what is in the file, up to the first page frame that is not${mmap ? because : ''}`,
    () => {
      fc.assert(
        fc.property(
          given,
          fc.array(fc.tuple(fc.nat(50), fc.integer({ min: 1, max: 12 })), { minLength: 1, maxLength: 8 }),
          (g, asks) => {
            const reader = createElfReader(openLoads(g), mmap);
            const bytes = bytesOf(g.loads);
            for (const [pfn, count] of asks) {
              const want = expectedPages(bytes, pfn, count);
              const got = loadAll(reader, pfn, count);
              expect(got.length).toBe(want.length);
              got.forEach((page, i) => {
                expect(Buffer.compare(page, want[i])).toBe(0);
              });
            }
            reader.close();
          },
        ),
        { numRuns: 150 },
      );
    },
  );

  it('reads any bytes whose page frames are all in the file, and refuses others', () => {
    fc.assert(
      fc.property(
        given,
        fc.array(fc.tuple(fc.nat(50 * PAGE), fc.nat(3 * PAGE)), { minLength: 1, maxLength: 8 }),
        (g, asks) => {
          const reader = createElfReader(openLoads(g), mmap);
          const bytes = bytesOf(g.loads);
          for (const [paddr, length] of asks) {
            const into = new Uint8Array(length).fill(0xee);
            const first = Math.floor(paddr / PAGE);
            const count = length === 0 ? 0 : Math.floor((paddr + length - 1) / PAGE) - first + 1;
            const there = expectedPages(bytes, first, count).length === count;
            expect(reader.read(paddr, into)).toBe(there);
            if (!there) continue;
            const want = Uint8Array.from(bytes.slice(paddr, paddr + length), (b) => b ?? 0);
            expect(Buffer.compare(into, want)).toBe(0);
          }
          reader.close();
        },
      ),
      { numRuns: 100 },
    );
  });

  it('asks for no more pages at once than it says', () => {
    const reader = createElfReader(openLoads({ loads: [{ paddr: 0, memsz: 2 ** 21 }], unaligned: 0 }), mmap);
    expect(reader.load(0, 512)).toBeLessThanOrEqual(reader.maxPages);
    expect(reader.load(0, 512)).toBeGreaterThan(1);
    reader.close();
  });

  it('gives nothing for page frames that no memory has, at both ends of what can be said', () => {
    const reader = createElfReader(
      openLoads({ loads: [{ paddr: 0x10000, memsz: PAGE }], unaligned: 0 }),
      mmap,
    );
    for (const pfn of [0, 0xf, 0x11, 2 ** 40, 2 ** 41, 2 ** 53]) expect(reader.load(pfn, 4)).toBe(0);
    expect(reader.read(2 ** 53, new Uint8Array(1))).toBe(false);
    expect(reader.load(0x10, 4)).toBe(1);
    reader.close();
  });

  it('finds the bytes at far offsets of a file of 64 GiB', () => {
    const far = 2 ** 36;
    const path = files.path('sparse');
    const data = random(PAGE, 7);
    writeElfCore(path, {
      loads: [
        { paddr: 0, memsz: far },
        { paddr: far, memsz: PAGE, data },
      ],
    });
    const reader = createElfReader(files.open(path) as ElfDumpFile, mmap);
    expect(loadAll(reader, far / PAGE, 3)).toEqual([data]);
    expect(loadAll(reader, 5, 1)).toEqual([new Uint8Array(PAGE)]);
    expect(loadAll(reader, far / PAGE, 1)).toEqual([data]);
    reader.close();
  });
});

describe('the sliding window', () => {
  it.skipIf(noWindow)(
    `maps what the file has whole, and copies page frames that are there in part${because}`,
    () => {
      const memsz = 0x800 + 20 * PAGE;
      const loads = [{ paddr: 0x1800, memsz, data: random(memsz, 3) }];
      const reader = createElfReader(openLoads({ loads, unaligned: 0 }), true);
      const copied = reader.bytes;
      expect(reader.load(2, 20)).toBe(20);
      expect(reader.bytes).not.toBe(copied);
      expect(reader.load(1, 20)).toBe(20);
      expect(reader.bytes).toBe(copied);
      expect(reader.bytes.subarray(reader.start, reader.start + 0x800).every((b) => b === 0)).toBe(true);
      // A few are copied at any place.
      expect(reader.load(2, 20)).toBe(20);
      expect(reader.load(3, 15)).toBe(15);
      expect(reader.bytes).toBe(copied);
      reader.close();
    },
  );

  it.skipIf(noWindow)(
    `shows the same as pread when it slides to and fro over a file larger than itself${because}`,
    () => {
      const pages = 2300;
      const path = files.path('large');
      const data = random(pages * PAGE, 11);
      writeElfCore(path, { loads: [{ paddr: 0x100000, memsz: data.length, data }], unaligned: 0x838 });
      const file = files.open(path) as ElfDumpFile;
      const mapped = createElfReader(file, true);
      const copied = createElfReader(file, false);
      const next = xorshift(5);
      for (let i = 0; i < 400; i++) {
        const pfn = 0x100 + (next() % (pages + 2));
        const count = 1 + (next() % 64);
        const a = loadAll(mapped, pfn, count);
        const b = loadAll(copied, pfn, count);
        expect(a.length).toBe(b.length);
        a.forEach((page, n) => {
          expect(Buffer.compare(page, b[n])).toBe(0);
        });
      }
      mapped.close();
    },
  );

  it.skipIf(noWindow)(`never shows a byte beyond the end of the file${because}`, () => {
    const path = files.path('end');
    const { size } = writeElfCore(path, { loads: [{ paddr: 0, memsz: 0x1800, data: random(0x1800, 1) }] });
    const file = files.open(path) as ElfDumpFile;
    const reader = createElfReader(file, true);
    expect(loadAll(reader, 0, 9)).toHaveLength(2);
    const last = loadAll(reader, 1, 1)[0];
    expect(last.subarray(0x800).every((b) => b === 0)).toBe(true);
    const truth = readFileSync(path).subarray(size - 0x800);
    expect(Buffer.compare(last.subarray(0, 0x800), truth)).toBe(0);
    reader.close();
  });
});
