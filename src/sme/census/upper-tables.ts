/** The upper page tables of the crashed kernel: from the top-level table down to the tables of 1 GiB, each visited once. */

import { EntryWords, type PageTableFormat, type PageTables } from '../../arch/page-table.ts';
import { TableReader } from '../../arch/table-reader.ts';
import type { MemoryReader } from '../../read/dump-file.ts';
import type { MemoryRuns } from './memory-runs.ts';

/** Tables whose entries map large pages and name the lowest tables (2 on x86-64: an entry of theirs covers 2 MiB). */
export const MIDDLE_LEVEL = 2;
/** Tables above them: 16 PiB of virtual memory are more than a kernel maps. */
const MAX_UPPER_TABLES = 2 ** 12;
/** Tables of MIDDLE_LEVEL: 256 TiB of RAM mapped once have these, and that is the most that a dump may describe. */
const MAX_MIDDLE_TABLES = 2 ** 18 + 2 ** 12;
/** And by the memory of the dump: each of its pieces mapped so many times, and as many tables besides as vmalloc may scatter. */
const MAPPINGS = 4;
const SCATTERED_TABLES = 2 ** 13;
/** And leaves of 1 GiB as many as that. */
const MAX_HUGE_LEAVES = 2 ** 18;

/** What is odd about page tables. None of it ends the walk; entries counted here are not followed. */
export interface Oddities {
  /** Tables that the dump does not have. */
  missingTables: number;
  /** Entries that name a table which another one of their level names too: KASAN and espfix do it by the thousands. */
  aliases: number;
  /** Entries that name a table which is in use at another level: loops among them. */
  tablesAtTwoLevels: number;
  /** Entries that name a table or map 1 GiB when there are more of them than a machine can have. */
  beyondLimit: number;
  /** Leaves with an address that no memory and no device can have: bits at or above the encryption bit, or inside of the leaf. */
  badAddresses: number;
}

export const noOddities = (): Oddities => ({
  missingTables: 0,
  aliases: 0,
  tablesAtTwoLevels: 0,
  beyondLimit: 0,
  badAddresses: 0,
});

export interface UpperTables {
  /** Tables of MIDDLE_LEVEL: page frame, and number of the first virtual page mapped, in the order of the walk. */
  readonly middle: { readonly pfn: number; readonly vpn: number }[];
  /** Leaves above MIDDLE_LEVEL: their entries' words, and their virtual page number. */
  readonly huge: {
    readonly level: number;
    readonly low: number;
    readonly high: number;
    readonly vpn: number;
  }[];
  /** The level that each table is at, by page frame. */
  readonly levelOf: Map<number, number>;
  /** Tables named, as [without, with] the encryption bit in the entry that names them, by level. */
  readonly named: [number, number][];
  readonly oddities: Oddities;
}

/**
 * Number of the first virtual page that entry 0 of the top-level table would map if addresses had no sign: page
 * numbers are `vaddr / page size`, exact as `number` (52 bits with 4 KiB pages).
 */
export function rootVpn({ pageShift, bitsPerLevel }: PageTableFormat, levels: number): number {
  return 2 ** (64 - pageShift) - 2 ** (bitsPerLevel * levels);
}

export function vpnOf(format: PageTableFormat, vaddr: bigint): number {
  return Number(BigInt.asUintN(64, vaddr) >> BigInt(format.pageShift));
}

/** More tables of `pages` pages than a machine with this memory can have are not followed. */
export function mostMiddleTables(
  { pages: memoryPages, starts }: Pick<MemoryRuns, 'pages' | 'starts'>,
  pages: number,
): number {
  const pieces = memoryPages / pages + 2 * starts.length;
  return Math.min(MAX_MIDDLE_TABLES, pieces * MAPPINGS + SCATTERED_TABLES);
}

/** Walks the kernel's half of the top-level table. */
export function collectUpperTables(
  reader: MemoryReader,
  format: PageTableFormat,
  { root, levels, encryptionMask }: PageTables,
  memory: MemoryRuns,
): UpperTables {
  const entry = new EntryWords(format, encryptionMask);
  const rootPfn = Math.floor(root / reader.pageSize);
  const found: UpperTables = {
    middle: [],
    huge: [],
    levelOf: new Map([[rootPfn, levels]]),
    named: Array.from({ length: levels + 1 }, () => [0, 0]),
    oddities: noOddities(),
  };
  const { middle, huge, levelOf, named, oddities } = found;
  const tables = Array.from({ length: levels + 1 }, () => new TableReader(reader));
  let upper = 1;
  const mostMiddle = mostMiddleTables(memory, 2 ** (format.bitsPerLevel * MIDDLE_LEVEL));

  const visit = (pfn: number, level: number, vpn: number): void => {
    const { words, entries } = tables[level]!;
    if (!tables[level]!.load(pfn)) {
      oddities.missingTables++;
      return;
    }
    const pages = 2 ** (format.bitsPerLevel * (level - 1));
    for (let i = level === levels ? format.firstKernelEntry : 0; i < entries; i++) {
      const low = words[2 * i]!;
      if (!format.isPresent(low)) continue;
      const high = words[2 * i + 1]!;
      const at = vpn + i * pages;
      if (format.isLeaf(low, level)) {
        if (huge.length >= MAX_HUGE_LEAVES) oddities.beyondLimit++;
        else huge.push({ level, low, high, vpn: at });
        continue;
      }
      const next = entry.pfn(low, high);
      const known = levelOf.get(next);
      if (known !== undefined) {
        if (known === level - 1) oddities.aliases++;
        else oddities.tablesAtTwoLevels++;
      } else if (level - 1 === MIDDLE_LEVEL ? middle.length >= mostMiddle : upper >= MAX_UPPER_TABLES) {
        oddities.beyondLimit++;
      } else {
        levelOf.set(next, level - 1);
        named[level - 1]![(high & entry.maskHigh) === 0 ? 0 : 1]++;
        if (level - 1 === MIDDLE_LEVEL) middle.push({ pfn: next, vpn: at });
        else {
          upper++;
          visit(next, level - 1, at);
        }
      }
    }
  };
  visit(rootPfn, levels, rootVpn(format, levels));
  return found;
}
