/** The page tables of a dump: which top-level tables there are, and every present entry below them. */
import type { PageTableFormat } from '../../src/arch/page-table.ts';
import type { PfnRun } from './copy-dump.ts';
import { pageSize } from './physical-pages.ts';

const ENTRIES = 512;
/** The upper half of a top-level table is the kernel's, and the same in all of them. */
const KERNEL_HALF = 256;
/** Accessed and dirty: the processor sets them in each table by itself. */
const BY_PROCESSOR = 0x60;

export interface TableEntry {
  /** Page frame of the table, and which entry of it. */
  readonly table: number;
  readonly index: number;
  /** 1 is the lowest. */
  readonly level: number;
  /** Where its mapping begins, by the first way that leads to the table. */
  readonly vaddr: bigint;
  readonly raw: bigint;
  /** Of the memory that a leaf maps, or of the next table. */
  readonly paddr: number;
  /** Bytes that a leaf maps; undefined: the entry names the next table. */
  readonly leafBytes: number | undefined;
}

/**
 * Every present entry below the top-level tables `roots` (page frames), each table once. The dump has no encryption bit yet.
 * Tables that it does not have are passed over.
 */
export function tableEntries(
  page: (pfn: number) => Buffer | undefined,
  format: PageTableFormat,
  roots: readonly number[],
  levels: number,
): TableEntry[] {
  const entries: TableEntry[] = [];
  const seen = new Set<number>();
  const addressBits = format.pageShift + levels * format.bitsPerLevel;
  const visit = (table: number, level: number, base: bigint): void => {
    const bytes = seen.has(table) ? undefined : page(table);
    seen.add(table);
    if (bytes === undefined) return;
    const shift = format.pageShift + (level - 1) * format.bitsPerLevel;
    for (let index = 0; index < ENTRIES; index++) {
      const low = bytes.readUInt32LE(index * 8);
      if (!format.isPresent(low)) continue;
      const raw = bytes.readBigUInt64LE(index * 8);
      const leafBytes = level === 1 || format.isLeaf(low, level) ? 2 ** shift : undefined;
      const address = Number(raw & format.addressMask);
      // A large leaf has flags in address bits below its size.
      const paddr = address - (address % (leafBytes ?? pageSize));
      const vaddr = BigInt.asUintN(64, BigInt.asIntN(addressBits, base + (BigInt(index) << BigInt(shift))));
      entries.push({ table, index, level, vaddr, raw, paddr, leafBytes });
      if (leafBytes === undefined) visit(paddr / pageSize, level - 1, vaddr);
    }
  };
  for (const root of roots) visit(root, levels, 0n);
  return entries;
}

/**
 * Tells top-level tables of processes: their kernel half is that of init_top_pgt (arch/x86/mm/pgtable.c, pgd_ctor). Those of
 * freed processes look the same; whether the page frame is in use is for the caller to find out.
 */
export function topLevelTest(initTopPgt: Buffer): (page: Buffer) => boolean {
  const present: number[] = [];
  for (let at = KERNEL_HALF * 8; at < pageSize; at += 8) if (initTopPgt[at] & 1) present.push(at);
  return (page) =>
    present.every(
      (at) =>
        ((page.readInt32LE(at) ^ initTopPgt.readInt32LE(at)) & ~BY_PROCESSOR) === 0 &&
        page.readInt32LE(at + 4) === initTopPgt.readInt32LE(at + 4),
    );
}

/** The direct map: in each of its leaves vaddr − paddr is PAGE_OFFSET. */
export class DirectMap {
  readonly pageOffset: bigint;

  /** Of the regions of the kernel half it is the lowest. Source: Documentation/arch/x86/x86_64/mm.rst; KASLR keeps the order. */
  constructor(entries: readonly TableEntry[]) {
    const lowest = entries.find(({ vaddr, leafBytes }) => vaddr >> 63n === 1n && leafBytes !== undefined);
    if (lowest === undefined) throw new Error('the page tables map nothing in the kernel half');
    this.pageOffset = lowest.vaddr - BigInt(lowest.paddr);
    if (this.pageOffset % 2n ** 30n !== 0n)
      throw new Error(`PAGE_OFFSET 0x${this.pageOffset.toString(16)} makes no sense`);
  }

  has(leaf: TableEntry): boolean {
    return leaf.vaddr - BigInt(leaf.paddr) === this.pageOffset;
  }
}

/** Page frames that a leaf maps. */
export function framesOf(leaf: TableEntry): PfnRun {
  return { pfn: leaf.paddr / pageSize, count: (leaf.leafBytes ?? 0) / pageSize };
}
