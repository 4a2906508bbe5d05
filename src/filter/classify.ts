/** Decides for each page frame of a window whether it is kept: one walk over its struct pages. */

import type { PageRules, TypeRule } from '../kernel/page-rules.ts';
import { clearRange, popcount, popcountIn } from '../read/bitmap.ts';
import type { MemoryReader } from '../read/dump-file.ts';
import { ClassIndex, DumpLevel, PAGE_CLASSES } from './page-class.ts';
import { byteAt, compoundOrder, MAX_COMPOUND_ORDER, type ReadableMap, StructPages } from './struct-pages.ts';

/** Page frames beyond the window that a compound page of the window takes along. */
export interface Carry {
  readonly pfn: number;
  readonly end: number;
  /** Index in PAGE_CLASSES. */
  readonly pageClass: number;
}

/** A type rule that nothing matches. */
const NEVER: TypeRule = { mask: 0, value: 1 };
/** PAGE_POISON_PATTERN: with CONFIG_DEBUG_VM a struct page is all ones until it is set up (page_init_poison). */
const NEVER_SET_UP = -1;

/** No class that is dropped. */
const KEPT = -1;

/** How page frames of the kernel image are treated. */
const Image = { outside: 0, all: 1, reserved: 2 } as const;
type Image = (typeof Image)[keyof typeof Image];

/** Told of page frames `pfn` … `end - 1` of the window when they are found to be of a class: index in PAGE_CLASSES. */
export type Told = (pfn: number, end: number, pageClass: number) => void;

/** One thread's classifier. `classes` and the other counters add up over all windows that it does. */
export class WindowClassifier {
  /** Page frames by class, indexed as PAGE_CLASSES; kernel and zero are not counted here. */
  readonly classes = new Float64Array(PAGE_CLASSES.length);
  /** Free page frames that the memory map shows. */
  freeFound = 0;
  carries: Carry[] = [];

  private readonly structPages: StructPages;
  private readonly readable: ReadableMap | undefined;
  private readonly dumpLevel: number;
  private readonly told: Told | undefined;

  /** The window at work. */
  private bits: Uint8Array = new Uint8Array(0);
  private windowPfn = 0;
  private windowEnd = 0;

  /** `told` hears of page frames whose bit is clear, too; kept ones that are decided it does not hear of. */
  constructor(reader: MemoryReader, readable: ReadableMap | undefined, dumpLevel: number, told?: Told) {
    this.structPages = new StructPages(reader);
    this.readable = readable;
    this.dumpLevel = dumpLevel;
    this.told = told;
  }

  /**
   * Clears in `bits` what is dropped of the page frames `pfn` … `pfn + count - 1` (bit 0 is `pfn`) and returns how many
   * stay. Page frames whose bit is clear beforehand are not in the input and not counted.
   */
  classify(pfn: number, count: number, bits: Uint8Array): number {
    this.bits = bits;
    this.windowPfn = pfn;
    this.windowEnd = pfn + count;
    const { readable } = this;
    if (readable === undefined) this.undecided(pfn, count);
    else
      this.structPages.walk(readable, pfn, count, bits, {
        structs: (first, n, base, more) => this.scanAroundImage(first, n, base, more, readable),
        lost: (first, n) => this.undecided(first, n),
      });
    return popcount(bits, count);
  }

  /** Scans struct pages, those of the kernel image by rules of their own. Returns how many are done with. */
  private scanAroundImage(
    pfn: number,
    count: number,
    base: number,
    more: boolean,
    readable: ReadableMap,
  ): number {
    const { image, rules } = readable;
    const stride = rules.sizeBytes / 4;
    const end = pfn + count;
    let at = pfn;
    for (const range of image?.ranges ?? []) {
      if (range.end <= at) continue;
      if (range.pfn >= end) break;
      if (range.pfn > at) {
        at += this.scan(at, range.pfn - at, base + (at - pfn) * stride, false, Image.outside, rules);
        at = Math.max(at, range.pfn);
      }
      const inside = Math.min(range.end, end) - at;
      if (inside <= 0) continue;
      const kind = image?.by === 'symbols' ? Image.all : Image.reserved;
      this.scan(at, inside, base + (at - pfn) * stride, false, kind, rules);
      at += inside;
    }
    if (at < end) at += this.scan(at, end - at, base + (at - pfn) * stride, more, Image.outside, rules);
    return at - pfn;
  }

