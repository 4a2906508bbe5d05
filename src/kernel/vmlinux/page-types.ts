/** The page types that VMCOREINFO exports as PAGE_…_MAPCOUNT_VALUE: in most kernels macros, which debug information does not have. */

const TYPES = ['buddy', 'offline', 'hugetlb', 'slab', 'unaccepted'] as const;

/** Bits of the negated field. Source: include/linux/page-flags.h, v4.18 to v6.10. */
const BITS = { buddy: 0x80, offline: 0x100, hugetlb: 0x800, slab: 0x1000 } as const;

/** A kernel's enumerations: constants by their name. */
export type Constants = ReadonlyMap<string, number>;

/**
 * NUMBER() lines, by what the kernel has.
 * - Linux commit 4ffca5a96678 ("mm: support only one page_type per page"), v6.12: `enum pagetype` has the top byte.
 * - v6.11 ("mm: allow reuse of the lower 16 bit of the page type with an actual type"): `enum pagetype` has the bit.
 * - Before, back to v4.18, macros: here by the version. Which of them are types and no flags is told by the flags.
 */
export function pageTypes(
  release: string,
  types: Constants,
  flags: Constants,
  dtors: Constants,
): Map<string, number> {
  const values = new Map<string, number>();
  const set = (type: (typeof TYPES)[number], value: number) =>
    values.set(`PAGE_${type.toUpperCase()}_MAPCOUNT_VALUE`, value | 0);
  for (const type of TYPES) {
    const top = types.get(`PGTY_${type}`);
    const bit = types.get(`PG_${type}`);
    if (top !== undefined) set(type, top << 24);
    else if (bit !== undefined) set(type, ~bit);
  }
  const version = versionOf(release);
  if (values.size > 0 || version === undefined || version < 4018 || version > 6010) return values;
  set('buddy', ~BITS.buddy);
  // Linux commit ca215086b14b ("mm: convert PG_balloon to PG_offline"), v5.1.
  if (version >= 5001) set('offline', ~BITS.offline);
  // Linux commit d99e3140a4d3 ("mm: turn folio_test_hugetlb into a PageType"), v6.9 and some stable kernels before.
  if (version >= 6006 && !flags.has('PG_hugetlb') && !dtors.has('HUGETLB_PAGE_DTOR'))
    set('hugetlb', ~BITS.hugetlb);
  // Linux commit 46df8e73a4a3 ("mm: free up PG_slab"), v6.10.
  if (flags.size > 0 && !flags.has('PG_slab')) set('slab', ~BITS.slab);
  return values;
}

/** 6001 for "6.1.0-56-amd64". */
function versionOf(release: string): number | undefined {
  const match = /^(\d+)\.(\d+)/.exec(release);
  return match === null ? undefined : Number(match[1]) * 1000 + Number(match[2]);
}
