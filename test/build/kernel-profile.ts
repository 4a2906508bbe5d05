/** What differs between kernels for whoever reads their memory map: flag numbers, page types, struct offsets. */

export type KernelName =
  | '4.14'
  | '4.19'
  | '5.10'
  | '6.1'
  | '6.4'
  | '6.6'
  | '6.9'
  | '6.10'
  | '6.11'
  | '6.12'
  | '6.16'
  | '7.3';

/** Bit numbers in `page.flags`. `slab` is absent where slab is a page type, `hugetlb` (of page[1]) unless 6.6-6.8. */
export interface PageFlagBits {
  readonly referenced: number;
  readonly uptodate: number;
  readonly lru: number;
  readonly waiters: number;
  readonly slab?: number;
  readonly swapcache: number;
  readonly reserved: number;
  readonly private: number;
  readonly head: number;
  readonly swapbacked: number;
  readonly hwpoison: number;
  readonly hugetlb?: number;
}

/** Signed values of `page._mapcount` that say what a page is. Absent: this kernel has no such type. */
export interface PageTypeValues {
  readonly buddy: number;
  readonly offline?: number;
  readonly table?: number;
  readonly guard?: number;
  readonly hugetlb?: number;
  readonly slab?: number;
  readonly unaccepted?: number;
}

/** Byte offsets in the 64 bytes of struct page. */
export interface PageOffsets {
  readonly flags: 0;
  readonly lru: number;
  readonly compound_head: number;
  readonly mapping: number;
  readonly private: number;
  readonly _mapcount: number;
  readonly _refcount: number;
}

/**
 * Where page[1] says its compound's order and kind: two fields of page[1] (`bytes` wide, exported as members of struct
 * page or of struct folio), or the low byte of page[1].flags.
 */
export type CompoundPlace =
  | {
      readonly in: 'fields';
      readonly of: 'page' | 'folio';
      readonly bytes: 1 | 4;
      readonly dtor: number;
      readonly order: number;
    }
  | { readonly in: 'flags' };

/** struct zone and pglist_data; offsets that VMCOREINFO does not carry are those of a common distribution build. */
export interface NodeOffsets {
  readonly pglistDataSize: number;
  readonly nr_zones: number;
  readonly node_start_pfn: number;
  readonly node_spanned_pages: number;
  readonly node_id: number;
  readonly zoneSize: number;
  readonly zone_start_pfn: number;
  readonly managed_pages: number;
  readonly spanned_pages: number;
  readonly present_pages: number;
  readonly free_area: number;
  readonly vm_stat: number;
  readonly freeAreaSize: number;
  readonly freeLists: number;
}

export interface KernelProfile {
  readonly name: KernelName;
  readonly bits: PageFlagBits;
  readonly types: PageTypeValues;
  readonly page: PageOffsets;
  readonly compound: CompoundPlace;
  /** How a tail page names its head: its address, or (7.1+) a mask that rounds the tail's own address down to it. */
  readonly tail: 'pointer' | 'mask';
  readonly node: NodeOffsets;
  readonly memSectionSize: 16 | 32;
  /** Low bits that the kernel sets in section_mem_map of a present section. */
  readonly sectionFlags: bigint;
  readonly utsNameOffset: 0 | 4;
  /** The key OFFSET(uts_namespace.name) is there. */
  readonly exportsUtsOffset: boolean;
  /** Parts of SYMBOL(kallsyms_…) that are exported. */
  readonly kallsyms: readonly string[];
  readonly exportsLatchedSeq: boolean;
  readonly exportsVmemmap: boolean;
  readonly printk: 'plain text' | 'log_buf' | 'ringbuffer';
}

// 4.18 rearranged struct page; these places have held since.
const page418: PageOffsets = {
  flags: 0,
  lru: 8,
  compound_head: 8,
  mapping: 24,
  private: 40,
  _mapcount: 48,
  _refcount: 52,
};
const page414: PageOffsets = {
  flags: 0,
  lru: 32,
  compound_head: 32,
  mapping: 8,
  private: 48,
  _mapcount: 24,
  _refcount: 28,
};

const bits414: PageFlagBits = {
  referenced: 2,
  uptodate: 3,
  lru: 5,
  waiters: 7,
  slab: 8,
  swapcache: 9,
  reserved: 11,
  private: 12,
  head: 15,
  swapbacked: 18,
  hwpoison: 22,
};
// 4.20 (PG_workingset), 5.x (PG_error moved): as the 5.10 and 6.1 dumps in samples say.
const bits510: PageFlagBits = {
  referenced: 1,
  uptodate: 2,
  lru: 4,
  waiters: 7,
  slab: 9,
  swapcache: 10,
  reserved: 12,
  private: 13,
  head: 16,
  swapbacked: 19,
  hwpoison: 23,
};
// 6.6: PG_writeback and PG_head moved into the low byte, so that page[1].flags has it free for the order.
const bits66: PageFlagBits = {
  referenced: 2,
  uptodate: 3,
  lru: 5,
  waiters: 7,
  slab: 11,
  swapcache: 12,
  reserved: 14,
  private: 15,
  head: 6,
  swapbacked: 19,
  hwpoison: 23,
  hugetlb: 8,
};
const without = (bits: PageFlagBits, key: 'slab' | 'hugetlb'): PageFlagBits => {
  const { [key]: _, ...rest } = bits;
  return rest;
};
const bits69 = without(bits66, 'hugetlb');
const bits611 = without(bits69, 'slab');
const bits612: PageFlagBits = {
  referenced: 2,
  uptodate: 3,
  lru: 5,
  waiters: 7,
  swapcache: 10,
  reserved: 13,
  private: 14,
  head: 6,
  swapbacked: 17,
  hwpoison: 20,
};

