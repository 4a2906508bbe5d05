/** Kinds of pages: what the kernel writes into their struct page, and which dump levels drop them. */
import type { KernelProfile } from './kernel-profile.ts';

export type PageKind =
  | 'kernel'
  | 'reserved'
  | 'slab'
  | 'compound'
  | 'table'
  | 'guard'
  | 'movable'
  | 'orphanTail'
  | 'buddy'
  | 'unaccepted'
  | 'cache'
  | 'cachePrivate'
  | 'swapcache'
  | 'anon'
  | 'ksm'
  | 'thp'
  | 'hugetlb'
  | 'offline'
  | 'hwpoison';

export type DroppedClass = 'cache' | 'cachePrivate' | 'user' | 'free' | 'hwpoison' | 'offline';

/** Dropped as `class` when the dump level has one of `levels`' bits; `levels` 0 means at every level. */
export interface Claim {
  readonly levels: number;
  readonly class: DroppedClass;
}

/** The words of a struct page that say what the page is. `flags` without node, zone and compound bits. */
export interface PageWords {
  flags: bigint;
  mapping: bigint;
  private: bigint;
  mapcount: number;
  refcount: number;
}

/** One kind of block of 2^order pages, fully decided for one kernel. */
export interface Look {
  readonly name: string;
  readonly order: number;
  readonly head: Readonly<PageWords>;
  /** `compound`: PG_head and tails; `loose`: the rest of the block are pages of no one (buddy); `single`: order 0. */
  readonly shape: 'single' | 'compound' | 'loose';
  readonly hugetlb: boolean;
  /** First claim whose level matches wins: the order of the tests is the order of the claims. */
  readonly claims: readonly Claim[];
  /** What makedumpfile would do where it is known to differ from what is right. */
  readonly peerClaims: readonly Claim[];
}

export interface LookOptions {
  readonly order?: number;
  /** PG_hwpoison on top of whatever the page is. */
  readonly hwpoison?: boolean;
  /** PG_waiters: bit 7, which makedumpfile takes for PG_slab where the kernel no longer exports that. */
  readonly waiters?: boolean;
  /** Raw words over those of the kind; then say in `claims` what that makes of the page. */
  readonly raw?: Partial<PageWords>;
  readonly claims?: readonly Claim[];
}

// Pointers of the right shape: a struct address_space and an anon_vma in the slab area of the direct map.
const mappingPointer = 0xffff888004c2b7b8n;
const anonVmaPointer = 0xffff888005a1d3c0n;
const user: Claim = { levels: 8, class: 'user' };
const free: Claim = { levels: 16, class: 'free' };
const cache: Claim = { levels: 2 | 4, class: 'cache' };
const cachePrivate: Claim = { levels: 4, class: 'cachePrivate' };
const poison: Claim = { levels: 0, class: 'hwpoison' };
const offline: Claim = { levels: 0, class: 'offline' };

interface KindRule {
  readonly words: (kernel: KernelProfile) => Partial<PageWords>;
  readonly claims?: readonly Claim[];
  readonly order?: number;
  readonly loose?: true;
}

const bit = (n: number): bigint => 1n << BigInt(n);
const type = (kernel: KernelProfile, name: keyof KernelProfile['types']): number => {
  const value = kernel.types[name];
  if (value === undefined) throw new Error(`kernel ${kernel.name} has no page type "${name}"`);
  return value;
};
const lruFlags = (k: KernelProfile): bigint =>
  bit(k.bits.lru) | bit(k.bits.uptodate) | bit(k.bits.referenced);
const anonFlags = (k: KernelProfile): bigint => lruFlags(k) | bit(k.bits.swapbacked);

