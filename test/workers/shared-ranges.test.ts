import { expect, test } from 'vitest';
import { FrameSet } from '../../src/sme/census/frame-set.ts';
import { sharedRanges } from '../../src/workers/shared-ranges.ts';
import { lastOf } from '../sme/census/census-of.ts';

test('the largest of many ranges are told, in ascending order, and all are counted', () => {
  const limit = 2 ** 24;
  const [named, rest] = [new FrameSet(limit), new FrameSet(limit)];
  const sizes = Array.from({ length: 30_000 }, (_, i) => 1 + ((i * 7919) % 101));
  sizes.forEach((size, i) => {
    (i % 3 === 0 ? named : rest).add(i * 200, size);
  });
  const parts = [
    { use: 'swiotlb' as const, frames: named },
    { use: undefined, frames: rest },
  ];
  const file = undefined as never;
  const { ranges, inAll } = lastOf(sharedRanges(parts, file, file, undefined));
  expect(inAll).toBe(30_000);
  expect(ranges).toHaveLength(10_000);
  expect(ranges.map(({ pfn }) => pfn)).toEqual(ranges.map(({ pfn }) => pfn).sort((a, b) => a - b));
  const largest = sizes.toSorted((a, b) => b - a).slice(0, 10_000);
  expect(ranges.map(({ count }) => count).sort((a, b) => b - a)).toEqual(largest);
  for (const { pfn, count, use } of ranges) {
    expect(count).toBe(sizes[pfn / 200]);
    expect(use).toBe((pfn / 200) % 3 === 0 ? 'swiotlb' : undefined);
  }
});
