/** Walks the page tables of the crashed kernel. The encryption mask is stripped in this file and nowhere else. */

import type { CachedMemory } from './memory.ts';

/** Virtual addresses that are mapped one behind the other from a known physical address on. */
export interface LinearMapping {
  readonly start: bigint;
  /** First address behind it. */
  readonly end: bigint;
  /** Where `start` lies; negative where the mapping begins before memory does. */
  readonly paddr: number;
}

/** What a walk needs to know; plain data. */
export interface PageTables {
  /** Physical address of the top-level table. */
  readonly root: number;
  /** Levels of tables, 4 or 5. */
  readonly levels: number;
  /** The bit that marks encrypted memory in every entry of every level; 0n where there is none. */
  readonly encryptionMask: bigint;
  /** The kernel image's own mapping: there a table of the lowest level that is not in the dump can be done without. */
  readonly image?: LinearMapping | undefined;
}

/** One architecture's tables: which bits of an entry are what. */
export interface PageTableFormat {
  readonly pageShift: number;
  /** Index bits of each level. */
  readonly bitsPerLevel: number;
  isPresent(entryLow: number): boolean;
  /** Whether an entry at this level (1 is the lowest) maps memory itself instead of naming the next table. */
  isLeaf(entryLow: number, level: number): boolean;
  /** Physical address bits of an entry. */
  readonly addressMask: bigint;
  /** Entries of the top-level table from this one on map kernel addresses. */
  readonly firstKernelEntry: number;
  /** What tables are called, the lowest level first; the top level is PGD whatever it is. Absent: levels have numbers. */
  readonly levelNames?: readonly string[];
  /** What bits of an entry are called, for people; absent: entries are numbers alone. */
  flagNames?(entry: bigint, isLeaf: boolean): readonly string[];
}

/**
 * An entry taken apart as two 32-bit words, for loops over millions of entries: without a bigint for each. The walker
 * below does the same one entry at a time.
 */
export class EntryWords {
  /** The encryption mask in the upper word; 0 where there is none. */
  readonly maskHigh: number;
  private readonly addressHigh: number;
  private readonly addressLow: number;
  private readonly pageShift: number;
  private readonly framesPerHigh: number;

  constructor(format: PageTableFormat, encryptionMask: bigint) {
    const address = format.addressMask & ~encryptionMask;
    this.maskHigh = Number(encryptionMask >> 32n);
    this.addressHigh = Number(address >> 32n);
    this.addressLow = Number(BigInt.asIntN(32, address));
    this.pageShift = format.pageShift;
    this.framesPerHigh = 2 ** (32 - format.pageShift);
  }

  /** The page frame in an entry, with the encryption mask stripped. */
  pfn(low: number, high: number): number {
    return (high & this.addressHigh) * this.framesPerHigh + ((low & this.addressLow) >>> this.pageShift);
  }
}

export interface Mapping {
  /** Physical address of the byte asked for. */
  readonly paddr: number;
  /** Bytes from there to the end of the leaf page. */
  readonly sizeBytes: number;
  /** The leaf entry as it stands in memory, encryption bit included; 0n without one. */
  readonly rawEntry: bigint;
  /** Level of the leaf: 1 is a page of the base size. */
  readonly level: number;
  /** The table with the leaf is not in the dump, and the address is by where the kernel image lies. */
  readonly withoutTable: boolean;
}

/** One entry on the way of a walk. */
export interface VisitedEntry {
  /** 1 is the lowest. */
  readonly level: number;
  /** Where the entry stands in physical memory. */
  readonly entryPaddr: number;
  /** As it stands in memory, encryption bit included. */
  readonly rawEntry: bigint;
  /** The physical address in it, with the encryption mask stripped. */
  readonly paddr: number;
  readonly present: boolean;
  readonly isLeaf: boolean;
}

/** A stretch of virtual memory that is contiguous in physical memory, or not mapped at all (`paddr` undefined). */
export interface Stretch {
  readonly paddr: number | undefined;
  readonly sizeBytes: number;
}

export class PageTableWalker {
  private readonly memory: CachedMemory;
  private readonly format: PageTableFormat;
  private readonly tables: PageTables;
  private readonly addressMask: bigint;
  /** Whether a table that was needed, and that nothing stands in for, is not in the dump. */
  missedTable = false;

  constructor(memory: CachedMemory, format: PageTableFormat, tables: PageTables) {
    this.memory = memory;
    this.format = format;
    this.tables = tables;
    this.addressMask = format.addressMask & ~tables.encryptionMask;
  }

  /** Entry `index` of a table: as it stands, and the physical address in it with the encryption mask stripped. */
  private readEntry(table: number, index: number): { raw: bigint; paddr: number } | undefined {
    const page = this.memory.page(table / this.memory.pageSize);
    if (page === undefined) return undefined;
    const raw = page.readBigUInt64LE(index * 8);
    return { raw, paddr: Number(raw & this.addressMask) };
  }

