/** Which encryption bit the page tables themselves show, and which top-level table is the kernel's where nobody says. */

import type { Arch, SymbolSource } from '../arch/arch.ts';
import type { CachedMemory } from '../arch/memory.ts';
import type { PageTableFormat, PageTables } from '../arch/page-table.ts';
import type { DumpFile, MemoryReader } from '../read/dump-file.ts';
import { parseNotes } from '../read/notes.ts';
import { MemoryRuns } from './census/memory-runs.ts';
import { type DirectMap, findDirectMap } from './census/regions.ts';
import { collectUpperTables, type UpperTables } from './census/upper-tables.ts';
import { HIGHEST_MASK_BIT, LOWEST_MASK_BIT } from './mask-bits.ts';

/** Bits of an entry's upper word in which the encryption bit can be. */
const CANDIDATE_BITS = HIGHEST_MASK_BIT - LOWEST_MASK_BIT + 1;
const ENTRY_BYTES = 8;
/** One entry alone shares every bit that it has. */
const FEWEST_ENTRIES = 2;
/** Top-level tables that are looked into: CPUs have different ones, but each of the kernel's maps all of RAM. */
const MAX_ROOTS = 8;

/** Page tables, and what the search for them has found out. */
export interface FoundTables {
  readonly tables: PageTables;
  readonly upper: UpperTables;
  readonly direct: DirectMap;
}

/**
 * The one bit that all present entries of the top-level table have, and without which they lead to memory of the dump, but
 * with it do not; 0n where they lead to memory as they stand; undefined where it cannot be told.
 */
export function bitOfTables(
  file: DumpFile,
  memory: CachedMemory,
  arch: Arch,
  info: SymbolSource | undefined,
): bigint | undefined {
  const runs = new MemoryRuns(file);
  for (const { root } of rootsOf(file, arch, info, runs)) {
    const table = memory.page(root / file.pageSize);
    const bit = table && sharedBit(table, arch.tableFormat, runs);
    if (bit !== undefined) return bit;
  }
  return undefined;
}

/**
 * The kernel's page tables: those that VMCOREINFO names, or else those of the CPU whose table maps most of RAM. A user's
 * table with page-table isolation maps nearly nothing of the kernel. Undefined where none of them maps RAM at all. A step is a
 * table of 1 GiB.
 */
export function* findTables(
  file: DumpFile,
  reader: MemoryReader,
  arch: Arch,
  info: SymbolSource | undefined,
  encryptionMask: bigint,
): Generator<void, FoundTables | undefined> {
  const runs = new MemoryRuns(file);
  let best: FoundTables | undefined;
  const seen = new Set<number>();
  for (const { root, levels, named } of rootsOf(file, arch, info, runs)) {
    if (seen.has(root)) continue;
    if (seen.add(root).size > MAX_ROOTS) break;
    const tables = { root, levels, encryptionMask };
    const upper = collectUpperTables(reader, arch.tableFormat, tables, runs);
    const direct = yield* findDirectMap(reader, arch, tables, upper, runs);
    if (direct !== undefined && direct.pages > (best?.direct.pages ?? 0)) best = { tables, upper, direct };
    if (named && best !== undefined) return best;
    yield;
  }
  return best;
}

/** Top-level tables in memory: first the one that VMCOREINFO names, then those that CPUs had in use. */
function* rootsOf(
  file: DumpFile,
  arch: Arch,
  info: SymbolSource | undefined,
  runs: MemoryRuns,
): Generator<{ root: number; levels: number; named: boolean }> {
  const inMemory = (root: number) => runs.has(Math.floor(root / file.pageSize));
  const ofKernel = info && arch.findPageTables(info, 0n);
  if (ofKernel && inMemory(ofKernel.root)) yield { ...ofKernel, named: true };
  for (const { root, levels } of arch.cpuPageTables(parseNotes(file.notes, file.littleEndian))) {
    if (inMemory(root)) {
      yield { root, levels, named: false };
      continue;
    }
    // The kernel sets the encryption bit in CR3, too.
    for (let bit = 0; bit < CANDIDATE_BITS; bit++) {
      const value = 2 ** (LOWEST_MASK_BIT + bit);
      if (Math.floor(root / value) % 2 === 1 && inMemory(root - value))
        yield { root: root - value, levels, named: false };
    }
  }
}

function sharedBit(table: Buffer, format: PageTableFormat, runs: MemoryRuns): bigint | undefined {
  const framesPerHigh = 2 ** (32 - format.pageShift);
  const addressHigh = Number(format.addressMask >> 32n);
  let common = addressHigh;
  let present = 0;
  let leadToMemory = 0;
  const pfns: number[] = [];
  for (let at = 0; at < table.length; at += ENTRY_BYTES) {
    const low = table.readUInt32LE(at);
    if (!format.isPresent(low)) continue;
    const high = table.readUInt32LE(at + 4) & addressHigh;
    const pfn = high * framesPerHigh + (low >>> format.pageShift);
    present++;
    common &= high;
    pfns.push(pfn);
    if (runs.has(pfn)) leadToMemory++;
  }
  if (present < FEWEST_ENTRIES) return undefined;
  if (leadToMemory === present) return 0n;
  if (leadToMemory > 0) return undefined;
  const fitting: number[] = [];
  for (let bit = 0; bit < CANDIDATE_BITS; bit++) {
    const value = (1 << bit) * framesPerHigh;
    if ((common & (1 << bit)) !== 0 && pfns.every((pfn) => runs.has(pfn - value))) fitting.push(bit);
  }
  return fitting.length === 1 ? 1n << BigInt(LOWEST_MASK_BIT + fitting[0]!) : undefined;
}
