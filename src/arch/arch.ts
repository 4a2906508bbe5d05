/** What the rest knows of an architecture; each is one file that exports an `Arch`. */

import type { Note } from '../read/dump-file.ts';
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
  /**
   * Top-level tables that CPUs had in use, by what a hypervisor noted of them. The encryption bit may be in `root`, and
   * with page-table isolation one of two is the kernel's: the caller has to look which of them make sense.
   */
  cpuPageTables(notes: Iterable<Note>): readonly { readonly root: number; readonly levels: number }[];
  /** Physical address of an address in the kernel image's own mapping; needs no tables. */
  imageAddress(info: SymbolSource, vaddr: bigint): number | undefined;
  /** Where the kernel image and the modules can be mapped. */
  imageRegions(info: SymbolSource): { readonly image: VirtualRange; readonly modules: VirtualRange };
  /** What is mapped of the kernel image, by the tables: a little more than the image (freed parts, rounding). */
  mappedImage(info: SymbolSource, walker: PageTableWalker): VirtualRange | undefined;
  /** NUMBER(phys_base), as it stands in the kdump sub header. */
  physBase(info: SymbolSource): bigint;
  /** The same from where the segments of an ELF file lie; undefined when none of them is the kernel image. */
  physBaseByMappings(mappings: readonly { vaddr: bigint; paddr: number }[]): bigint | undefined;
}
