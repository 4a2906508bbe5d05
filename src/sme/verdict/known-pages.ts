/**
 * Pages of a readable machine that never look random: page tables, struct pages, kernel text. No other page is touched here, for the
 * sake of SNP guests, where a read of the wrong page (a CPU's VMSA) is the end.
 */

import type { Arch } from '../../arch/arch.ts';
import type { CachedMemory } from '../../arch/memory.ts';
import { EntryWords, type PageTables, PageTableWalker } from '../../arch/page-table.ts';
import type { MemoryMapInfo } from '../../kernel/machine.ts';
import { MemoryMap } from '../../kernel/memory-model.ts';
import type { Vmcoreinfo } from '../../kernel/vmcoreinfo.ts';
import type { DumpFile, MemoryReader } from '../../read/dump-file.ts';
import { looksRandom } from './randomness.ts';
import { spreadPfns, spreadRanks } from './sample.ts';
import { nextTables } from './tables.ts';

/** Pages that are looked at of each kind. */
const PAGES = 8;
/** Fewer of a kind say nothing. */
const FEWEST = 3;
/** Of the beginning of the text: every kernel has as much of it. */
const TEXT_PAGES = 64;

export interface KnownPages {
  readonly pages: number;
  readonly randomPages: number;
  /** More than half of the pages of at least two kinds look random: one kind alone may be filled with anything by a test. */
  readonly mostlyRandom: boolean;
}

export function lookAtKnownPages(
  file: DumpFile,
  reader: MemoryReader,
  memory: CachedMemory,
  arch: Arch,
  info: Vmcoreinfo,
  tables: PageTables,
  map: MemoryMapInfo | undefined,
): KnownPages {
  const walker = new PageTableWalker(memory, arch.tableFormat, tables);
  const kinds = [
    tablePages(file, memory, arch, tables),
    map === undefined ? [] : structPages(file, map, walker),
    textPages(file, arch, info),
  ];
  let [pages, randomPages, randomKinds] = [0, 0, 0];
  for (const pfns of kinds) {
    let [looked, random] = [0, 0];
    for (const pfn of pfns) {
      if (reader.load(pfn, 1) === 0) continue;
      looked++;
      if (looksRandom(reader.bytes, reader.start)) random++;
    }
    if (looked >= FEWEST && random > looked / 2) randomKinds++;
    pages += looked;
    randomPages += random;
  }
  return { pages, randomPages, mostlyRandom: randomKinds >= 2 };
}

/** Some tables of each level, from the top down. */
function tablePages(file: DumpFile, memory: CachedMemory, arch: Arch, tables: PageTables): number[] {
  const words = new EntryWords(arch.tableFormat, tables.encryptionMask);
  const found = [tables.root / file.pageSize];
  for (let level = tables.levels, at = 0; level > 1 && found.length < PAGES; level--) {
    for (const behind = found.length; at < behind; at++) {
      const page = memory.page(found[at]!);
      if (page === undefined) continue;
      // Two of each, from the end: the upper half of the top-level table is the kernel's.
      const { pfns } = nextTables(file, page, level, arch.tableFormat, words);
      found.push(...pfns.slice(-2).filter((pfn) => !found.includes(pfn)));
    }
  }
  return found.slice(0, PAGES);
}

/** Where the struct pages of some page frames lie. */
function structPages(file: DumpFile, map: MemoryMapInfo, walker: PageTableWalker): number[] {
  const structs = new MemoryMap(map.model, walker, map.rules.sizeBytes);
  const found = new Set<number>();
  for (const pfn of spreadPfns(file, PAGES)) {
    for (const { paddr } of structs.pieces(pfn, 1)) {
      if (paddr !== undefined) found.add(Math.floor(paddr / file.pageSize));
    }
  }
  return [...found];
}

function textPages(file: DumpFile, arch: Arch, info: Vmcoreinfo): number[] {
  const stext = info.symbol('_stext');
  const paddr = stext === undefined ? undefined : arch.imageAddress(info, stext);
  if (paddr === undefined) return [];
  return spreadRanks(TEXT_PAGES, PAGES).map((rank) => Math.floor(paddr / file.pageSize) + rank);
}