  /**
   * The rules, in makedumpfile's order; the first that matches decides. Returns how many page frames are done with:
   * more than `count` when a block reaches beyond, fewer when `more` struct pages must be there to go on.
   */
  private scan(
    first: number,
    count: number,
    base: number,
    more: boolean,
    image: Image,
    rules: PageRules,
  ): number {
    const { dumpLevel } = this;
    const { words } = this.structPages;
    const stride = rules.sizeBytes >>> 2;
    const flagsWord = rules.flags >>> 2;
    const mappingWord = rules.mapping >>> 2;
    const mapcountWord = rules.mapcount >>> 2;
    const headWord = rules.compoundHead >>> 2;
    const privateWord = rules.private >>> 2;
    const { PG_lru, PG_private, PG_swapcache, PG_swapbacked, PG_hwpoison, PG_slab, PG_head, PG_reserved } =
      rules;
    const dropFree = (dumpLevel & DumpLevel.free) !== 0;
    // Level 4 implies level 2 (makedumpfile(8)).
    const dropCachePrivate = (dumpLevel & DumpLevel.cachePrivate) !== 0;
    const dropCache = dropCachePrivate || (dumpLevel & DumpLevel.cache) !== 0;
    const dropUser = (dumpLevel & DumpLevel.user) !== 0;
    const buddy = dropFree ? (rules.buddy ?? NEVER) : NEVER;
    const unaccepted = dropFree ? (rules.unaccepted ?? NEVER) : NEVER;
    const slab = rules.slab ?? NEVER;
    const offline = rules.offline ?? NEVER;
    const { mask: buddyMask, value: buddyValue } = buddy;
    const { mask: unacceptedMask, value: unacceptedValue } = unaccepted;
    const { mask: slabMask, value: slabValue } = slab;
    const { mask: offlineMask, value: offlineValue } = offline;
    // Bits that something other than "a kernel page" can follow from: most kernel pages have none of them.
    const telling = PG_lru | PG_swapcache | PG_hwpoison | PG_head;

    // Blocks that end before it are in the window and reach into no image; beyond it, each is looked at by itself.
    const limit = Math.min(this.untilImage(first, this.windowEnd), this.windowEnd) - first;
    const alignment = first % (1 << MAX_COMPOUND_ORDER);

    // What was decided last of a page by itself alone, and by what: pages of a kind mostly lie beside each other.
    let lastFlags = 0;
    let lastMapcount = 0;
    let lastBits = -1;
    let lastClass = KEPT;
    // The run of such pages that are dropped and not told yet.
    let runStart = 0;
    let runEnd = 0;
    let runClass = KEPT;

    let i = 0;
    while (i < count) {
      const at = base + i * stride;
      const flags = words[at + flagsWord]!;
      const lowBits = ((words[at + headWord]! & 1) << 1) | (words[at + mappingWord]! & 1);
      const mapcount = words[at + mapcountWord]!;
      let pageClass = KEPT;
      let pages = 1;
      if (flags === lastFlags && mapcount === lastMapcount && lowBits === lastBits) {
        pageClass = lastClass;
      } else if (image !== Image.outside && (image === Image.all || (flags & PG_reserved) !== 0)) {
        if ((flags & PG_hwpoison) !== 0 && flags !== NEVER_SET_UP) pageClass = ClassIndex.hwpoison;
      } else if ((lowBits & 2) !== 0) {
        if (flags === NEVER_SET_UP) this.undecided(first + i, 1);
        // A tail page goes where its head goes, but a poisoned one must not be touched whatever its head says.
        else if ((flags & PG_hwpoison) !== 0) pageClass = ClassIndex.hwpoison;
      } else {
        const isSlab = (flags & PG_slab) !== 0 || (mapcount & slabMask) === slabValue;
        const isBuddy = !isSlab && (mapcount & buddyMask) === buddyValue;
        const isAnon = !isSlab && (lowBits & 1) !== 0;
        const isHead = (flags & PG_head) !== 0;
        if (isBuddy || (mapcount & unacceptedMask) === unacceptedValue) {
          // page.private is a long; with anything in its upper half it is no order.
          const tooLarge = isBuddy && words[at + privateWord + 1] !== 0;
          const order = !isBuddy ? rules.buddyOrders - 1 : words[at + privateWord]!;
          const block = !tooLarge && order >= 0 && order < rules.buddyOrders ? 1 << order : 0;
          if (block !== 0 && ((alignment + i) & (block - 1)) === 0) {
            pageClass = ClassIndex.free;
            pages = block;
            this.freeFound += block;
          } else {
            this.undecided(first + i, 1);
          }
        } else {
          const isOffline = !isSlab && (mapcount & offlineMask) === offlineValue;
          if ((flags & telling) !== 0 || isAnon || isOffline) {
            const hasSecond = i + 1 < count;
            if (isHead && !hasSecond && more && i > 0) break;
            const isCache =
              (flags & PG_lru) !== 0 ||
              ((flags & PG_swapcache) !== 0 && (PG_swapbacked === 0 || (flags & PG_swapbacked) !== 0));
            const isPrivate = (flags & PG_private) !== 0;
            const isHuge = isHead && hasSecond && this.isHugetlb(at, at + stride, rules);
            if (isCache && !isAnon && (isPrivate ? dropCachePrivate : dropCache)) {
              pageClass = isPrivate ? ClassIndex.cachePrivate : ClassIndex.cache;
            } else if (dropUser && (isAnon || isHuge)) {
              pageClass = ClassIndex.user;
            } else if ((flags & PG_hwpoison) !== 0) {
              pageClass = ClassIndex.hwpoison;
            } else if (isOffline) {
              pageClass = ClassIndex.offline;
            }
            if (isHead && pageClass !== KEPT) {
              const order = hasSecond ? compoundOrder(words, at + stride, alignment + i, rules) : undefined;
              if (order !== undefined) {
                pages = 1 << order;
              } else if (pageClass !== ClassIndex.hwpoison) {
                pageClass = KEPT;
                this.undecided(first + i, 1);
              }
            }
          }
          if (!isHead) {
            lastFlags = flags;
            lastMapcount = mapcount;
            lastBits = lowBits;
            lastClass = pageClass;
          }
        }
      }
      if (pageClass !== KEPT) {
        if (i + pages > limit) {
          this.drop(first + i, pages, pageClass);
        } else if (runEnd === i && runClass === pageClass) {
          runEnd = i + pages;
        } else {
          this.dropRun(first + runStart, first + runEnd, runClass);
          runStart = i;
          runEnd = i + pages;
          runClass = pageClass;
        }
      }
      i += pages;
    }
    this.dropRun(first + runStart, first + runEnd, runClass);
    return i;
  }

