/** A large vmcore with a seeded mix of memory, for speed and for memory limits. */
import { xorshift } from './page-content.ts';
import type { PageKind } from './page-kinds.ts';
import { type BuiltVmcore, buildVmcore } from './vmcore.ts';
import type { PageSpec, VmcoreOptions } from './vmcore-options.ts';

export interface BigVmcoreOptions extends Omit<VmcoreOptions, 'pages' | 'ram'> {
  /** RAM without the holes; at least 1 GiB. */
  readonly ramBytes: number;
  readonly seed?: number;
  /**
   * Bytes, from the lowest address on, that get the mix; the rest is free in the largest blocks. Default: all. With
   * `shareMemmap` the rest costs nothing, which makes 1 TiB a matter of seconds.
   */
  readonly mixBytes?: number;
  /** Pages that get contents, spread over the kinds; default 4096. */
  readonly contentPages?: number;
}

interface Part {
  readonly kind: PageKind;
  /** Share of the pages, in percent. */
  readonly share: number;
  /** Pages of a run at most. */
  readonly longest: number;
  readonly orders: readonly number[];
}

/** A server at rest: much page cache, a third free in pieces, anonymous memory partly huge, the kernel's own. */
const mix: readonly Part[] = [
  { kind: 'buddy', share: 18, longest: 32768, orders: [10] },
  { kind: 'buddy', share: 12, longest: 512, orders: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9] },
  { kind: 'cache', share: 28, longest: 2048, orders: [0, 0, 0, 2, 4] },
  { kind: 'cachePrivate', share: 2, longest: 64, orders: [0] },
  { kind: 'anon', share: 14, longest: 1024, orders: [0] },
  { kind: 'thp', share: 8, longest: 8192, orders: [9] },
  { kind: 'hugetlb', share: 2, longest: 4096, orders: [9] },
  { kind: 'slab', share: 8, longest: 256, orders: [0, 1, 2, 3] },
  { kind: 'kernel', share: 6, longest: 128, orders: [0] },
  { kind: 'compound', share: 2, longest: 64, orders: [1, 2, 3] },
];

const pick = <T>(from: readonly T[], next: () => number): T => from[next() % from.length];

/**
 * Builds RAM of `ramBytes` as a PC has it: a hole below 1 MiB, one below 4 GiB, and beyond 8 GiB one between two nodes'
 * worth of memory. Struct pages are all there, in file and memory (1/64 of RAM); contents are zero but for the kernel's
 * structures and `contentPages` seeded pages.
 */
export function buildBigVmcore(options: BigVmcoreOptions): BuiltVmcore {
  const { ramBytes, seed = 1, contentPages = 4096, mixBytes = Number.POSITIVE_INFINITY, ...rest } = options;
  if (ramBytes < 2 ** 30) throw new Error('a big vmcore has at least 1 GiB');
  const ram = rangesOf(ramBytes);
  // Room for struct pages and page tables stays free: 1/64 of RAM, and as much again as there are leaves to write.
  const described = options.shareMemmap ? Math.min(ramBytes, mixBytes) : ramBytes;
  const needed = Math.ceil(described / 64 / 4096) + Math.ceil(ramBytes / 2 ** 30) * 64 + 8192;
  const next = xorshift(seed);
  const pages: PageSpec[] = [];
  const total = mix.reduce((sum, p) => sum + runWeight(p), 0);
  const imageEnd =
    Math.ceil((16 * 2 ** 20 + Number((options.kernelOffset ?? 0n) + (options.physBase ?? 0n))) / 4096) + 8192;
  let roomLeft = needed;
  for (const [i, range] of ram.entries()) {
    let at = Math.ceil(range.start / 4096);
    let end = Math.floor(range.end / 4096);
    if (i === 1) at = Math.max(at, imageEnd);
    if (i === 0) continue; // the first 640 KiB are the kernel's
    const here = Math.min(roomLeft, Math.floor((end - at) / 2));
    if (here > 32768 || i === ram.length - 1) {
      end -= Math.ceil(here / 32768) * 32768;
      roomLeft -= here;
    }
    const mixEnd = Math.ceil(Math.min(end, mixBytes / 4096) / 32768) * 32768;
    if (mixEnd < end) {
      const start = Math.max(at, mixEnd);
      const blocks = Math.floor((end - start) / 1024);
      if (blocks > 0) pages.push({ pfn: start, count: blocks, kind: 'buddy', order: 10 });
      end = start;
    }
    while (at < end) {
      let r = (next() / 2 ** 32) * total;
      const part = mix.find((p) => {
        r -= runWeight(p);
        return r < 0;
      });
      if (!part) continue;
      const order = pick(part.orders, next);
      const size = 2 ** order;
      const start = Math.ceil(at / size) * size;
      const blocks = Math.min(
        Math.max(1, Math.round((next() % part.longest) / size)),
        Math.floor((end - start) / size),
      );
      if (blocks <= 0) {
        at = start >= end ? end : at + 1;
        continue;
      }
      pages.push({ pfn: start, count: blocks, kind: part.kind, order });
      at = start + blocks * size;
    }
  }
  return buildVmcore({ ...rest, ram, pages: withContent(pages, contentPages, next) });
}

/** How often a run of this part is to come, so that its pages make its share. */
const runWeight = (p: Part): number => p.share / p.longest;

function rangesOf(ramBytes: number): { start: number; end: number }[] {
  const low = Math.min(ramBytes, 3 * 2 ** 30);
  const ranges = [
    { start: 0x1000, end: 0x9f000 },
    { start: 0x100000, end: low },
  ];
  const high = ramBytes - low;
  const start = 4 * 2 ** 30;
  if (high <= 0) return ranges;
  if (ramBytes < 8 * 2 ** 30) return [...ranges, { start, end: start + high }];
  const half = Math.floor(high / 2 / 2 ** 27) * 2 ** 27;
  // The second node starts 2 GiB after the first one's end.
  return [
    ...ranges,
    { start, end: start + half },
    { start: start + half + 2 ** 31, end: start + high + 2 ** 31 },
  ];
}

/** Gives the first pages of some runs contents, by cutting those runs in two. */
function withContent(pages: readonly PageSpec[], contentPages: number, next: () => number): PageSpec[] {
  const every = Math.max(1, Math.floor(pages.length / Math.max(1, contentPages)));
  let left = contentPages;
  return pages.flatMap((spec, i) => {
    const size = 2 ** (spec.order ?? 0);
    if (left < size || i % every !== 0) return [spec];
    left -= size;
    const data = next() % 3 === 0 ? ('random' as const) : ('text' as const);
    const first: PageSpec = { ...spec, count: 1, data };
    const count = (spec.count ?? 1) - 1;
    return count > 0 ? [first, { ...spec, pfn: spec.pfn + size, count }] : [first];
  });
}
