/** What a struct page says about its page frame, in every kernel from 4.19 to 7.3, as data. */

import type { Vmcoreinfo } from './vmcoreinfo.ts';

/** A page type in `_mapcount`: the page has it when `(_mapcount & mask) === value` (32-bit, signed). */
export interface TypeRule {
  readonly mask: number;
  readonly value: number;
}

/** How a compound page is told to be hugetlb. */
export type HugetlbRule =
  | { readonly by: 'type'; readonly rule: TypeRule }
  | { readonly by: 'second flags'; readonly mask: number }
  | { readonly by: 'second byte'; readonly offset: number; readonly value: number };

/** Offsets are bytes in struct page, masks are bits of the low word of `flags` (0: the kernel has no such flag). */
export interface PageRules {
  readonly sizeBytes: number;
  readonly flags: number;
  readonly mapping: number;
  readonly mapcount: number;
  readonly private: number;
  /** `compound_head`, `compound_info` since 7.1: bit 0 marks a tail page. */
  readonly compoundHead: number;
  readonly PG_lru: number;
  readonly PG_private: number;
  readonly PG_swapcache: number;
  /** 0: PG_swapcache alone says so. */
  readonly PG_swapbacked: number;
  readonly PG_slab: number;
  readonly PG_hwpoison: number;
  /** Not exported. It has stood just below PG_private since v2.6.16 (include/linux/page-flags.h). */
  readonly PG_reserved: number;
  readonly PG_head: number;
  readonly buddy: TypeRule | undefined;
  readonly slab: TypeRule | undefined;
  /** Of page tables that are counted (NR_PAGETABLE). */
  readonly table: TypeRule | undefined;
  readonly offline: TypeRule | undefined;
  readonly unaccepted: TypeRule | undefined;
  readonly hugetlb: HugetlbRule | undefined;
  /** Offset of the byte that holds a compound page's order, in its second struct page. */
  readonly compoundOrder: number | undefined;
  /** Orders of the buddy allocator: LENGTH(zone.free_area). */
  readonly buddyOrders: number;
  /** Keys that VMCOREINFO should have and has not: what depends on them cannot be decided and is kept. */
  readonly missing: readonly string[];
}

/** MAX_PAGE_ORDER is 10, up to 22 by configuration. */
const MAX_BUDDY_ORDERS = 23;

/** PAGE_TYPE_BASE of the two bit-field encodings: the later one has its flags in the top byte. */
const PAGE_TYPE_BASE = 0xf0000000;
const PAGE_TYPE_BASE_6_11 = 0x80000000;
const FIRST_FLAG_6_11 = 0x01000000;

/**
 * A page type by the value that VMCOREINFO exports for it.
 * - Linux commit 6e292b9be7f4 ("mm: split page_type out from _mapcount"), v4.18: a field of negated bits; the kernel
 *   tests `(page_type & (PAGE_TYPE_BASE | flag)) == PAGE_TYPE_BASE`, the value exported is `~flag`.
 * - v6.11 ("mm: allow reuse of the lower 16 bit of the page type with an actual type"): the same with PAGE_TYPE_BASE
 *   0x80000000 and flags from 0x40000000 (buddy) down to 0x01000000.
 * - Linux commit 4ffca5a96678 ("mm: support only one page_type per page"), v6.12: the top byte is the type and the low
 *   24 bits are the owner's; the value exported is `type << 24`.
 * Undefined for a value that no type can have.
 */
export function typeRule(value: bigint | undefined): TypeRule | undefined {
  if (value === undefined) return undefined;
  const word = Number(BigInt.asIntN(32, value));
  const flag = ~word >>> 0;
  const base = flag >= FIRST_FLAG_6_11 ? PAGE_TYPE_BASE_6_11 : PAGE_TYPE_BASE;
  const rule =
    (word & 0xffffff) === 0
      ? { mask: 0xff000000 | 0, value: word }
      : { mask: base | flag | 0, value: base | 0 };
  // A page that is not mapped has -1, one that is mapped 0 or more: a rule that they match would drop memory in use.
  const matches = (mapcount: number) => (mapcount & rule.mask) === rule.value;
  return word >= -1 || matches(-1) || matches(0) || matches(1) ? undefined : rule;
}

/**
 * Page tables have a type that is not exported: told by that of free pages, and the version.
 * - Linux commit 1d40a5ea01d5 ("mm: mark pages in use for page tables"), v4.18: PG_table is 0x400.
 * - Linux commit 18b2db3b0385 ("mm: Convert page kmemcg type to a page memcg flag"), v5.11: 0x200.
 * - v6.11: 0x10000000, where buddy is 0x40000000. v6.12 (`typeRule`): 0xf2, where buddy is 0xf0.
 */
function tableRule(info: Vmcoreinfo): TypeRule | undefined {
  const buddy = info.number('PAGE_BUDDY_MAPCOUNT_VALUE');
  const version = /^(\d+)\.(\d+)/.exec(info.release ?? '');
  if (buddy === undefined || version === null) return undefined;
  const value = BigInt.asUintN(32, buddy);
  if (value === 0xf0000000n) return typeRule(0xf2000000n);
  if (value === 0xbfffffffn) return typeRule(~0x10000000n);
  if (value !== 0xffffff7fn) return undefined;
  return typeRule(Number(version[1]) * 1000 + Number(version[2]) < 5011 ? ~0x400n : ~0x200n);
}

