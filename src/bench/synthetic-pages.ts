/** The struct pages of a synthetic machine: what Linux 6.1 writes into them for each use of a page. */

import { i32, struct, u64 } from '../struct.ts';

/** Linux 6.1, x86_64. Source: include/linux/mm_types.h. */
export const StructPage = struct('page', {
  flags: u64,
  /** lru.next; in a tail page compound_head. */
  lru: u64,
  /** lru.prev; in the first tail page its low bytes are compound_dtor and compound_order. */
  lru_prev: u64,
  mapping: u64,
  index: u64,
  private: u64,
  _mapcount: i32,
  _refcount: i32,
  memcg_data: u64,
});
type Fields = Parameters<typeof StructPage.write>[1];

/** Bits of page.flags, as VMCOREINFO of Debian's 6.1 has them. Source: include/linux/page-flags.h. */
export const PG = {
  referenced: 1,
  uptodate: 2,
  lru: 4,
  slab: 9,
  swapcache: 10,
  reserved: 12,
  private: 13,
  head: 16,
  swapbacked: 19,
  hwpoison: 23,
} as const;
/** page._mapcount of pages that have a type. */
export const PAGE_TYPE = { buddy: ~0x80, offline: ~0x100, table: ~0x200 } as const;
/** Source: include/linux/mm.h, enum compound_dtor_id. */
export const DTOR = { compound: 1, hugetlb: 2, transhuge: 3 } as const;

export const SECTION_PAGES = 32_768;
/** Orders of the buddy allocator. */
export const BUDDY_ORDERS = 11;
export const VMEMMAP_BASE = 0xffff_ea00_0000_0000n;
/** DMA below 16 MiB, DMA32 below 4 GiB, Normal. */
const zoneOf = (pfn: number) => (pfn < 2 ** 12 ? 0 : pfn < 2 ** 20 ? 1 : 2);

const USES = [
  'free',
  'cache',
  'cachePrivate',
  'anon',
  'thp',
  'hugetlb',
  'reserved',
  'slab',
  'compound',
  'other',
] as const;
export type PageUse = (typeof USES)[number];
/** Counts of page frames, all 0. */
export const noPages = () => Object.fromEntries(USES.map((use) => [use, 0])) as Record<PageUse, number>;

/** Blocks of 2^order pages of one use: the 32-bit words of their struct pages. */
export interface Kind {
  readonly use: PageUse;
  readonly order: number;
  readonly compound: boolean;
  readonly head: Uint32Array;
  readonly second: Uint32Array;
  readonly rest: Uint32Array;
}

const flagsOf = (...bits: readonly number[]) => bits.reduce((flags, bit) => flags | (1n << BigInt(bit)), 0n);
const LRU = [PG.lru, PG.uptodate, PG.referenced];
/** A struct address_space, an anon_vma (bit 0 says so) and a buffer_head somewhere in the direct map. */
const ADDRESS_SPACE = 0xffff_8880_04c2_b7b8n;
const ANON_VMA = 0xffff_8880_05a1_d3c1n;
const BUFFER_HEAD = 0xffff_8880_03f2_1a90n;
/** Source: include/linux/poison.h. */
const LIST_POISON1 = 0xdead_0000_0000_0100n;
const LIST_POISON2 = 0xdead_0000_0000_0122n;
const TAIL_MAPPING = 0xdead_0000_0000_0400n;

function wordsOf(fields: Fields): Uint32Array {
  const bytes = new Uint8Array(StructPage.size);
  StructPage.write(bytes, {
    lru: LIST_POISON1,
    lru_prev: LIST_POISON2,
    _mapcount: -1,
    _refcount: 0,
    ...fields,
  });
  return new Uint32Array(bytes.buffer);
}

function kindOf(use: PageUse, order: number, fields: Fields, dtor?: number): Kind {
  const compound = order > 0 && dtor !== undefined;
  const flags = (fields.flags ?? 0n) | (compound ? flagsOf(PG.head) : 0n);
  const rest = compound ? { mapping: TAIL_MAPPING } : {};
  const second = compound ? { ...rest, lru_prev: BigInt(dtor | (order << 8)) } : {};
  return {
    use,
    order,
    compound,
    head: wordsOf({ _refcount: 1, ...fields, flags }),
    second: wordsOf(second),
    rest: wordsOf(rest),
  };
}

const anonFields = { flags: flagsOf(...LRU, PG.swapbacked), mapping: ANON_VMA };
const privateFields = { flags: flagsOf(...LRU, PG.private), mapping: ADDRESS_SPACE, private: BUFFER_HEAD };

