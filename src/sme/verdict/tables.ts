/** Whether a page is a page table: what VMCOREINFO and the CPUs' own registers lead to. */

import type { Arch } from '../../arch/arch.ts';
import type { CachedMemory } from '../../arch/memory.ts';
import { EntryWords, type PageTableFormat } from '../../arch/page-table.ts';
import type { DumpFile } from '../../read/dump-file.ts';
import { extentAt } from '../../read/extents.ts';
import { parseNotes } from '../../read/notes.ts';
import { qemuCpus } from '../../read/qemu-note.ts';

/** Where AMD's encryption bit was seen: a table must be known as one also where nobody says which bit it is. */
const USUAL_MASKS = (1n << 47n) | (1n << 51n);
/** This share of the present entries must name memory; in random bytes and a machine of 1 TiB one in a thousand does. */
const SANE_SHARE = 0.75;
/** Of x86-64; no entry of such a table maps memory itself. */
const TOP_LEVEL = 4;

/** "missing": that page is not in the file, which says nothing of the others. */
export type TableState = 'plausible' | 'implausible' | 'missing';

/** How the page at `paddr` looks as a top-level table. */
export function topLevelTable(
  file: DumpFile,
  memory: CachedMemory,
  format: PageTableFormat,
  paddr: number,
  encryptionMask: bigint,
): TableState {
  const page = memory.page(Math.floor(paddr / memory.pageSize));
  if (page === undefined) return 'missing';
  const words = new EntryWords(format, encryptionMask | USUAL_MASKS);
  const { present, pfns } = nextTables(file, page, TOP_LEVEL, format, words);
  return present > 0 && pfns.length >= present * SANE_SHARE ? 'plausible' : 'implausible';
}

/** Page frames of the tables that the present entries of a table name, as far as they are memory. Leaves name none. */
export function nextTables(
  file: DumpFile,
  table: Buffer,
  level: number,
  format: PageTableFormat,
  words: EntryWords,
): { present: number; pfns: number[] } {
  const pfns: number[] = [];
  let present = 0;
  for (let at = 0; at < 8 << format.bitsPerLevel; at += 8) {
    const low = table.readInt32LE(at);
    if (!format.isPresent(low)) continue;
    present++;
    if (format.isLeaf(low, level)) continue;
    const pfn = words.pfn(low, table.readInt32LE(at + 4));
    if (isMemory(file, pfn)) pfns.push(pfn);
  }
  return { present, pfns };
}

function isMemory({ memory, pageSize }: DumpFile, pfn: number): boolean {
  const paddr = pfn * pageSize;
  const i = extentAt(memory, paddr);
  return i >= 0 && paddr < memory.paddr[i]! + memory.sizeBytes[i]!;
}

/** What QEMU's notes say: a dump with them was taken from outside of the machine. */
export interface CpuTables {
  readonly cpus: number;
  /** Whether any of them translates addresses. */
  readonly paging: boolean;
  /** The best of what their registers lead to; undefined where that is no memory at all. */
  readonly table: TableState | undefined;
}

export function cpuTables(
  file: DumpFile,
  memory: CachedMemory,
  arch: Arch,
  encryptionMask: bigint,
): CpuTables {
  const notes = [...parseNotes(file.notes, file.littleEndian)];
  const cpus = [...qemuCpus(notes, file.littleEndian)].length;
  const inUse = arch.cpuPageTables(notes);
  const words = new EntryWords(arch.tableFormat, encryptionMask | USUAL_MASKS);
  const states = inUse.flatMap(({ root }) => {
    const pfn = words.pfn((root % 2 ** 32) | 0, Math.floor(root / 2 ** 32));
    const paddr = pfn * file.pageSize;
    return isMemory(file, pfn) ? [topLevelTable(file, memory, arch.tableFormat, paddr, encryptionMask)] : [];
  });
  return { cpus, paging: inUse.length > 0, table: bestOf(states) };
}

export function bestOf(states: readonly (TableState | undefined)[]): TableState | undefined {
  return (['plausible', 'missing', 'implausible'] as const).find((state) => states.includes(state));
}
