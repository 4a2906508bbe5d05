/** Which pages are measured: spread over the kept ones, the same each time, none of them zero. */
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { randomNumbers, shuffle } from '../../src/bench/random.ts';
import { spreadStretches } from '../../src/bench/read-speed.ts';
import { samplePages, spreadRanks } from '../../src/bench/sample.ts';
import type { KdumpDumpFile } from '../../src/read/dump-file.ts';
import { createKdumpReader } from '../../src/read/kdump-reader.ts';
import { buildKdump } from '../build/kdump.ts';
import { pageContent } from '../build/page-content.ts';
import { tempFiles } from '../read/temp-files.ts';

const files = tempFiles();

describe('numbers by chance', () => {
  test('are the same for the same seed, and within bounds', () => {
    const [a, b, c] = [randomNumbers(7), randomNumbers(7), randomNumbers(8)];
    const first = Array.from({ length: 100 }, a);
    expect(Array.from({ length: 100 }, b)).toEqual(first);
    expect(Array.from({ length: 100 }, c)).not.toEqual(first);
    expect(first.every((value) => value >= 0 && value < 1)).toBe(true);
  });

  test('put things in another order and lose none', () => {
    const items = Array.from({ length: 50 }, (_, i) => i);
    const shuffled = shuffle([...items], randomNumbers(1));
    expect(shuffled).not.toEqual(items);
    expect(shuffled.toSorted((a, b) => a - b)).toEqual(items);
  });
});

describe('ranks spread over many', () => {
  test('ascend, are below the whole, and one lies in each equal part', () => {
    fc.assert(
      fc.property(fc.nat(1e6), fc.integer({ min: 1, max: 500 }), fc.nat(), (of, count, seed) => {
        const ranks = spreadRanks(of, count, randomNumbers(seed));
        expect(ranks.length).toBe(Math.min(of, count));
        for (const [i, rank] of ranks.entries()) {
          expect(rank).toBeLessThan(of);
          if (of > count) expect(Math.abs(rank - (i * of) / count)).toBeLessThanOrEqual(of / count);
        }
        expect(new Set(ranks).size).toBe(ranks.length);
      }),
    );
  });
});

describe('a sample of kept pages', () => {
  const pages = new Map(
    Array.from({ length: 600 }, (_, i) => [i * 3, pageContent(i % 2 === 0 ? 'random' : 'zero', i * 3)]),
  );
  const path = files.path('kept');
  buildKdump({ path, pages });
  const dump = files.open(path) as KdumpDumpFile;
  const take = (wanted: number, seed: number) => {
    const sample = samplePages(dump, createKdumpReader(dump, []), wanted, seed);
    const hashes = Array.from({ length: sample.pages }, (_, i) =>
      createHash('sha1')
        .update(sample.bytes.subarray(i * 4096, (i + 1) * 4096))
        .digest('hex'),
    );
    return { ...sample, hashes };
  };

  test('has no pages of zeros, each page once, and says how many were kept', () => {
    const { hashes, pages: count, keptPages } = take(1000, 1);
    expect(keptPages).toBe(600);
    expect(count).toBe(300);
    expect(new Set(hashes).size).toBe(300);
    const known = new Set([...pages.values()].map((page) => createHash('sha1').update(page).digest('hex')));
    expect(hashes.every((hash) => known.has(hash))).toBe(true);
  });

  test('is the same for the same seed and another for another', () => {
    expect(take(40, 5).hashes).toEqual(take(40, 5).hashes);
    expect(take(40, 5).hashes.length).toBe(40);
    expect(take(40, 5).hashes).not.toEqual(take(40, 6).hashes);
  });

  test('is refused where there is nothing but zeros', () => {
    const empty = files.path('zeros');
    buildKdump({ path: empty, pages: new Map([[1, Buffer.alloc(4096)]]) });
    const zeros = files.open(empty) as KdumpDumpFile;
    expect(() => samplePages(zeros, createKdumpReader(zeros, []), 10, 1)).toThrow(
      expect.objectContaining({ code: 'UNSUPPORTED', hint: expect.stringMatching(/-d/) }),
    );
  });
});

describe('stretches to read', () => {
  const runs = [
    { pfn: 0, count: 100 },
    { pfn: 1000, count: 250 },
  ];
  test('are all of a small dump', () => {
    const stretches = spreadStretches(runs, 64, 1e6);
    expect(stretches.reduce((sum, { count }) => sum + count, 0)).toBe(350);
    expect(stretches[0]).toEqual({ pfn: 0, count: 64 });
    expect(stretches.at(-1)).toEqual({ pfn: 1192, count: 58 });
  });

  test('are evenly spread over a large one', () => {
    const stretches = spreadStretches([{ pfn: 0, count: 64_000 }], 64, 6400);
    expect(stretches.length).toBe(100);
    expect(stretches.map(({ pfn }) => pfn)).toEqual(Array.from({ length: 100 }, (_, i) => i * 640));
  });
});
