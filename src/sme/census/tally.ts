/** Counts what leaves of page tables map, and with which bits: the part of the census that runs once an entry. */

import { EntryWords, type PageTableFormat } from '../../arch/page-table.ts';
import { FrameSet, type FrameSetData } from './frame-set.ts';
import type { MemoryRuns } from './memory-runs.ts';
import { REGION_NAMES, type Region, regionOf } from './regions.ts';

/**
 * Bits that mark shared memory where no encryption bit is known: in a TDX guest the top bit of its physical addresses, which
 * have 48 bits or 52. Source: arch/x86/coco/tdx/tdx.c, `BIT_ULL(gpa_width - 1)`.
 */
export const SHARED_BITS = [47, 51] as const;

/** What a leaf's bits say: nothing, that the encryption bit is set, or that one of SHARED_BITS is. */
export const PLAIN = 0;
export const MARKED = 1;
export const FIRST_SHARED = 2;
export const KINDS = FIRST_SHARED + SHARED_BITS.length;

/** Longer runs than this are no scattered pages. */
const LONG_RUN = 512;

/** What is the same for all that count; plain data. */
export interface TallyRules {
  readonly encryptionMask: bigint;
  readonly regions: readonly Region[];
  /** Of the direct map: virtual page number minus page frame. */
  readonly directOffset: number | undefined;
}

/** Sums of one thread; plain data. Columns are indexed by kind; pages are those of the base size. */
export interface TallyPart {
  /** Page frames that leaves of each kind map; some of them may lie between the runs of memory. */
  readonly frames: readonly FrameSetData[];
  /** Leaves by level (1 is the lowest). */
  readonly leaves: readonly Float64Array[];
  /** Virtual pages mapped to memory, by region. */
  readonly mapped: readonly Float64Array[];
  /** Virtual pages mapped to what is not memory of the dump, by region. */
  readonly outside: Float64Array;
  readonly badAddresses: number;
}

export const LEAF_LEVELS = 3;

export class Tally {
  private readonly format: PageTableFormat;
  private readonly memory: MemoryRuns;
  private readonly rules: TallyRules;
  private readonly entry: EntryWords;
  /** Bits of the upper word that are looked at. */
  private readonly marks: number;
  /** Page frames at and above this lie behind the encryption bit: there are none. */
  private readonly impossible: number;

  private readonly frames: FrameSet[];
  private readonly leaves = Array.from({ length: LEAF_LEVELS + 1 }, () => new Float64Array(KINDS));
  private readonly mapped = Array.from(REGION_NAMES, () => new Float64Array(KINDS));
  private readonly outside = new Float64Array(REGION_NAMES.length);
  private badAddresses = 0;

  /** The run of page frames at work: consecutive leaves that are alike are counted together. */
  private readonly known: readonly FrameSet[];
  private runPfn = 0;
  private runEnd = -1;
  private runKind = PLAIN;
  private runRegion = 0;
  private runLeaves = 0;
  private region = 0;

  /** `known`: page frames that somebody else has counted, by kind; they need not be remembered once more. */
  constructor(
    format: PageTableFormat,
    memory: MemoryRuns,
    rules: TallyRules,
    known: readonly FrameSetData[] = [],
  ) {
    this.known = known.map((set) => FrameSet.from(set));
    this.format = format;
    this.memory = memory;
    this.rules = rules;
    this.entry = new EntryWords(format, rules.encryptionMask);
    this.marks = this.entry.maskHigh || SHARED_BITS.reduce((bits, bit) => bits | (1 << (bit - 32)), 0);
    this.impossible =
      rules.encryptionMask === 0n ? Infinity : Number(rules.encryptionMask >> BigInt(format.pageShift));
    this.frames = Array.from({ length: KINDS }, () => new FrameSet(memory.limit));
  }

  /** The leaves that follow map virtual pages of the region that `vpn` lies in. */
  enter(vpn: number): void {
    this.region = regionOf(this.rules.regions, vpn);
  }

  /** Every present entry of a lowest table, whose first one maps virtual page `vpn`. */
  lowestTable(words: Int32Array, entries: number, vpn: number): void {
    this.enter(vpn);
    const { format } = this;
    for (let i = 0; i < entries; i++) {
      const low = words[2 * i]!;
      if (format.isPresent(low)) this.leaf(1, low, words[2 * i + 1]!, vpn + i);
    }
  }

  /** One leaf of any level. */
  leaf(level: number, low: number, high: number, vpn: number): void {
    let pfn = this.entry.pfn(low, high);
    let pages = 1;
    if (level > 1) {
      pages = 2 ** (this.format.bitsPerLevel * (level - 1));
      const below = pfn % pages;
      // Bit 12 of a large leaf is a flag (_PAGE_PAT_LARGE), the others up to its size have to be 0.
      if (below > 1) this.badAddresses++;
      pfn -= below;
    }
    let kind = PLAIN;
    if ((high & this.marks) !== 0) {
      if (this.entry.maskHigh !== 0) kind = MARKED;
      else {
        const shared = this.sharedKind(pfn, vpn);
        if (shared !== undefined) {
          kind = shared.kind;
          pfn = shared.pfn;
        }
      }
    }
    this.leaves[level]![kind]!++;
    if (pfn === this.runEnd && kind === this.runKind && this.region === this.runRegion) {
      this.runEnd += pages;
      this.runLeaves++;
      return;
    }
    this.endRun();
    this.runPfn = pfn;
    this.runEnd = pfn + pages;
    this.runKind = kind;
    this.runRegion = this.region;
    this.runLeaves = 1;
  }

  /** A leaf of the direct map that is one bit away from where it would be. */
  private sharedKind(pfn: number, vpn: number): { kind: number; pfn: number } | undefined {
    const { directOffset } = this.rules;
    if (directOffset === undefined) return undefined;
    const plain = vpn - directOffset;
    for (let i = 0; i < SHARED_BITS.length; i++) {
      if (pfn - plain === 2 ** (SHARED_BITS[i]! - this.format.pageShift) && this.memory.has(plain))
        return { kind: FIRST_SHARED + i, pfn: plain };
    }
    return undefined;
  }

  /** Adds the run at work to the sums. */
  private endRun(): void {
    const { runPfn, runEnd, runKind, runRegion, memory } = this;
    if (runEnd < 0) return;
    const inside = memory.pagesIn(runPfn, runEnd);
    if (inside > 0) this.remember(runKind, runPfn, runEnd);
    this.mapped[runRegion]![runKind]! += inside;
    this.outside[runRegion]! += runEnd - runPfn - inside;
    if (runEnd > this.impossible) this.badAddresses += this.runLeaves;
  }

  /**
   * Single pages all over memory, as vmalloc maps them, would each take a bitmap, though the direct map has them all: a
   * machine of 1 TiB has 8,192 chunks.
   */
  private remember(kind: number, from: number, to: number): void {
    const set = this.frames[kind]!;
    const known = this.known[kind];
    if (known === undefined || to - from > LONG_RUN) {
      set.add(from, to - from);
      return;
    }
    for (let pfn = from; pfn < to; pfn++) if (!known.has(pfn)) set.add(pfn);
  }

  /** All that was counted. */
  part(): TallyPart {
    this.endRun();
    this.runEnd = -1;
    return {
      frames: this.frames.map((set) => set.data),
      leaves: this.leaves,
      mapped: this.mapped,
      outside: this.outside,
      badAddresses: this.badAddresses,
    };
  }
}