const rules: { readonly [K in PageKind]: KindRule } = {
  kernel: { words: () => ({}) },
  reserved: { words: (k) => ({ flags: bit(k.bits.reserved) }) },
  slab: {
    words: (k) => (k.bits.slab === undefined ? { mapcount: type(k, 'slab') } : { flags: bit(k.bits.slab) }),
  },
  compound: { words: () => ({}), order: 2 },
  table: { words: (k) => ({ mapcount: type(k, 'table') }) },
  guard: { words: (k) => ({ mapcount: type(k, 'guard') }) },
  movable: { words: () => ({ mapping: mappingPointer | 2n }) },
  orphanTail: { words: () => ({}) },
  buddy: {
    words: (k) => ({ mapcount: type(k, 'buddy'), refcount: 0 }),
    claims: [free],
    loose: true,
  },
  unaccepted: { words: (k) => ({ mapcount: type(k, 'unaccepted') }), claims: [free], order: 10, loose: true },
  cache: { words: (k) => ({ flags: lruFlags(k), mapping: mappingPointer, refcount: 2 }), claims: [cache] },
  cachePrivate: {
    words: (k) => ({
      flags: lruFlags(k) | bit(k.bits.private),
      mapping: mappingPointer,
      private: 0xffff888003f21a90n,
      refcount: 3,
    }),
    claims: [cachePrivate],
  },
  // Read back from swap and mapped by nobody yet: not on the lru, no anon mapping.
  swapcache: {
    words: (k) => ({
      flags: bit(k.bits.swapcache) | bit(k.bits.swapbacked) | bit(k.bits.uptodate),
      private: 0x1a2bn,
    }),
    claims: [cache],
  },
  anon: {
    words: (k) => ({ flags: anonFlags(k), mapping: anonVmaPointer | 1n, mapcount: 0 }),
    claims: [user],
  },
  ksm: { words: (k) => ({ flags: anonFlags(k), mapping: anonVmaPointer | 3n, mapcount: 1 }), claims: [user] },
  thp: {
    words: (k) => ({ flags: anonFlags(k), mapping: anonVmaPointer | 1n }),
    claims: [user],
    order: 9,
  },
  hugetlb: {
    words: (k) => ({
      flags: bit(k.bits.uptodate),
      mapping: mappingPointer,
      ...(k.types.hugetlb === undefined ? {} : { mapcount: k.types.hugetlb }),
    }),
    claims: [user],
    order: 9,
  },
  offline: { words: (k) => ({ mapcount: type(k, 'offline') }), claims: [offline] },
  hwpoison: { words: (k) => ({ flags: bit(k.bits.hwpoison) }), claims: [poison] },
};

/** Decides struct page words and claims of a kind in a kernel. Throws for a page type that this kernel has not. */
export function lookOf(kernel: KernelProfile, kind: PageKind, options: LookOptions = {}): Look {
  const rule = rules[kind];
  const order = options.order ?? rule.order ?? 0;
  const head: PageWords = {
    flags: 0n,
    mapping: 0n,
    private: 0n,
    mapcount: -1,
    refcount: 1,
    ...rule.words(kernel),
  };
  if (kind === 'buddy') head.private = BigInt(order);
  if (options.hwpoison) head.flags |= bit(kernel.bits.hwpoison);
  if (options.waiters) head.flags |= bit(kernel.bits.waiters);
  Object.assign(head, options.raw);
  const claims = options.claims ?? [...(rule.claims ?? []), ...(options.hwpoison ? [poison] : [])];
  const bit7IsSlab = options.waiters && kernel.bits.slab === undefined;
  const isAnonOnLru = (head.mapping & 1n) !== 0n && (head.flags & bit(kernel.bits.lru)) !== 0n;
  return {
    name: kind,
    order,
    head,
    shape: order === 0 && kind !== 'hugetlb' ? 'single' : rule.loose ? 'loose' : 'compound',
    hugetlb: kind === 'hugetlb',
    claims,
    peerClaims: bit7IsSlab && isAnonOnLru ? [cache, ...claims.filter((c) => c !== user)] : claims,
  };
}
