/** The mix of a synthetic machine's memory, read back from its struct pages. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { randomNumbers } from '../../src/bench/random.ts';
import { mixInto } from '../../src/bench/synthetic-mix.ts';
import {
  noPages,
  PAGE_TYPE,
  type PageUse,
  PG,
  SECTION_PAGES,
  SectionMap,
  StructPage,
  VMEMMAP_BASE,
} from '../../src/bench/synthetic-pages.ts';

const UNTOUCHED = 0x5a;
const has = (flags: bigint, bit: number) => (flags & (1n << BigInt(bit))) !== 0n;

function useOf(page: ReturnType<typeof StructPage.read>, order: number): PageUse {
  const { flags, mapping, _mapcount } = page;
  if (_mapcount === PAGE_TYPE.buddy) return 'free';
  if (has(flags, PG.slab)) return 'slab';
  if (mapping & 1n) return order > 0 ? 'thp' : 'anon';
  if (has(flags, PG.lru)) return has(flags, PG.private) ? 'cachePrivate' : 'cache';
  if (mapping !== 0n) return 'hugetlb';
  return order > 0 ? 'compound' : 'other';
}

/** Reads struct pages as a kernel would: each block by its head, tails by where they point. */
function readBack(map: SectionMap, from: number, to: number) {
  const counts = noPages();
  const at = (pfn: number) => StructPage.read(map.bytes, (pfn - map.firstPfn) * StructPage.size);
  for (let pfn = from; pfn < to; ) {
    const head = at(pfn);
    const isFree = head._mapcount === PAGE_TYPE.buddy;
    const compound = has(head.flags, PG.head);
    const order = isFree ? Number(head.private) : compound ? Number(at(pfn + 1).lru_prev >> 8n) : 0;
    const size = 2 ** order;
    expect(pfn % size, `block of order ${order} at ${pfn}`).toBe(0);
    expect(pfn + size).toBeLessThanOrEqual(to);
    for (let tail = pfn + 1; compound && tail < pfn + size; tail++) {
      expect(at(tail).lru).toBe(VMEMMAP_BASE + BigInt(pfn * StructPage.size) + 1n);
    }
    counts[useOf(head, order)] += size;
    pfn += size;
  }
  return counts;
}

it('decides about each page frame once, in aligned blocks, and counts what it says', () => {
  const bounds = fc.tuple(fc.nat(SECTION_PAGES), fc.nat(SECTION_PAGES)).filter(([a, b]) => a !== b);
  fc.assert(
    fc.property(fc.nat(), fc.constantFrom(1, 33, 131_072), bounds, (seed, section, [a, b]) => {
      const buffer = new ArrayBuffer(SECTION_PAGES * StructPage.size);
      new Uint8Array(buffer).fill(UNTOUCHED);
      const map = new SectionMap(buffer, section * SECTION_PAGES, seed % 2);
      const [from, to] = [map.firstPfn + Math.min(a, b), map.firstPfn + Math.max(a, b)];
      mixInto(map, from, to, randomNumbers(seed));
      expect(readBack(map, from, to)).toEqual(map.counts);
      expect(map.free.reduce((sum, pages) => sum + pages)).toBe(map.counts.free);
      for (const offset of map.sample) {
        expect(map.firstPfn + offset).toBeGreaterThanOrEqual(from);
        expect(map.firstPfn + offset).toBeLessThan(to);
      }
      const outside = [map.bytes.subarray(0, (from - map.firstPfn) * StructPage.size)];
      outside.push(map.bytes.subarray((to - map.firstPfn) * StructPage.size));
      expect(outside.every((bytes) => bytes.every((byte) => byte === UNTOUCHED))).toBe(true);
    }),
    { numRuns: 25 },
  );
});
