/** What struct pages say beyond a page frame's class: whose slab it is, which file's, and how large the block is that it begins. */

import type { PageRules, TypeRule } from '../kernel/page-rules.ts';
import type { MemoryReader } from '../read/dump-file.ts';
import { KIND_BITS, KindIndex } from './frame-kind.ts';
import { OwnerTally, type OwnerTallyData, pointerKey } from './owner-tally.ts';
import { compoundOrder, MAX_COMPOUND_ORDER, type ReadableMap, StructPages } from './struct-pages.ts';

/** A type rule that nothing matches. */
const NEVER: TypeRule = { mask: 0, value: 1 };
export const ORDERS = MAX_COMPOUND_ORDER + 1;
const { kernel: KERNEL, slab: SLAB, table: TABLE, reserved: RESERVED, free: FREE } = KindIndex;
const { cache: CACHE, cachePrivate: CACHE_PRIVATE } = KindIndex;

/** Byte offsets in struct page; undefined: not known, so nobody is named. */
export interface OwnerOffsets {
  readonly slabCache: number | undefined;
}

export interface FrameDetailsData {
  /** Free blocks and compound pages by order. */
  readonly freeBlocks: Float64Array;
  readonly compounds: Float64Array;
  readonly slabCaches: OwnerTallyData;
  readonly files: OwnerTallyData;
}

/** One thread's; the sums are of all windows that it does. */
export class FrameDetails {
  private readonly structPages: StructPages;
  private readonly readable: ReadableMap;
  private readonly owners: OwnerOffsets | undefined;
  private readonly freeBlocks = new Float64Array(ORDERS);
  private readonly compounds = new Float64Array(ORDERS);
  private readonly slabCaches = new OwnerTally();
  private readonly files = new OwnerTally();

  /** `owners`: whether they are counted. */
  constructor(reader: MemoryReader, readable: ReadableMap, owners: OwnerOffsets | undefined) {
    this.structPages = new StructPages(reader);
    this.readable = readable;
    this.owners = owners;
  }

  /** Of the page frames from `pfn` on, a byte each: turns `kernel` into `slab`, `table` and `reserved` where they are. */
  look(pfn: number, count: number, existing: Uint8Array, codes: Uint8Array): void {
    this.structPages.walk(this.readable, pfn, count, existing, {
      structs: (first, n, base, more) => this.scan(first, n, base, more, first - pfn, codes),
      lost() {},
    });
  }

  get data(): FrameDetailsData {
    const { freeBlocks, compounds, slabCaches, files } = this;
    return { freeBlocks, compounds, slabCaches: slabCaches.data, files: files.data };
  }

  private scan(
    first: number,
    count: number,
    base: number,
    more: boolean,
    place: number,
    codes: Uint8Array,
  ): number {
    const { words } = this.structPages;
    const { rules } = this.readable;
    const { PG_head, PG_slab, PG_reserved } = rules;
    const stride = rules.sizeBytes >>> 2;
    const flagsWord = rules.flags >>> 2;
    const mapcountWord = rules.mapcount >>> 2;
    const headWord = rules.compoundHead >>> 2;
    const slab = rules.slab ?? NEVER;
    const table = rules.table ?? NEVER;
    const alignment = first % 2 ** MAX_COMPOUND_ORDER;
    let i = 0;
    while (i < count) {
      const kind = codes[place + i]! & KIND_BITS;
      const at = base + i * stride;
      if (kind === FREE) {
        i += this.freeBlock(at, alignment + i, rules);
        continue;
      }
      // A tail page says nothing that its head does not.
      if ((words[at + headWord]! & 1) !== 0) {
        i++;
        continue;
      }
      const flags = words[at + flagsWord]!;
      const isHead = (flags & PG_head) !== 0;
      if (isHead && i + 1 >= count && more && i > 0) break;
      const order =
        isHead && i + 1 < count ? compoundOrder(words, at + stride, alignment + i, rules) : undefined;
      if (order !== undefined) this.compounds[order]!++;
      const pages = order === undefined ? 1 : 2 ** order;
      if ((flags & PG_slab) !== 0 || (words[at + mapcountWord]! & slab.mask) === slab.value) {
        mark(codes, place + i, pages, SLAB);
        this.owned(this.slabCaches, at, this.owners?.slabCache, pages);
      } else if (kind === CACHE || kind === CACHE_PRIVATE) {
        this.owned(this.files, at, this.owners && rules.mapping, pages);
      } else if ((words[at + mapcountWord]! & table.mask) === table.value) {
        mark(codes, place + i, pages, TABLE);
      } else if ((flags & PG_reserved) !== 0) {
        mark(codes, place + i, pages, RESERVED);
      }
      i++;
    }
    return i;
  }

  /** Counts a block that begins here and returns its pages, 1 for what is none. */
  private freeBlock(at: number, alignment: number, rules: PageRules): number {
    const { words } = this.structPages;
    const mapcount = words[at + (rules.mapcount >>> 2)]!;
    const buddy = rules.buddy ?? NEVER;
    const unaccepted = rules.unaccepted ?? NEVER;
    const isBuddy = (mapcount & buddy.mask) === buddy.value;
    if (!isBuddy && (mapcount & unaccepted.mask) !== unaccepted.value) return 1;
    const order = isBuddy ? words[at + (rules.private >>> 2)]! : rules.buddyOrders - 1;
    const fits = order >= 0 && order < rules.buddyOrders && (alignment & (2 ** order - 1)) === 0;
    if (!fits) return 1;
    this.freeBlocks[order]!++;
    return 2 ** order;
  }

  private owned(tally: OwnerTally, at: number, offset: number | undefined, pages: number): void {
    if (offset === undefined) return;
    const word = at + (offset >>> 2);
    const { words } = this.structPages;
    const key = pointerKey(words[word]!, words[word + 1]!);
    if (key !== undefined) tally.add(key, pages);
  }
}

/** Of these page frames those that are the kernel's and no more are of the kind. */
function mark(codes: Uint8Array, from: number, pages: number, kind: number): void {
  const to = Math.min(from + pages, codes.length);
  for (let i = from; i < to; i++) {
    if ((codes[i]! & KIND_BITS) === KERNEL) codes[i] = (codes[i]! & ~KIND_BITS) | kind;
  }
}
