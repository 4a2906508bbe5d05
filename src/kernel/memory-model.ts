/** Where the struct page of a page frame is: SPARSEMEM (static, extreme, with vmemmap or without) and FLATMEM. */

import type { VirtualRange } from '../arch/arch.ts';
import type { PageTableWalker } from '../arch/page-table.ts';
import type { Vmcoreinfo } from './vmcoreinfo.ts';

/** Plain data; what a thread needs to find struct pages with a walker of its own. */
export type MemoryModel =
  | {
      readonly kind: 'sparsemem';
      /** Address of the array of sections, or of pointers to pages of sections (`extreme`). */
      readonly memSection: bigint;
      readonly extreme: boolean;
      readonly roots: number;
      readonly sectionsPerRoot: number;
      /** struct mem_section: its size and where section_mem_map is in it. */
      readonly sectionBytes: number;
      readonly mapOffset: number;
      readonly pfnsPerSection: number;
    }
  | { readonly kind: 'flatmem'; readonly memMap: bigint };

/** A run of page frames and the physical address of the first one's struct page; undefined where there is none. */
export interface MapPiece {
  readonly pfn: number;
  readonly count: number;
  readonly paddr: number | undefined;
}

const SECTION_MARKED_PRESENT = 1n;
/** Flags in section_mem_map stand below this; the address in it is a multiple of the page size. */
const SECTION_FLAGS = 0xfffn;

const DEFAULT_SECTION_SIZE_BITS = 27;
const DEFAULT_MAX_PHYSMEM_BITS = 46;
const MAX_PHYSMEM_BITS_L5 = 52;

/**
 * `pointerAt` gives what a variable in the kernel image holds. The kernel exports the address of the array behind
 * `mem_section`, and LENGTH(mem_section); a vmlinux has the address of the variable, which has a length only where it is
 * the array itself.
 */
export function memoryModel(
  info: Vmcoreinfo,
  pageShift: number,
  pointerAt: (vaddr: bigint) => bigint | undefined = () => undefined,
): MemoryModel | undefined {
  const symbol = info.symbol('mem_section');
  const isArray = symbol === undefined || info.length('mem_section') !== undefined;
  const memSection = isArray ? symbol : (pointerAt(symbol) ?? symbol);
  const sectionBytes = info.size('mem_section');
  const mapOffset = info.offset('mem_section.section_mem_map');
  if (memSection === undefined || sectionBytes === undefined || mapOffset === undefined) {
    const memMap = info.symbol('mem_map');
    return memMap === undefined ? undefined : { kind: 'flatmem', memMap };
  }
  const levels5 = (info.number('pgtable_l5_enabled') ?? 0n) !== 0n;
  const sectionBits = Number(info.number('SECTION_SIZE_BITS') ?? DEFAULT_SECTION_SIZE_BITS);
  const physBits = Number(
    info.number('MAX_PHYSMEM_BITS') ?? (levels5 ? MAX_PHYSMEM_BITS_L5 : DEFAULT_MAX_PHYSMEM_BITS),
  );
  const sane =
    sectionBits > pageShift &&
    sectionBits <= 40 &&
    physBits > sectionBits &&
    physBits <= 52 &&
    sectionBytes >= 8 &&
    sectionBytes <= 2 ** (pageShift - 1) &&
    mapOffset + 8 <= sectionBytes;
  if (!sane) return undefined;
  const sections = 2 ** (physBits - sectionBits);
  const perRoot = Math.floor(2 ** pageShift / sectionBytes);
  const length = info.length('mem_section');
  const extreme = length === undefined || length === Math.ceil(sections / perRoot);
  return {
    kind: 'sparsemem',
    memSection,
    extreme,
    roots: extreme ? Math.ceil(sections / perRoot) : sections,
    sectionsPerRoot: extreme ? perRoot : 1,
    sectionBytes,
    mapOffset,
    pfnsPerSection: 2 ** (sectionBits - pageShift),
  };
}

/** One thread's way from page frames to their struct pages. */
export class MemoryMap {
  private readonly model: MemoryModel;
  private readonly walker: PageTableWalker;
  private readonly structBytes: number;

