/** Which virtual memory of the kernel is what: the direct map by the page tables themselves, the rest by its order. */

import type { Arch, SymbolSource, VirtualRange } from '../../arch/arch.ts';
import { EntryWords, type PageTableFormat, type PageTables } from '../../arch/page-table.ts';
import { TableReader } from '../../arch/table-reader.ts';
import type { MemoryReader } from '../../read/dump-file.ts';
import type { MemoryRuns } from './memory-runs.ts';
import { MIDDLE_LEVEL, type UpperTables, vpnOf } from './upper-tables.ts';

export const REGION_NAMES = ['direct map', 'vmalloc', 'vmemmap', 'image', 'modules', 'other'] as const;
export type RegionName = (typeof REGION_NAMES)[number];
export const OTHER_REGION = REGION_NAMES.indexOf('other');

/** Virtual pages `from` … `to - 1`, by their number: vaddr / page size. */
export interface Region {
  /** Index in REGION_NAMES. */
  readonly name: number;
  readonly from: number;
  readonly to: number;
}

export interface DirectMap {
  /** Virtual page number minus page frame number, the same for all of RAM. */
  readonly offset: number;
  /** Pages that speak for it. */
  readonly pages: number;
}

/** Where VMCOREINFO does not say: nothing is known of the kernel but its tables. */
const NO_SYMBOLS: SymbolSource = { symbol: () => undefined, number: () => undefined };

/**
 * The direct map is the one mapping of all of RAM at a constant distance, so the distance that most of the tables of 1 GiB
 * begin with is its own. Each speaks for as many pages as its entries could map. KASLR moves the map by whole GiB
 * (arch/x86/mm/kaslr.c, PUD_MASK), so that other distances do not count. A step is a table of 1 GiB.
 */
export function* findDirectMap(
  reader: MemoryReader,
  arch: Arch,
  { encryptionMask }: PageTables,
  { middle, huge }: UpperTables,
  memory: MemoryRuns,
): Generator<void, DirectMap | undefined> {
  const format = arch.tableFormat;
  const entry = new EntryWords(format, encryptionMask);
  const image = vpnOf(format, arch.imageRegions(NO_SYMBOLS).image.start);
  const pagesOf = (level: number) => 2 ** (format.bitsPerLevel * (level - 1));
  const votes = new Map<number, number>();
  const vote = (vpn: number, pfn: number, pages: number) => {
    const offset = vpn - pfn;
    if (vpn >= image || offset % pagesOf(MIDDLE_LEVEL + 1) !== 0 || !memory.has(pfn)) return;
    votes.set(offset, (votes.get(offset) ?? 0) + pages);
  };
  for (const { level, low, high, vpn } of huge) {
    const pfn = entry.pfn(low, high);
    vote(vpn, pfn - (pfn % pagesOf(level)), pagesOf(level));
  }
  const tables = { middle: new TableReader(reader), lowest: new TableReader(reader) };
  for (const { pfn, vpn } of middle) {
    if (!tables.middle.load(pfn)) continue;
    yield;
    const first = firstMapping(tables, format, entry, vpn, memory);
    if (first !== undefined) vote(first.vpn, first.pfn, first.entries * pagesOf(MIDDLE_LEVEL));
  }
  let best: DirectMap | undefined;
  for (const [offset, pages] of votes) {
    if (pages > (best?.pages ?? 0)) best = { offset, pages };
  }
  return best;
}

/** The first page that a table of 1 GiB maps in memory, and how many different entries it has; one lowest table is looked into. */
function firstMapping(
  tables: { readonly middle: TableReader; readonly lowest: TableReader },
  format: PageTableFormat,
  entry: EntryWords,
  vpn: number,
  memory: MemoryRuns,
): { vpn: number; pfn: number; entries: number } | undefined {
  const pages = 2 ** format.bitsPerLevel;
  const { words } = tables.middle;
  let first: { vpn: number; pfn: number } | undefined;
  let entries = 0;
  let before = -1;
  let looked = false;
  for (let i = 0; i < tables.middle.entries; i++) {
    const low = words[2 * i]!;
    if (!format.isPresent(low)) continue;
    const pfn = entry.pfn(low, words[2 * i + 1]!);
    // espfix and KASAN have one table again and again.
    if (pfn !== before) entries++;
    before = pfn;
    if (first !== undefined) continue;
    if (format.isLeaf(low, MIDDLE_LEVEL)) {
      const base = pfn - (pfn % pages);
      if (memory.has(base)) first = { vpn: vpn + i * pages, pfn: base };
    } else if (!looked) {
      looked = true;
      first = firstInLowest(tables.lowest, format, entry, pfn, vpn + i * pages, memory);
    }
  }
  return first && { ...first, entries };
}

function firstInLowest(
  table: TableReader,
  format: PageTableFormat,
  entry: EntryWords,
  tablePfn: number,
  vpn: number,
  memory: MemoryRuns,
): { vpn: number; pfn: number } | undefined {
  if (!table.load(tablePfn)) return undefined;
  const { words } = table;
  for (let i = 0; i < table.entries; i++) {
    if (!format.isPresent(words[2 * i]!)) continue;
    const pfn = entry.pfn(words[2 * i]!, words[2 * i + 1]!);
    if (memory.has(pfn)) return { vpn: vpn + i, pfn };
  }
  return undefined;
}

/**
 * Regions in the order in which a page is looked for in them. KASLR moves the direct map, vmalloc and the vmemmap, but
 * keeps their order (arch/x86/mm/kaslr.c, kaslr_regions), so vmalloc is what lies between the other two.
 */
export function kernelRegions(
  arch: Arch,
  info: SymbolSource | undefined,
  memory: MemoryRuns,
  direct: DirectMap | undefined,
  vmemmap: VirtualRange | undefined,
): Region[] {
  const regions: Region[] = [];
  const add = (name: RegionName, from: number, to: number) => {
    if (from < to) regions.push({ name: REGION_NAMES.indexOf(name), from, to });
  };
  const pages = (range: VirtualRange) =>
    [vpnOf(arch.tableFormat, range.start), vpnOf(arch.tableFormat, range.end)] as const;
  const { image, modules } = arch.imageRegions(info ?? NO_SYMBOLS);
  add('image', ...pages(image));
  add('modules', ...pages(modules));
  if (direct === undefined) return regions;
  const directEnd = direct.offset + memory.limit;
  add('direct map', direct.offset, directEnd);
  if (vmemmap === undefined) return regions;
  const [from, to] = pages(vmemmap);
  // Without SPARSEMEM_VMEMMAP struct pages lie in the direct map.
  if (from < directEnd) return regions;
  add('vmemmap', from, to);
  add('vmalloc', directEnd, from);
  return regions;
}

/** Index in REGION_NAMES of the region that a virtual page lies in. */
export function regionOf(regions: readonly Region[], vpn: number): number {
  for (const region of regions) if (vpn >= region.from && vpn < region.to) return region.name;
  return OTHER_REGION;
}
