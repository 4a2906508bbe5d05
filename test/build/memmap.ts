/** Where struct pages live: the memory models, their sections and their page-table mappings. */
import type { KernelProfile } from './kernel-profile.ts';
import { type Leaf, leafBytes, type PageTables } from './page-tables.ts';
import { type PhysicalPages, pageSize } from './physical-pages.ts';
import type { PfnAllocator, PfnRange } from './runs.ts';
import type { MemoryModel } from './vmcoreinfo-text.ts';

export const sectionPages = 32768; // SECTION_SIZE_BITS 27
const chunkBytes = sectionPages * 64;

/** The struct pages of one section, 2 MiB, and where they lie in guest memory. */
export interface MemmapChunk {
  readonly firstPfn: number;
  /** Virtual address of its first struct page. */
  readonly vaddr: bigint;
  /** Physical address of each piece, pieces equally long. */
  readonly pieces: readonly number[];
}

export interface MemmapOptions {
  readonly model: MemoryModel;
  /** vmemmap: largest leaf. With 4k the physical pages stand in reverse order, so that only a true walk finds them. */
  readonly leaf: Leaf;
  readonly ram: readonly PfnRange[];
  readonly allocator: PfnAllocator;
  readonly vmemmapBase: bigint;
  readonly pageOffset: bigint;
}

export interface Memmap {
  readonly chunks: readonly MemmapChunk[];
  readonly structPageVaddr: (pfn: number) => bigint;
}

/**
 * Takes the room. Every section with RAM in it gets its struct pages whole, as the kernel does at boot. So makedumpfile,
 * which lowers max_mapnr to the end of the last section that has struct pages (get_mem_map, for mem= kernels), never
 * does so here: its max_mapnr is the end of the highest PT_LOAD rounded up to a page.
 */
export function placeMemmap(o: MemmapOptions): Memmap {
  const sections = sectionsOf(o);
  const chunks =
    sections.length === 0
      ? []
      : o.leaf === '1g' && o.model === 'vmemmap'
        ? oneGig(o, sections)
        : plain(o, sections);
  const byPfn = new Map(chunks.map((c) => [c.firstPfn, c.vaddr]));
  const structPageVaddr = (pfn: number): bigint => {
    const first = Math.floor(pfn / sectionPages) * sectionPages;
    const vaddr = byPfn.get(first);
    if (vaddr === undefined) throw new Error(`page frame ${pfn} has no struct page`);
    return vaddr + BigInt(pfn - first) * 64n;
  };
  return { chunks, structPageVaddr };
}

function sectionsOf(o: MemmapOptions): number[] {
  const numbers = new Set<number>();
  for (const { start, end } of o.ram) {
    for (let s = Math.floor(start / sectionPages); s * sectionPages < end; s++) numbers.add(s);
  }
  const sorted = [...numbers].sort((a, b) => a - b);
  // FLATMEM has struct pages for the holes too, in one array.
  return o.model === 'flatmem' ? Array.from({ length: sorted.at(-1)! + 1 }, (_, s) => s) : sorted;
}

function plain(o: MemmapOptions, sections: readonly number[]): MemmapChunk[] {
  const flatStart = o.model === 'flatmem' ? o.allocator.take(sections.length * 512, 512, 'mem_map') : 0;
  return sections.map((s) => {
    const firstPfn = s * sectionPages;
    const paddr =
      pageSize * (o.model === 'flatmem' ? flatStart + s * 512 : o.allocator.take(512, 512, 'struct pages'));
    const scattered = o.model === 'vmemmap' && o.leaf === '4k';
    const pieces = scattered ? Array.from({ length: 512 }, (_, i) => paddr + (511 - i) * pageSize) : [paddr];
    const direct = o.pageOffset + BigInt(paddr);
    return {
      firstPfn,
      vaddr: o.model === 'vmemmap' ? o.vmemmapBase + BigInt(firstPfn) * 64n : direct,
      pieces,
    };
  });
}