  /**
   * Where a virtual address lies, or undefined when it is not mapped or a table is not in the dump. In the kernel image the last table
   * is not needed. `visit` is told of each entry.
   */
  translate(vaddr: bigint, visit?: (entry: VisitedEntry) => void): Mapping | undefined {
    if (!this.isCanonical(vaddr)) return undefined;
    const { pageShift, bitsPerLevel } = this.format;
    let table = this.tables.root;
    for (let level = this.tables.levels; level >= 1; level--) {
      const shift = BigInt(pageShift + (level - 1) * bitsPerLevel);
      const index = Number((vaddr >> shift) & BigInt((1 << bitsPerLevel) - 1));
      const entry = this.readEntry(table, index);
      if (entry === undefined) {
        const mapping = level === 1 ? this.inImage(vaddr) : undefined;
        this.missedTable ||= mapping === undefined;
        return mapping;
      }
      const low = Number(entry.raw & 0xffffffffn);
      const present = this.format.isPresent(low);
      const isLeaf = present && (level === 1 || this.format.isLeaf(low, level));
      const { raw: rawEntry, paddr } = entry;
      visit?.({ level, entryPaddr: table + index * 8, rawEntry, paddr, present, isLeaf });
      if (!present) return undefined;
      if (isLeaf) {
        const leafBytes = 2 ** Number(shift);
        const inLeaf = Number(vaddr & (BigInt(leafBytes) - 1n));
        // A large leaf has flags in address bits below its size.
        const base = entry.paddr - (entry.paddr % leafBytes);
        return { paddr: base + inLeaf, sizeBytes: leafBytes - inLeaf, rawEntry, level, withoutTable: false };
      }
      table = entry.paddr - (entry.paddr % 2 ** pageShift);
    }
    return undefined;
  }

  /**
   * Where an address of the kernel image lies of which the table of the lowest level is not in the dump: such tables lie anywhere. The
   * others are part of the image; where they lead out of the dump, more is wrong than a page that is not there, such as the encryption bit.
   */
  private inImage(vaddr: bigint): Mapping | undefined {
    const { pageShift, bitsPerLevel } = this.format;
    const { image } = this.tables;
    if (image === undefined || vaddr < image.start || vaddr >= image.end) return undefined;
    const paddr = image.paddr + Number(vaddr - image.start);
    if (paddr < 0) return undefined;
    const ofTable = 2 ** (pageShift + bitsPerLevel);
    const sizeBytes = ofTable - Number(vaddr & (BigInt(ofTable) - 1n));
    return { paddr, sizeBytes, rawEntry: 0n, level: 1, withoutTable: true };
  }

  /** The physical stretches behind [vaddr, vaddr + length), neighbours joined. */
  *stretches(vaddr: bigint, length: number): Generator<Stretch> {
    let pending: { paddr: number | undefined; sizeBytes: number } | undefined;
    for (let done = 0; done < length; ) {
      const at = vaddr + BigInt(done);
      const mapping = this.translate(at);
      const sizeBytes = Math.min(length - done, mapping?.sizeBytes ?? this.holeBytes(at));
      const follows =
        pending !== undefined &&
        (mapping === undefined
          ? pending.paddr === undefined
          : pending.paddr !== undefined && pending.paddr + pending.sizeBytes === mapping.paddr);
      if (pending && follows) {
        pending.sizeBytes += sizeBytes;
      } else {
        if (pending) yield pending;
        pending = { paddr: mapping?.paddr, sizeBytes };
      }
      done += sizeBytes;
    }
    if (pending) yield pending;
  }

  /** Whether the bits that the tables do not look at are those of an address in one of the two halves that they map. */
  isCanonical(vaddr: bigint): boolean {
    const { pageShift, bitsPerLevel } = this.format;
    const upper = BigInt.asUintN(64, vaddr) >> BigInt(pageShift + this.tables.levels * bitsPerLevel - 1);
    return (
      upper === 0n || upper === 2n ** BigInt(64 - pageShift - this.tables.levels * bitsPerLevel + 1) - 1n
    );
  }

  /** Bytes from an address that is not mapped to the end of what its last entry on the way stands for. */
  holeBytes(vaddr: bigint): number {
    const { pageShift, bitsPerLevel } = this.format;
    if (!this.isCanonical(vaddr)) {
      const half = 1n << BigInt(pageShift + this.tables.levels * bitsPerLevel - 1);
      return Number(half - (vaddr & (half - 1n)));
    }
    // Without a root there is nothing at all.
    let last = this.tables.levels + 1;
    this.translate(vaddr, ({ level }) => {
      last = level;
    });
    const bytes = 1n << BigInt(pageShift + (last - 1) * bitsPerLevel);
    return Number(bytes - (vaddr & (bytes - 1n)));
  }

  /** Copies virtual memory; undefined where any byte is not mapped or not in the dump. `length` has been bounded. */
  read(vaddr: bigint, length: number): Buffer | undefined {
    const into = Buffer.alloc(length);
    let done = 0;
    for (const { paddr, sizeBytes } of this.stretches(vaddr, length)) {
      const part = paddr === undefined ? undefined : this.memory.read(paddr, sizeBytes);
      if (part === undefined) return undefined;
      part.copy(into, done);
      done += sizeBytes;
    }
    return into;
  }

  readU64(vaddr: bigint): bigint | undefined {
    return this.read(vaddr, 8)?.readBigUInt64LE(0);
  }
}
