/** The bitmap functions against loops over single bits, at all alignments. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { clearRange, nextBit, popcount, runsOf, setRange, testBit } from '../../src/read/bitmap.ts';

const bitmap = fc.oneof(
  fc.uint8Array({ minLength: 6, maxLength: 6 }),
  // Long runs, which the functions skip bytewise.
  fc
    .array(fc.constantFrom(0, 0xff, 0xf0, 0x01), { minLength: 6, maxLength: 6 })
    .map((b) => Uint8Array.from(b)),
);
const BITS = 48;
const range = fc
  .tuple(fc.nat(BITS), fc.nat(BITS))
  .map(([a, b]) => ({ from: Math.min(a, b), to: Math.max(a, b) }));

const bitsOf = (map: Uint8Array): boolean[] =>
  Array.from({ length: map.length * 8 }, (_, i) => ((map[Math.floor(i / 8)] >> (i % 8)) & 1) === 1);

describe('bitmaps', () => {
  it('have the bit of page frame 8k + n as bit n of byte k', () => {
    const map = new Uint8Array(3);
    setRange(map, 11, 12);
    expect([...map]).toEqual([0, 0b1000, 0]);
    expect(testBit(map, 11)).toBe(true);
    expect(testBit(map, 10)).toBe(false);
  });

  it('count set bits up to any bit', () => {
    fc.assert(
      fc.property(bitmap, fc.nat(BITS), (map, bits) => {
        expect(popcount(map, bits)).toBe(bitsOf(map).slice(0, bits).filter(Boolean).length);
        expect(popcount(map)).toBe(bitsOf(map).filter(Boolean).length);
      }),
    );
  });

  it('are set over a range, and nowhere else', () => {
    fc.assert(
      fc.property(bitmap, range, (map, { from, to }) => {
        const expected = bitsOf(map).map((bit, i) => bit || (i >= from && i < to));
        setRange(map, from, to);
        expect(bitsOf(map)).toEqual(expected);
      }),
      { numRuns: 500 },
    );
  });

  it('are cleared over a range, and nowhere else, and say how many bits that were', () => {
    fc.assert(
      fc.property(bitmap, range, (map, { from, to }) => {
        const before = bitsOf(map);
        const cleared = clearRange(map, from, to);
        expect(bitsOf(map)).toEqual(before.map((bit, i) => bit && (i < from || i >= to)));
        expect(cleared).toBe(before.slice(from, to).filter(Boolean).length);
      }),
      { numRuns: 500 },
    );
  });

  it('do nothing for a range that is empty or ends before it begins', () => {
    const map = Uint8Array.of(0x0f, 0xf0);
    setRange(map, 9, 3);
    expect(clearRange(map, 9, 3)).toBe(0);
    expect(nextBit(map, true, 9, 3)).toBe(3);
    expect([...runsOf(map, 9, 3)]).toEqual([]);
    expect([...map]).toEqual([0x0f, 0xf0]);
  });

  it('find the next bit of either value', () => {
    fc.assert(
      fc.property(bitmap, range, fc.boolean(), (map, { from, to }, value) => {
        const found = bitsOf(map).findIndex((bit, i) => i >= from && i < to && bit === value);
        expect(nextBit(map, value, from, to)).toBe(found < 0 ? to : found);
      }),
      { numRuns: 1000 },
    );
  });

  it('give runs that are exactly the set bits of the range, none of which touch', () => {
    fc.assert(
      fc.property(bitmap, range, (map, { from, to }) => {
        const inRuns = new Array<boolean>(BITS).fill(false);
        let behind = -1;
        for (const [first, end] of runsOf(map, from, to)) {
          expect(first).toBeGreaterThan(behind);
          expect(end).toBeGreaterThan(first);
          behind = end;
          inRuns.fill(true, first, end);
        }
        expect(inRuns).toEqual(bitsOf(map).map((bit, i) => bit && i >= from && i < to));
      }),
      { numRuns: 500 },
    );
  });
});