  /** Drops page frames of the window, each for itself. */
  private dropRun(pfn: number, end: number, pageClass: number): void {
    if (end <= pfn) return;
    this.classes[pageClass]! += clearRange(this.bits, pfn - this.windowPfn, end - this.windowPfn);
    this.told?.(pfn, end, pageClass);
  }

  private isHugetlb(head: number, second: number, rules: PageRules): boolean {
    const { hugetlb } = rules;
    const { words } = this.structPages;
    if (hugetlb === undefined) return false;
    switch (hugetlb.by) {
      case 'type':
        return (words[head + (rules.mapcount >>> 2)]! & hugetlb.rule.mask) === hugetlb.rule.value;
      case 'second flags':
        return (words[second + (rules.flags >>> 2)]! & hugetlb.mask) !== 0;
      case 'second byte':
        return byteAt(words, second, hugetlb.offset) === hugetlb.value;
    }
  }

  /** Drops page frames, but none of the kernel image behind the first; what lies beyond the window is handed over. */
  private drop(pfn: number, count: number, pageClass: number): void {
    const end = count === 1 ? pfn + 1 : this.untilImage(pfn, pfn + count);
    const inWindow = Math.min(end, this.windowEnd);
    this.classes[pageClass]! += clearRange(this.bits, pfn - this.windowPfn, inWindow - this.windowPfn);
    this.told?.(pfn, inWindow, pageClass);
    if (end > inWindow) this.carries.push({ pfn: inWindow, end, pageClass });
  }

  private untilImage(pfn: number, end: number): number {
    const image = this.readable?.image;
    // What is known by the mapping only has freed memory in it, with blocks of its own; but none reaches in from before.
    const next = image?.ranges.find((range) => (image.by === 'symbols' ? range.end : range.pfn) > pfn);
    return next === undefined ? end : Math.max(pfn, Math.min(end, next.pfn));
  }

  private undecided(pfn: number, count: number): void {
    const from = pfn - this.windowPfn;
    this.classes[ClassIndex.undecided]! += popcountIn(this.bits, from, from + count);
    this.told?.(pfn, pfn + count, ClassIndex.undecided);
  }
}