// 4.18-6.10: a type is a cleared bit of an otherwise negative _mapcount; 6.11: other bits. 6.12+: the top byte.
const negativeBits: PageTypeValues = { buddy: ~0x80, offline: ~0x100, table: ~0x200, guard: ~0x400 };
/** Before v5.11 there was a type between them. */
const negativeBits510: PageTypeValues = { ...negativeBits, table: ~0x400, guard: ~0x800 };
const topByte = (type: number): number => type << 24;
const types612: PageTypeValues = {
  buddy: topByte(0xf0),
  offline: topByte(0xf1),
  table: topByte(0xf2),
  guard: topByte(0xf3),
  hugetlb: topByte(0xf4),
  slab: topByte(0xf5),
};

const node510: NodeOffsets = {
  pglistDataSize: 171968,
  nr_zones: 171232,
  node_start_pfn: 171240,
  node_spanned_pages: 171256,
  node_id: 171264,
  zoneSize: 1472,
  zone_start_pfn: 104,
  managed_pages: 112,
  spanned_pages: 120,
  present_pages: 128,
  free_area: 192,
  vm_stat: 1280,
  freeAreaSize: 88,
  freeLists: 5,
};
const node61: NodeOffsets = {
  ...node510,
  pglistDataSize: 174208,
  nr_zones: 171552,
  node_start_pfn: 171560,
  node_spanned_pages: 171576,
  node_id: 171584,
  zoneSize: 1536,
  zone_start_pfn: 128,
  managed_pages: 136,
  spanned_pages: 144,
  present_pages: 152,
  free_area: 256,
  vm_stat: 1344,
};
const node612: NodeOffsets = {
  ...node61,
  pglistDataSize: 174464,
  zone_start_pfn: 144,
  managed_pages: 152,
  spanned_pages: 160,
  present_pages: 168,
};
const node73: NodeOffsets = {
  ...node612,
  pglistDataSize: 176320,
  nr_zones: 173152,
  node_start_pfn: 173160,
  node_spanned_pages: 173176,
  node_id: 173184,
  zoneSize: 1856,
  vm_stat: 1536,
  freeAreaSize: 104,
  freeLists: 6,
};

const fields = (of: 'page' | 'folio', bytes: 1 | 4, dtor: number, order: number): CompoundPlace => ({
  in: 'fields',
  of,
  bytes,
  dtor,
  order,
});

const kallsyms73 = ['names', 'num_syms', 'token_table', 'token_index', 'offsets'] as const;

const base510: Omit<KernelProfile, 'name'> = {
  bits: bits510,
  types: negativeBits510,
  page: page418,
  compound: fields('page', 1, 16, 17),
  tail: 'pointer',
  node: node510,
  memSectionSize: 16,
  sectionFlags: 0xfn,
  utsNameOffset: 4,
  exportsUtsOffset: false,
  kallsyms: [],
  exportsLatchedSeq: false,
  exportsVmemmap: false,
  printk: 'ringbuffer',
};
const base61: Omit<KernelProfile, 'name'> = {
  ...base510,
  types: negativeBits,
  node: node61,
  memSectionSize: 32,
  utsNameOffset: 0,
  exportsUtsOffset: true,
  kallsyms: [...kallsyms73, 'relative_base'],
  exportsLatchedSeq: true,
};
const base66: Omit<KernelProfile, 'name'> = { ...base61, bits: bits66, compound: { in: 'flags' } };
const base612: Omit<KernelProfile, 'name'> = {
  ...base66,
  bits: bits612,
  types: types612,
  node: node612,
  memSectionSize: 16,
  exportsVmemmap: true,
};
const profiles: { readonly [K in KernelName]: Omit<KernelProfile, 'name'> } = {
  '4.14': {
    ...base510,
    bits: bits414,
    types: { buddy: -128 },
    page: page414,
    compound: fields('page', 4, 40, 44),
    sectionFlags: 0x7n,
    printk: 'log_buf',
  },
  '4.19': {
    ...base510,
    bits: bits414,
    types: { buddy: ~0x80, table: ~0x400 },
    sectionFlags: 0x7n,
    printk: 'log_buf',
  },
  '5.10': base510,
  '6.1': base61,
  '6.4': { ...base61, compound: fields('folio', 1, 16, 17) },
  '6.6': base66,
  '6.9': { ...base66, bits: bits69, types: { ...negativeBits, hugetlb: ~0x800 }, exportsVmemmap: true },
  '6.10': {
    ...base66,
    bits: bits611,
    types: { ...negativeBits, hugetlb: ~0x800, slab: ~0x1000 },
    exportsVmemmap: true,
  },
  '6.11': {
    ...base66,
    bits: bits611,
    types: {
      buddy: ~0x40000000,
      offline: ~0x20000000,
      table: ~0x10000000,
      guard: ~0x08000000,
      hugetlb: ~0x04000000,
      slab: ~0x02000000,
    },
    exportsVmemmap: true,
  },
  '6.12': base612,
  '6.16': { ...base612, types: { ...types612, unaccepted: topByte(0xf7) } },
  '7.3': {
    ...base612,
    bits: { ...bits612, hwpoison: 21 },
    types: { ...types612, unaccepted: topByte(0xf7) },
    tail: 'mask',
    node: node73,
    kallsyms: kallsyms73,
  },
};

/** The oldest kernels whose page encodings makedumpfile 1.7.2 knows end at 6.1. */
export const kernelNames = Object.keys(profiles) as KernelName[];

export const kernelProfile = (name: KernelName): KernelProfile => ({ name, ...profiles[name] });
