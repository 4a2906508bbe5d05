import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createPlacedPages, PlacedPages } from '../../src/write/placed-pages.ts';

const entry = fc.record({
  hash: fc.integer(),
  pfn: fc.nat(2 ** 35 - 1),
  byteOffset: fc.nat(2 ** 44 - 1),
  size: fc.integer({ min: 1, max: 65536 }),
});

describe('the table of placed pages', () => {
  it('finds what was put into it, by any thread, whole', () => {
    fc.assert(
      fc.property(entry, ({ hash, pfn, byteOffset, size }) => {
        const words = createPlacedPages(2 ** 30);
        new PlacedPages(words).insert(hash, pfn, byteOffset, size);
        const other = new PlacedPages(words);
        expect(other.find(hash)).toBe(true);
        expect(other).toMatchObject({ pfn, byteOffset, size });
        expect(other.find(hash ^ 0x10000)).toBe(false);
      }),
      { numRuns: 30 },
    );
  });

  it('does not remember what it has no room for', () => {
    const table = new PlacedPages(createPlacedPages(10));
    table.insert(7, 2 ** 35, 100, 10);
    table.insert(7, 100, 2 ** 44, 10);
    expect(table.find(7)).toBe(false);
  });

  it('stays as large as it is, and forgets something when a bucket is full', () => {
    const words = createPlacedPages(2 ** 30);
    expect(words.byteLength).toBe(16 * 2 ** 20);
    expect(createPlacedPages(0).byteLength).toBe(64 * 2 ** 10);
    const table = new PlacedPages(createPlacedPages(0));
    // More than there are entries.
    for (let i = 0; i < 20_000; i++) table.insert(Math.imul(i, 0x9e3779b1), i, i * 4096, 10);
    let found = 0;
    for (let i = 0; i < 20_000; i++) {
      if (!table.find(Math.imul(i, 0x9e3779b1)) || table.pfn !== i) continue;
      expect(table.byteOffset).toBe(i * 4096);
      found++;
    }
    expect(found).toBeGreaterThan(2000);
    expect(found).toBeLessThanOrEqual(4096);
  });

  it('does not give out an entry that somebody is writing, nor write there', () => {
    const words = createPlacedPages(0);
    const table = new PlacedPages(words);
    table.insert(5, 1, 2, 3);
    const at = words.indexOf(2);
    words[at] = 3;
    expect(table.find(5)).toBe(false);
    const before = words.slice(at, at + 4);
    for (let i = 0; i < 8; i++) table.insert(5, 7 + i, 8, 9);
    expect(words.slice(at, at + 4)).toEqual(before);
  });
});