  constructor(model: MemoryModel, walker: PageTableWalker, structBytes: number) {
    this.model = model;
    this.walker = walker;
    this.structBytes = structBytes;
  }

  /** The struct pages of `count` page frames from `pfn`, in order and without gaps. */
  *pieces(pfn: number, count: number): Generator<MapPiece> {
    for (const run of this.runs(pfn, count)) {
      if (run.base === undefined) yield { pfn: run.pfn, count: run.count, paddr: undefined };
      else
        yield* this.physicalPieces(run.pfn, run.count, run.base + BigInt(run.pfn) * BigInt(this.structBytes));
    }
  }

  /**
   * Where the struct pages of all page frames below `end` would be, if they are one array of virtual memory
   * (SPARSEMEM_VMEMMAP): the sections of all page frames given have one base. Undefined otherwise.
   */
  vmemmap(pfns: readonly number[], end: number): VirtualRange | undefined {
    if (this.model.kind !== 'sparsemem') return undefined;
    const bases = new Set<bigint>();
    for (const pfn of pfns) {
      const base = this.sectionMap(Math.floor(pfn / this.model.pfnsPerSection));
      if (base !== undefined) bases.add(base);
    }
    const [base] = bases;
    return base === undefined || bases.size > 1
      ? undefined
      : { start: base, end: base + BigInt(end) * BigInt(this.structBytes) };
  }

  /** Page frames whose struct pages follow each other in virtual memory; `base` is where that of pfn 0 would be. */
  private *runs(
    pfn: number,
    count: number,
  ): Generator<{ pfn: number; count: number; base: bigint | undefined }> {
    const end = pfn + count;
    if (this.model.kind === 'flatmem') {
      yield { pfn, count, base: this.walker.readU64(this.model.memMap) };
      return;
    }
    const { pfnsPerSection } = this.model;
    let pending: { pfn: number; count: number; base: bigint | undefined } | undefined;
    for (let at = pfn; at < end; ) {
      const section = Math.floor(at / pfnsPerSection);
      const inSection = Math.min(end, (section + 1) * pfnsPerSection) - at;
      const base = this.sectionMap(section);
      if (pending && pending.base === base) {
        pending.count += inSection;
      } else {
        if (pending) yield pending;
        pending = { pfn: at, count: inSection, base };
      }
      at += inSection;
    }
    if (pending) yield pending;
  }

  /** section_mem_map without its flags, or undefined for a section that is not there. */
  private sectionMap(section: number): bigint | undefined {
    if (this.model.kind !== 'sparsemem') return undefined;
    const { memSection, extreme, roots, sectionsPerRoot, sectionBytes, mapOffset } = this.model;
    const root = Math.floor(section / sectionsPerRoot);
    if (root >= roots) return undefined;
    const rootAddress = extreme
      ? this.walker.readU64(memSection + BigInt(root * 8))
      : memSection + BigInt(root * sectionBytes);
    if (rootAddress === undefined || rootAddress === 0n) return undefined;
    const entry = rootAddress + BigInt((section % sectionsPerRoot) * sectionBytes + mapOffset);
    const value = this.walker.readU64(entry);
    if (value === undefined || (value & SECTION_MARKED_PRESENT) === 0n) return undefined;
    return value & ~SECTION_FLAGS;
  }

  private *physicalPieces(pfn: number, count: number, vaddr: bigint): Generator<MapPiece> {
    const size = this.structBytes;
    let byte = 0;
    let next = 0;
    for (const { paddr, sizeBytes } of this.walker.stretches(vaddr, count * size)) {
      const first = Math.ceil(byte / size);
      const behind = Math.floor((byte + sizeBytes) / size);
      // A struct page that lies across two stretches is rare (its size is a power of two) and left undecided.
      if (first > next) yield { pfn: pfn + next, count: first - next, paddr: undefined };
      if (behind > first) {
        const at = paddr === undefined ? undefined : paddr + (first * size - byte);
        yield { pfn: pfn + first, count: behind - first, paddr: at };
      }
      next = Math.max(next, behind);
      byte += sizeBytes;
    }
    if (next < count) yield { pfn: pfn + next, count: count - next, paddr: undefined };
  }
}