/** Each use by order. */
export const kinds = {
  free: Array.from({ length: BUDDY_ORDERS }, (_, order) =>
    kindOf('free', order, { _mapcount: PAGE_TYPE.buddy, private: BigInt(order), _refcount: 0 }),
  ),
  cache: (order: number) =>
    kindOf('cache', order, { flags: flagsOf(...LRU), mapping: ADDRESS_SPACE, _refcount: 2 }, DTOR.transhuge),
  cachePrivate: kindOf('cachePrivate', 0, { ...privateFields, _refcount: 3 }),
  anon: kindOf('anon', 0, { ...anonFields, _mapcount: 0 }),
  thp: kindOf('thp', 9, anonFields, DTOR.transhuge),
  hugetlb: kindOf('hugetlb', 9, { flags: flagsOf(PG.uptodate), mapping: ADDRESS_SPACE }, DTOR.hugetlb),
  slab: (order: number) => kindOf('slab', order, { flags: flagsOf(PG.slab) }, DTOR.compound),
  compound: (order: number) => kindOf('compound', order, {}, DTOR.compound),
  table: kindOf('other', 0, { _mapcount: PAGE_TYPE.table }),
  other: kindOf('other', 0, {}),
  reserved: kindOf('reserved', 0, { flags: flagsOf(PG.reserved) }),
} as const;

const WORDS = StructPage.size / 4;
const HEAD_WORD = StructPage.offset.lru / 4;
const VMEMMAP_HIGH = Number(VMEMMAP_BASE >> 32n);
/** One page frame in so many of the kernel's own is in the sample. */
const SAMPLE = 16;

/** The struct pages of one section of memory, 128 MiB. */
export class SectionMap {
  readonly bytes: Uint8Array;
  readonly counts = noPages();
  /** Free page frames in the zones DMA, DMA32 and Normal. */
  readonly free: [number, number, number] = [0, 0, 0];
  /** Some of the kernel's own page frames that are not reserved, in runs: what gets contents. From the section's first. */
  readonly sample: number[] = [];
  readonly firstPfn: number;
  private readonly words: Uint32Array;
  private readonly node: number;
  private sampledFrom = 0;

  /** `buffer` gets the struct pages: all of it, when each page frame has been put. */
  constructor(buffer: ArrayBuffer, firstPfn: number, node: number) {
    this.bytes = new Uint8Array(buffer);
    this.words = new Uint32Array(buffer);
    this.firstPfn = firstPfn;
    this.node = node;
  }

  /** Page frames that are of the kind and, unless `isRam` is false, count. */
  put(kind: Kind, pfn: number, blocks: number, isRam = true): void {
    const { use, order, compound, head, second, rest } = kind;
    const size = 1 << order;
    const pages = blocks * size;
    const at = pfn - this.firstPfn;
    // Source: include/linux/page-flags-layout.h, with 1024 nodes: node, zone, and the last CPU and process (none).
    const high = (this.node << 22) | (zoneOf(pfn) << 19) | 0x7ffff;
    if (order === 0) {
      this.fill(head, at, blocks, high);
    } else {
      this.fill(rest, at, pages, high);
      for (let first = at; first < at + pages; first += size) {
        this.fill(head, first, 1, high);
        this.fill(second, first + 1, 1, high);
        if (compound) this.pointToHead(first, size);
      }
    }
    if (!isRam) return;
    this.counts[use] += pages;
    if (use === 'free') this.free[zoneOf(pfn)] += pages;
    if (use === 'slab' || use === 'compound' || use === 'other') this.takeSample(at, pages);
  }

  private fill(pattern: Uint32Array, first: number, count: number, high: number): void {
    const { words } = this;
    for (let at = first * WORDS, end = at + count * WORDS; at < end; at += WORDS) {
      for (let i = 0; i < WORDS; i++) words[at + i] = pattern[i]!;
      words[at] = words[at]! | 0xc000_0000;
      words[at + 1] = high;
    }
  }

  private pointToHead(first: number, size: number): void {
    const address = (this.firstPfn + first) * StructPage.size;
    const low = (address % 2 ** 32) + 1;
    const high = VMEMMAP_HIGH + Math.floor(address / 2 ** 32);
    for (let tail = first + 1; tail < first + size; tail++) {
      this.words[tail * WORDS + HEAD_WORD] = low;
      this.words[tail * WORDS + HEAD_WORD + 1] = high;
    }
  }

  private takeSample(first: number, pages: number): void {
    this.sampledFrom += pages;
    if (this.sample.length * SAMPLE > this.sampledFrom) return;
    for (let at = first; at < first + Math.min(pages, 64); at++) this.sample.push(at);
  }
}
