/** Which page frames the kernel image occupies: they are kept, whatever their struct pages claim. */

import type { Arch } from '../arch/arch.ts';
import type { PageTableWalker } from '../arch/page-table.ts';
import type { KernelSymbols } from './kallsyms.ts';
import type { Vmcoreinfo } from './vmcoreinfo.ts';

export interface PfnRange {
  readonly pfn: number;
  /** First page frame behind the range. */
  readonly end: number;
}

export interface KernelImage {
  /** Ascending, disjoint. */
  readonly ranges: readonly PfnRange[];
  /**
   * "symbols": the kernel's own symbol table gave the ends of text, rodata, data and bss, and every page frame of the
   * ranges is the image's. "mapping": the ranges are what the page tables map of the image, which includes memory that
   * the kernel freed after boot; there, only page frames with PG_reserved are the image's.
   */
  readonly by: 'symbols' | 'mapping';
}

/**
 * Parts of the image that are never freed, as [first byte, first byte behind], each by the first of the linker's
 * symbols that the kernel has, and where several stand in a row by the highest. Source: arch/x86/kernel/vmlinux.lds.S.
 * What lies between is given back after boot: the padding of text and rodata, init, the SMP lock table, the part of
 * .bss..decrypted that nobody uses (docs/notes/kernel-image.md has the page counts of five kernels).
 */
const PARTS: readonly { start: readonly string[]; end: readonly string[] }[] = [
  { start: ['_stext'], end: ['_etext'] },
  { start: ['__start_rodata'], end: ['__end_rodata'] },
  { start: ['_sdata'], end: ['__init_begin'] },
  { start: ['__init_end', '__smp_locks_end'], end: ['__start_bss_decrypted_unused', '__bss_stop'] },
];

/** All names among them. */
export const IMAGE_SYMBOLS = PARTS.flatMap(({ start, end }) => [...start, ...end]);

export function kernelImage(
  info: Vmcoreinfo,
  arch: Arch,
  walker: PageTableWalker,
  symbols: KernelSymbols | undefined,
  pageSize: number,
): KernelImage | undefined {
  const pfnOf = (vaddr: bigint) => {
    const paddr = arch.imageAddress(info, vaddr);
    return paddr === undefined ? undefined : paddr / pageSize;
  };
  const ranges: PfnRange[] = [];
  const pfnsOf = (names: readonly string[]) =>
    names.flatMap((name) => {
      const vaddr = symbols?.get(name);
      return (vaddr === undefined ? undefined : pfnOf(vaddr)) ?? [];
    });
  for (const { start, end } of PARTS) {
    const from = Math.max(...pfnsOf(start));
    const to = pfnsOf(end)[0];
    if (to !== undefined && from >= 0 && from < to)
      ranges.push({ pfn: Math.floor(from), end: Math.ceil(to) });
  }
  if (ranges.length === PARTS.length) return { ranges: ranges.sort((a, b) => a.pfn - b.pfn), by: 'symbols' };
  const mapped = arch.mappedImage(info, walker);
  const from = mapped && pfnOf(mapped.start);
  if (mapped === undefined || from === undefined) return undefined;
  const end = from + Number(mapped.end - mapped.start) / pageSize;
  return { ranges: [{ pfn: Math.floor(from), end: Math.ceil(end) }], by: 'mapping' };
}