/** 512 sections share a 1 GiB leaf, which must not cover memory of others where a section is. */
function oneGig(o: MemmapOptions, sections: readonly number[]): MemmapChunk[] {
  const groups = new Map<number, number[]>();
  for (const s of sections) {
    const group = Math.floor(s / 512);
    groups.set(group, [...(groups.get(group) ?? []), s]);
  }
  const top = Math.max(...o.ram.map((r) => r.end)) * pageSize;
  const chunks: MemmapChunk[] = [];
  for (const members of groups.values()) {
    const fits = (base: number): boolean =>
      members.every((s) => o.allocator.isFree((base + (s % 512) * chunkBytes) / pageSize, 512));
    let base = Math.floor(top / 2 ** 30) * 2 ** 30;
    while (base >= 0 && !fits(base)) base -= 2 ** 30;
    if (base < 0) throw new Error('no free 1 GiB aligned room for the struct pages of a 1 GiB leaf');
    for (const s of members) {
      const paddr = base + (s % 512) * chunkBytes;
      o.allocator.takeAt(paddr / pageSize, 512);
      const firstPfn = s * sectionPages;
      chunks.push({ firstPfn, vaddr: o.vmemmapBase + BigInt(firstPfn) * 64n, pieces: [paddr] });
    }
  }
  return chunks;
}

/** Maps the vmemmap. The other models lie in the direct map. */
export function mapVmemmap(memmap: Memmap, o: MemmapOptions, tables: PageTables): void {
  if (o.model !== 'vmemmap') return;
  if (o.leaf === '1g') {
    const bases = new Map(
      memmap.chunks.map((c) => [c.vaddr >> 30n, Math.floor(c.pieces[0] / 2 ** 30) * 2 ** 30]),
    );
    for (const [v, paddr] of bases) tables.map(v << 30n, paddr, leafBytes['1g'], { leaf: '1g' });
    return;
  }
  for (const chunk of memmap.chunks) {
    const bytes = chunkBytes / chunk.pieces.length;
    for (const [i, paddr] of chunk.pieces.entries()) {
      tables.map(chunk.vaddr + BigInt(i * bytes), paddr, bytes, { leaf: o.leaf });
    }
  }
}

export interface MemSection {
  readonly vaddr: bigint;
  /** LENGTH(mem_section). */
  readonly length: number;
}

/** Entries of mem_section in the static array, from the number of bits of a physical address. */
export const sectionCount = (maxPhysmemBits: number): number => 2 ** (maxPhysmemBits - 27);

/** Writes mem_section: roots of one page each (SPARSEMEM_EXTREME), or one array (`staticAt`). */
export function writeMemSection(
  memmap: Memmap,
  o: {
    readonly kernel: KernelProfile;
    readonly pages: PhysicalPages;
    readonly allocator: PfnAllocator;
    readonly pageOffset: bigint;
    readonly maxPhysmemBits: number;
    readonly staticAt?: { readonly paddr: number; readonly vaddr: bigint };
  },
): MemSection {
  const entryBytes = o.kernel.memSectionSize;
  const coded = (c: MemmapChunk): bigint => (c.vaddr - BigInt(c.firstPfn) * 64n) | o.kernel.sectionFlags;
  if (o.staticAt) {
    for (const c of memmap.chunks) {
      o.pages.writeU64(o.staticAt.paddr + (c.firstPfn / sectionPages) * entryBytes, coded(c));
    }
    return { vaddr: o.staticAt.vaddr, length: sectionCount(o.maxPhysmemBits) };
  }
  const perRoot = pageSize / entryBytes;
  const length = Math.ceil(sectionCount(o.maxPhysmemBits) / perRoot);
  const rootsPaddr = o.allocator.take(Math.ceil((length * 8) / pageSize), 1, 'mem_section') * pageSize;
  const roots = new Map<number, number>();
  for (const c of memmap.chunks) {
    const section = c.firstPfn / sectionPages;
    const root = Math.floor(section / perRoot);
    let paddr = roots.get(root);
    if (paddr === undefined) {
      paddr = o.allocator.take(1, 1, 'a root of mem_section') * pageSize;
      roots.set(root, paddr);
      o.pages.writeU64(rootsPaddr + root * 8, o.pageOffset + BigInt(paddr));
    }
    o.pages.writeU64(paddr + (section % perRoot) * entryBytes, coded(c));
  }
  return { vaddr: o.pageOffset + BigInt(rootsPaddr), length };
}
