/** What the rest knows of an architecture; each is one file that exports an `Arch`. */

import type { PageTableFormat, PageTables, PageTableWalker } from './page-table.ts';

/** What VMCOREINFO says, as an architecture asks for it. */
export interface SymbolSource {
  symbol(name: string): bigint | undefined;
  number(name: string): bigint | undefined;
}

/** A range of kernel virtual addresses. */
export interface VirtualRange {
  readonly start: bigint;
  readonly end: bigint;
}

export interface Arch {
  /** As `uname -m` names it. */
  readonly name: string;
  readonly pageSizes: readonly number[];
  readonly tableFormat: PageTableFormat;
  /** The kernel's own page tables; undefined where VMCOREINFO lacks what it takes. */
  findPageTables(info: SymbolSource, encryptionMask: bigint): PageTables | undefined;
  /** Physical address of an address in the kernel image's own mapping; needs no tables. */
  imageAddress(info: SymbolSource, vaddr: bigint): number | undefined;
  /** What is mapped of the kernel image, by the tables: a little more than the image (freed parts, rounding). */
  mappedImage(info: SymbolSource, walker: PageTableWalker): VirtualRange | undefined;
  /** NUMBER(phys_base), as it stands in the kdump sub header. */
  physBase(info: SymbolSource): bigint;
  /** The same from where the segments of an ELF file lie; undefined when none of them is the kernel image. */
  physBaseByMappings(mappings: readonly { vaddr: bigint; paddr: number }[]): bigint | undefined;
}
