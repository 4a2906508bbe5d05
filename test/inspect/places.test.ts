/** The quick answer to whether pages overlap: never "no" where some do. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PlacesInOrder } from '../../src/inspect/verify/places.ts';

const DATA_FROM = 5;
type Page = readonly [place: number, size: number];

function areApart(pages: readonly Page[]): boolean {
  const places = new PlacesInOrder(DATA_FROM);
  for (const [place, size] of pages) places.add(place, size);
  return places.areApart();
}

/** The same bytes for many pages are no overlap. */
function overlap(pages: readonly Page[]): boolean {
  return pages.some(([place, size], i) =>
    pages.some(
      ([other, length], j) =>
        i < j && other < place + size && place < other + length && !(other === place && length === size),
    ),
  );
}

test('pages that are said to lie apart do', () => {
  const page = fc.tuple(fc.integer({ min: DATA_FROM, max: 60 }), fc.integer({ min: 1, max: 4 }));
  let apart = 0;
  fc.assert(
    fc.property(fc.array(page, { maxLength: 6 }), (pages) => {
      if (!areApart(pages)) return;
      apart++;
      expect(overlap(pages)).toBe(false);
    }),
    { numRuns: 2000 },
  );
  expect(apart).toBeGreaterThan(100);
});

test('pages in any order of stretches are found to lie apart, and many may share the first', () => {
  const stretch = (from: number): Page[] => Array.from({ length: 50 }, (_, i) => [from + 10 * i, 10]);
  const zero: Page = [DATA_FROM, 3];
  expect(areApart([zero, ...stretch(1000), zero, ...stretch(100), zero, ...stretch(2000)])).toBe(true);
  expect(areApart([zero, ...stretch(1000), ...stretch(505)])).toBe(false);
  expect(areApart([zero, ...stretch(1000), [6, 1]])).toBe(false);
  expect(areApart([zero, ...stretch(1000), [DATA_FROM, 4]])).toBe(false);
});