/** Reads the rules from VMCOREINFO; undefined when not even struct page's own layout is known. */
export function pageRules(info: Vmcoreinfo): PageRules | undefined {
  const missing: string[] = [];
  const need = <T>(value: T | undefined, key: string): T | undefined => {
    if (value === undefined) missing.push(key);
    return value;
  };
  const offset = (member: string) => need(info.offset(member), `OFFSET(${member})`);
  const flag = (name: string) => {
    const bit = info.number(name);
    return bit === undefined || bit < 0n || bit > 31n ? 0 : 1 << Number(bit);
  };
  const neededFlag = (name: string) => need(flag(name) || undefined, `NUMBER(${name})`) ?? 0;

  const sizeBytes = info.size('page');
  const flags = info.offset('page.flags');
  const mapping = info.offset('page.mapping');
  const mapcount = info.offset('page._mapcount');
  if (sizeBytes === undefined || flags === undefined || mapping === undefined || mapcount === undefined)
    return undefined;
  if (sizeBytes < 32 || sizeBytes > 512 || sizeBytes % 8 !== 0) return undefined;
  const compoundHead =
    info.offset('page.compound_head') ??
    need(info.offset('page.compound_info'), 'OFFSET(page.compound_head)');
  const privateOffset = offset('page.private');
  const orders = info.length('zone.free_area');
  const sane = orders !== undefined && orders >= 1 && orders <= MAX_BUDDY_ORDERS;
  const buddyOrders = need(sane ? orders : undefined, 'LENGTH(zone.free_area)');
  const members = [flags, mapping, mapcount, compoundHead ?? 0, privateOffset ?? 0];
  if (members.some((at) => at + 4 > sizeBytes || at % 4 !== 0)) return undefined;
  const headMask = info.number('PG_head_mask');
  const buddy = need(typeRule(info.number('PAGE_BUDDY_MAPCOUNT_VALUE')), 'NUMBER(PAGE_BUDDY_MAPCOUNT_VALUE)');
  const compound = compoundRules(info, sizeBytes, flags);
  need(compound.compoundOrder, 'OFFSET(page.compound_order)');
  return {
    sizeBytes,
    flags,
    mapping,
    mapcount,
    private: privateOffset ?? 0,
    compoundHead: compoundHead ?? 0,
    PG_lru: neededFlag('PG_lru'),
    PG_private: neededFlag('PG_private'),
    PG_swapcache: neededFlag('PG_swapcache'),
    PG_swapbacked: flag('PG_swapbacked'),
    // Linux commit 46df8e73a4a3 ("mm: free up PG_slab"), v6.10: slab became a page type, its flag's bit is another's now.
    PG_slab: flag('PG_slab'),
    PG_hwpoison: flag('PG_hwpoison'),
    PG_reserved: flag('PG_private') >>> 1,
    PG_head: Number(BigInt.asIntN(32, need(headMask, 'NUMBER(PG_head_mask)') ?? 0n)),
    // Without the order there is no telling how far a free block reaches.
    buddy: privateOffset === undefined || buddyOrders === undefined ? undefined : buddy,
    slab: typeRule(info.number('PAGE_SLAB_MAPCOUNT_VALUE')),
    table: tableRule(info),
    offline: typeRule(info.number('PAGE_OFFLINE_MAPCOUNT_VALUE')),
    unaccepted: typeRule(info.number('PAGE_UNACCEPTED_MAPCOUNT_VALUE')),
    ...compound,
    buddyOrders: buddyOrders ?? 0,
    missing,
  };
}

/** Where a compound page's order and its being hugetlb are told, both in its second struct page or its type. */
function compoundRules(
  info: Vmcoreinfo,
  sizeBytes: number,
  flags: number,
): Pick<PageRules, 'hugetlb' | 'compoundOrder'> {
  // The order is the low byte of the second page's flags (little-endian: its first byte).
  // Linux commit ebc1baf5c9b4 ("mm: free up a word in the first tail page"), v6.6.
  const type = typeRule(info.number('PAGE_HUGETLB_MAPCOUNT_VALUE'));
  // Linux commit d99e3140a4d3 ("mm: turn folio_test_hugetlb into a PageType"), v6.9.
  if (type) return { compoundOrder: flags, hugetlb: { by: 'type', rule: type } };
  const PG_hugetlb = info.number('PG_hugetlb');
  if (PG_hugetlb !== undefined) {
    return { compoundOrder: flags, hugetlb: { by: 'second flags', mask: 1 << Number(PG_hugetlb & 31n) } };
  }
  const dtorValue = info.number('HUGETLB_PAGE_DTOR');
  const inSecond = (member: string, base: number) => {
    const at = info.offset(member);
    return at === undefined || at < base || at - base >= sizeBytes ? undefined : at - base;
  };
  // v6.3 to v6.5: members of struct folio, whose second page begins behind the first.
  const order = inSecond('folio._folio_order', sizeBytes) ?? inSecond('page.compound_order', 0);
  const dtor = inSecond('folio._folio_dtor', sizeBytes) ?? inSecond('page.compound_dtor', 0);
  return {
    compoundOrder: order,
    hugetlb:
      dtor === undefined || dtorValue === undefined
        ? undefined
        : { by: 'second byte', offset: dtor, value: Number(dtorValue & 0xffn) },
  };
}
