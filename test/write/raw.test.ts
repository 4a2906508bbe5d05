import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { placeOf } from '../../src/write/image.ts';
import { layoutLime, layoutRaw, type PfnRuns } from '../../src/write/raw.ts';
import { parseLime } from '../build/parse-image.ts';

const PAGE = 4096;
const machines = fc
  .array(fc.tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 9 })), {
    minLength: 1,
    maxLength: 30,
  })
  .map((steps): PfnRuns => {
    let pfn = -1;
    return steps.map(([gap, count]) => {
      const first = pfn + gap;
      pfn = first + count;
      return { pfn: first, count };
    });
  });
const pagesOf = (runs: PfnRuns) =>
  runs.flatMap(({ pfn, count }) => Array.from({ length: count }, (_, i) => pfn + i));

describe('a raw image', () => {
  test('has each page at its address, and ends with the memory', () => {
    fc.assert(
      fc.property(machines, (runs) => {
        const { segments, pieces, fileBytes } = layoutRaw(runs, PAGE);
        expect(pieces).toEqual([]);
        const pages = new Set(pagesOf(runs));
        for (let pfn = 0; pfn <= Math.max(...pages) + 1; pfn++)
          expect(placeOf(segments, pfn, PAGE)).toBe(pages.has(pfn) ? pfn * PAGE : undefined);
        expect(fileBytes).toBe((Math.max(...pages) + 1) * PAGE);
      }),
    );
  });
  test('of nothing is empty', () => expect(layoutRaw([], PAGE).fileBytes).toBe(0));
});

describe('a LiME file', () => {
  test('has a header of these bytes before each range', () => {
    const { pieces } = layoutLime(
      [
        { pfn: 1, count: 2 },
        { pfn: 0x100000, count: 1 },
      ],
      PAGE,
    );
    expect(pieces.map(({ byteOffset }) => byteOffset)).toEqual([0, 32 + 2 * PAGE]);
    expect(pieces.map(({ bytes }) => Buffer.from(bytes).toString('hex'))).toEqual([
      '454d694c 01000000 0010000000000000 ff2f000000000000 0000000000000000'.replaceAll(' ', ''),
      '454d694c 01000000 0000000001000000 ff0f000001000000 0000000000000000'.replaceAll(' ', ''),
    ]);
  });
  test('has the pages of a range behind its header', () => {
    fc.assert(
      fc.property(machines, (runs) => {
        const { segments, pieces, fileBytes } = layoutLime(runs, PAGE);
        const file = Buffer.alloc(fileBytes);
        for (const { bytes, byteOffset } of pieces) file.set(bytes, byteOffset);
        const ranges = parseLime(file);
        expect(ranges.map(({ start, end }) => ({ pfn: start / PAGE, count: (end - start) / PAGE }))).toEqual(
          runs,
        );
        for (const { start, end, at } of ranges)
          for (let paddr = start; paddr < end; paddr += PAGE)
            expect(placeOf(segments, paddr / PAGE, PAGE)).toBe(at + paddr - start);
      }),
    );
  });
});
