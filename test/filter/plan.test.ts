/** Windows: together they are the memory, whatever its holes and however many threads there are. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { planWindows, urgencyOrder, windowSpan } from '../../src/filter/plan.ts';
import type { DumpFile } from '../../src/read/dump-file.ts';
import { extentsOf } from '../../src/read/extents.ts';

const fileOf = (ranges: readonly (readonly [pfn: number, count: number])[]): DumpFile =>
  ({
    pageSize: 4096,
    memory: extentsOf(
      ranges.map(([pfn, count]) => ({ paddr: pfn * 4096, sizeBytes: count * 4096, byteOffset: 0 })),
    ),
  }) as unknown as DumpFile;

const GIB = 2 ** 18;

describe('the plan', () => {
  it('has each page frame of memory in exactly one window, and no window without memory', () => {
    const range = fc.tuple(
      fc.nat(200_000),
      fc.oneof(fc.integer({ min: 1, max: 10 }), fc.integer({ min: 1, max: 50_000 })),
    );
    fc.assert(
      fc.property(
        fc.array(range, { minLength: 1, maxLength: 8 }),
        fc.integer({ min: 0, max: 64 }),
        (ranges, threads) => {
          const file = fileOf(ranges);
          const plan = planWindows(file, threads);
          const memory = new Set<number>();
          for (const [pfn, count] of ranges) for (let i = 0; i < count; i++) memory.add(pfn + i);
          expect(plan.totalPages).toBe(memory.size);
          expect(plan.maxMapnr).toBe(Math.max(...ranges.map(([pfn, count]) => pfn + count)));
          expect(Number.isInteger(Math.log2(plan.windowPages))).toBe(true);
          let inWindows = 0;
          let before = -1;
          for (let i = 0; i < plan.starts.length; i++) {
            const { pfn, count } = windowSpan(plan, i);
            expect(pfn % plan.windowPages).toBe(0);
            expect(pfn).toBeGreaterThan(before);
            expect(count).toBeGreaterThan(0);
            expect(pfn + count).toBeLessThanOrEqual(plan.maxMapnr);
            before = pfn;
            let here = 0;
            for (let p = pfn; p < pfn + count; p++) if (memory.has(p)) here++;
            expect(here).toBeGreaterThan(0);
            inWindows += here;
          }
          expect(inWindows).toBe(memory.size);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('has windows of 8 MiB to 1 GiB, of which no free block crosses a border', () => {
    expect(planWindows(fileOf([[0, 100]]), 1).windowPages).toBe(2048);
    expect(planWindows(fileOf([[0, 64 * GIB]]), 1).windowPages).toBe(GIB);
    expect(planWindows(fileOf([[0, 64 * GIB]]), 64).windowPages).toBe(GIB / 64);
  });

  it('has one number a GiB for 16 TiB', () => {
    const plan = planWindows(fileOf([[0, 2 ** 32]]), 8);
    expect(plan.starts).toHaveLength(2 ** 14);
    expect(plan.totalPages).toBe(2 ** 32);
  });

  it('does not depend on memory far away', () => {
    const plan = planWindows(
      fileOf([
        [5, 3],
        [2 ** 40 - 10, 10],
      ]),
      1,
    );
    expect([...plan.starts]).toEqual([0, 2 ** 40 - 2048]);
    expect(windowSpan(plan, 1)).toEqual({ pfn: 2 ** 40 - 2048, count: 2048 });
  });

  it('lies in memory that threads share', () => {
    expect(planWindows(fileOf([[0, 100]]), 1).starts.buffer).toBeInstanceOf(SharedArrayBuffer);
  });
});

describe('the order of windows', () => {
  const plan = planWindows(fileOf([[0, 8 * 2048]]), 1);

  it('is from the end of memory to its beginning', () => {
    expect([...urgencyOrder(plan, [])]).toEqual([7, 6, 5, 4, 3, 2, 1, 0]);
  });

  it('begins with the windows of the first group, then of the second, each from its end', () => {
    const image = [{ pfn: 2047, end: 4096 }];
    const tables = [
      { pfn: 5 * 2048, end: 5 * 2048 + 1 },
      { pfn: 3 * 2048 - 1, end: 3 * 2048 },
      { pfn: 10, end: 11 },
    ];
    expect([...urgencyOrder(plan, [image, tables])]).toEqual([1, 0, 5, 2, 7, 6, 4, 3]);
  });
});
