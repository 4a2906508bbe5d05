/** Extents against a map of bytes that is painted naively. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Extents } from '../../src/read/dump-file.ts';
import { endOf, extentAt, extentsOf, lowerBound, pfnRuns, type Segment } from '../../src/read/extents.ts';

const SPACE = 64;
const segments = fc.array(
  fc.record({ paddr: fc.nat(SPACE - 1), sizeBytes: fc.nat(20), byteOffset: fc.nat(1000) }),
  { maxLength: 12 },
);

/** Byte by byte: where in the file it is, or -1. The first segment that has a byte wins. */
function paint(of: readonly Segment[]): number[] {
  const map = new Array<number>(SPACE + 20).fill(-1);
  for (const { paddr, sizeBytes, byteOffset } of of) {
    for (let i = 0; i < sizeBytes; i++) if (map[paddr + i] === -1) map[paddr + i] = byteOffset + i;
  }
  return map;
}

const rows = (e: Extents): Segment[] =>
  Array.from(e.paddr, (paddr, i) => ({ paddr, sizeBytes: e.sizeBytes[i], byteOffset: e.byteOffset[i] }));

describe('extentsOf', () => {
  it('has each byte where the first segment that covers it has it, whatever the order and the overlaps', () => {
    fc.assert(
      fc.property(segments, (given) => {
        expect(paint(rows(extentsOf(given)))).toEqual(paint(given));
      }),
      { numRuns: 1000 },
    );
  });

  it('is sorted, without overlaps, without empty extents, and joins what continues in memory and file', () => {
    fc.assert(
      fc.property(segments, (given) => {
        const extents = rows(extentsOf(given));
        for (const [i, e] of extents.entries()) {
          expect(e.sizeBytes).toBeGreaterThan(0);
          const before = extents[i - 1];
          if (!before) continue;
          const behind = before.paddr + before.sizeBytes;
          expect(behind).toBeLessThanOrEqual(e.paddr);
          const follows = behind === e.paddr && before.byteOffset + before.sizeBytes === e.byteOffset;
          expect(follows).toBe(false);
        }
      }),
    );
  });

  it('gives the same bytes for segments without overlaps in any order', () => {
    const apart = [0, 10, 20, 30].map((paddr) => ({ paddr, sizeBytes: 10, byteOffset: 100 - paddr }));
    fc.assert(
      fc.property(fc.shuffledSubarray(apart, { minLength: 4 }), (shuffled) => {
        expect(rows(extentsOf(shuffled))).toEqual(apart);
      }),
    );
  });

  it('takes nothing for nothing', () => {
    expect(rows(extentsOf([]))).toEqual([]);
    expect(rows(extentsOf([{ paddr: 5, sizeBytes: 0, byteOffset: 7 }]))).toEqual([]);
    expect(endOf(extentsOf([]))).toBe(0);
  });

  it('lays the kernel text of /proc/vmcore, which comes first, over the direct map', () => {
    const direct = { paddr: 0x100000, sizeBytes: 0x4000000, byteOffset: 0x10000000 };
    const text = { paddr: 0x1000000, sizeBytes: 0x200000, byteOffset: 0x1000 };
    expect(rows(extentsOf([text, direct]))).toEqual([
      { paddr: 0x100000, sizeBytes: 0xf00000, byteOffset: 0x10000000 },
      text,
      { paddr: 0x1200000, sizeBytes: 0x2f00000, byteOffset: 0x11100000 },
    ]);
  });

  it('handles a hundred thousand segments that all overlap', () => {
    const count = 100_000;
    const nested = Array.from({ length: count }, (_, i) => ({
      paddr: i,
      sizeBytes: 2 * (count - i),
      byteOffset: i * 7,
    }));
    const extents = extentsOf(nested);
    // The first covers all.
    expect(rows(extents)).toEqual([nested[0]]);
    expect(rows(extentsOf(nested.toReversed())).length).toBeGreaterThan(count);
  });
});

describe('extentAt and lowerBound', () => {
  it('find what a search from the beginning finds', () => {
    fc.assert(
      fc.property(segments, fc.nat(SPACE + 30), (given, paddr) => {
        const extents = extentsOf(given);
        const starts = [...extents.paddr];
        expect(extentAt(extents, paddr)).toBe(starts.findLastIndex((s) => s <= paddr));
        const first = starts.findIndex((s) => s >= paddr);
        expect(lowerBound(extents.paddr, paddr)).toBe(first < 0 ? starts.length : first);
      }),
    );
  });
});

describe('pfnRuns', () => {
  it('has each page frame of which there is a byte, in runs that do not touch', () => {
    fc.assert(
      fc.property(segments, fc.constantFrom(1, 2, 4, 8, 16), (given, pageSize) => {
        const extents = extentsOf(given);
        const touched = new Set<number>();
        for (const [byte, offset] of paint(given).entries()) {
          if (offset >= 0) touched.add(Math.floor(byte / pageSize));
        }
        const listed: number[] = [];
        let behind = -1;
        for (const { pfn, count } of pfnRuns(extents, pageSize)) {
          expect(count).toBeGreaterThan(0);
          expect(pfn).toBeGreaterThan(behind);
          behind = pfn + count;
          for (let i = 0; i < count; i++) listed.push(pfn + i);
        }
        expect(listed).toEqual([...touched].sort((a, b) => a - b));
      }),
      { numRuns: 500 },
    );
  });

  it('counts a page frame once that two extents share, and one that is there in part', () => {
    const extents = extentsOf([
      { paddr: 0x9fc00, sizeBytes: 0x100, byteOffset: 0 },
      { paddr: 0x9fe00, sizeBytes: 0x200, byteOffset: 0x5000 },
      { paddr: 0x100001, sizeBytes: 1, byteOffset: 0x6000 },
    ]);
    expect([...pfnRuns(extents, 4096)]).toEqual([
      { pfn: 0x9f, count: 1 },
      { pfn: 0x100, count: 1 },
    ]);
  });
});
