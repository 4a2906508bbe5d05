/** What the memory of a synthetic machine is used for: a seeded mix, in runs of every length. */

import { BUDDY_ORDERS, type Kind, kinds, type SectionMap } from './synthetic-pages.ts';

/** The unit in which the kernel's allocator keeps apart what can be moved from what cannot. */
const PAGEBLOCK = 512;

/** Free memory in blocks as large as they can be, or one of these kinds. */
type Choice = 'free' | readonly Kind[];
/** Shares of the page frames, in percent. */
type Blend = readonly { readonly share: number; readonly of: Choice }[];

/** Memory of processes and the page cache. */
const movable: Blend = [
  { share: 39, of: [kinds.anon] },
  { share: 36, of: [kinds.cache(0)] },
  { share: 10, of: [2, 3, 4, 5].map(kinds.cache) },
  { share: 4, of: [kinds.cachePrivate] },
  { share: 11, of: 'free' },
];
/** Memory of the kernel. */
const unmovable: Blend = [
  { share: 54, of: [0, 1, 2, 3].map(kinds.slab) },
  { share: 20, of: [kinds.other] },
  { share: 11, of: [kinds.table] },
  { share: 5, of: [1, 2, 3, 4, 5].map(kinds.compound) },
  { share: 10, of: 'free' },
];
/** Whole pageblocks of a server at rest: a third of all is free, much is page cache, a part of the rest is huge. */
const stretches: readonly ({ readonly share: number } & (
  | { readonly of: Choice }
  | { readonly blend: Blend; readonly padding: readonly Kind[] }
))[] = [
  { share: 24, of: 'free' },
  { share: 8, of: [kinds.thp] },
  { share: 3, of: [kinds.hugetlb] },
  { share: 2, of: [kinds.cache(9)] },
  { share: 45, blend: movable, padding: [kinds.anon] },
  { share: 18, blend: unmovable, padding: [kinds.other] },
];

/** A whole number from 0 up to, and never, `n`. */
export const below = (n: number, random: () => number) => Math.floor(random() * n);

/** From 1 to 2^(powers + 1) - 1, each power of two as likely as the random. */
function anyLength(powers: number, random: () => number): number {
  const power = 2 ** below(powers + 1, random);
  return power + below(power, random);
}

function pick<T extends { readonly share: number }>(from: readonly T[], random: () => number): T {
  let left = below(100, random);
  for (const one of from) {
    if (left < one.share) return one;
    left -= one.share;
  }
  throw new Error('the shares are less than 100 percent');
}

/** Decides about the page frames from `pfn` to `end`, all of one zone. */
export function mixInto(map: SectionMap, pfn: number, end: number, random: () => number): void {
  for (let at = pfn; at < end; ) {
    const stop = Math.min(end, (Math.floor(at / PAGEBLOCK) + anyLength(4, random)) * PAGEBLOCK);
    const stretch = pick(stretches, random);
    if ('of' in stretch) {
      at = putRun(map, stretch.of, 'free', at, stop, stop, random);
      continue;
    }
    // Some stretches are cut into single pages, others are nearly of a piece.
    const powers = 1 + below(9, random);
    while (at < stop) {
      const { of } = pick(stretch.blend, random);
      at = putRun(map, of, stretch.padding, at, at + anyLength(powers, random), stop, random);
    }
  }
}

/** A run that goes about to `stop` and never beyond `end`; `padding` serves where it cannot begin. Returns its end. */
function putRun(
  map: SectionMap,
  choice: Choice,
  padding: Choice,
  pfn: number,
  stop: number,
  end: number,
  random: () => number,
): number {
  if (choice === 'free') return putFree(map, pfn, Math.min(stop, end));
  const kind = choice[below(choice.length, random)]!;
  const size = 2 ** kind.order;
  const start = Math.ceil(pfn / size) * size;
  const wanted = Math.max(1, Math.floor((stop - start) / size));
  const blocks = Math.min(wanted, Math.floor((end - start) / size));
  if (blocks < 1) return putRun(map, padding, padding, pfn, end, end, random);
  if (start > pfn) putRun(map, padding, padding, pfn, start, start, random);
  map.put(kind, start, blocks);
  return start + blocks * size;
}

/** Blocks as the buddy allocator merges them. */
function putFree(map: SectionMap, pfn: number, end: number): number {
  for (let at = pfn; at < end; ) {
    let order = BUDDY_ORDERS - 1;
    while (at % 2 ** order !== 0 || at + 2 ** order > end) order--;
    map.put(kinds.free[order]!, at, 1);
    at += 2 ** order;
  }
  return end;
}
