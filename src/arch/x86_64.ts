/** x86-64: 4- and 5-level tables, 4 KiB, 2 MiB and 1 GiB leaves, KASLR. Source: arch/x86/include/asm/{pgtable_types,page_64_types}.h. */

import { qemuCpus } from '../read/qemu-note.ts';
import type { Arch, SymbolSource, VirtualRange } from './arch.ts';
import type { PageTableFormat, PageTableWalker } from './page-table.ts';

/** Where the kernel image is mapped (`__START_KERNEL_map`); KASLR moves the image inside of it. */
const START_KERNEL_MAP = 0xffffffff80000000n;
/** KERNEL_IMAGE_SIZE with KASLR, and the most that it can be. */
const LARGEST_KERNEL_IMAGE_SIZE = 1n << 30n;
const LARGE_PAGE = 1n << 21n;
/** Source: arch/x86/include/asm/pgtable_64_types.h. */
const MODULES_END = 0xffffffffff000000n;
/** Top-level tables of CPUs, at most: enough to find one that makes sense. */
const MAX_CPU_TABLES = 16;
/** With page-table isolation a user's top-level table stands in the page behind the kernel's (PTI_PGTABLE_SWITCH_BIT). */
const PTI_USER_TABLE = 0x1000;

const _PAGE_PRESENT = 0x1;
const _PAGE_PSE = 0x80;
/** Source: arch/x86/include/asm/pgtable_types.h, _PAGE_BIT_*. */
const FLAGS: readonly (readonly [bit: number, name: string])[] = [
  [0, 'PRESENT'],
  [1, 'RW'],
  [2, 'USER'],
  [3, 'PWT'],
  [4, 'PCD'],
  [5, 'ACCESSED'],
  [6, 'DIRTY'],
  [7, 'PSE'],
  [8, 'GLOBAL'],
  [63, 'NX'],
];

const tableFormat: PageTableFormat = {
  pageShift: 12,
  bitsPerLevel: 9,
  isPresent: (low) => (low & _PAGE_PRESENT) !== 0,
  isLeaf: (low, level) => (level === 2 || level === 3) && (low & _PAGE_PSE) !== 0,
  // Bits 51:12: the encryption bit may be the topmost of them, so it is the walker that takes it out.
  addressMask: 0x000f_ffff_ffff_f000n,
  firstKernelEntry: 256,
  levelNames: ['PTE', 'PMD', 'PUD', 'P4D'],
  // DIRTY and GLOBAL mean something in leaves only.
  flagNames: (entry, isLeaf) =>
    FLAGS.filter(([bit]) => (entry >> BigInt(bit)) & 1n && (isLeaf || (bit !== 6 && bit !== 8))).map(
      ([, name]) => name,
    ),
};

const physBase = (info: SymbolSource) => info.number('phys_base') ?? 0n;

function imageAddress(info: SymbolSource, vaddr: bigint): number | undefined {
  const paddr = vaddr - START_KERNEL_MAP + physBase(info);
  return vaddr >= START_KERNEL_MAP && paddr >= 0n && paddr < 1n << 52n ? Number(paddr) : undefined;
}

/** End of the image's region. */
function imageLimit(info: SymbolSource): bigint {
  const size = info.number('KERNEL_IMAGE_SIZE') ?? LARGEST_KERNEL_IMAGE_SIZE;
  return (
    START_KERNEL_MAP + (size > 0n && size < LARGEST_KERNEL_IMAGE_SIZE ? size : LARGEST_KERNEL_IMAGE_SIZE)
  );
}

export const x86_64: Arch = {
  name: 'x86_64',
  pageSizes: [4096],
  tableFormat,
  physBase,
  /** The lowest mapping of the image's region: modules and the fixmap lie above it. */
  physBaseByMappings(mappings) {
    const ofImage = mappings.filter(
      ({ vaddr }) => vaddr >= START_KERNEL_MAP && vaddr < START_KERNEL_MAP + LARGEST_KERNEL_IMAGE_SIZE,
    );
    if (ofImage.length === 0) return undefined;
    const text = ofImage.reduce((low, mapping) => (mapping.vaddr < low.vaddr ? mapping : low));
    return BigInt(text.paddr) - (text.vaddr - START_KERNEL_MAP);
  },
  imageAddress,

  findPageTables(info, encryptionMask) {
    const top =
      info.symbol('init_top_pgt') ?? info.symbol('init_level4_pgt') ?? info.symbol('swapper_pg_dir');
    const root = top === undefined ? undefined : imageAddress(info, top);
    if (root === undefined) return undefined;
    return {
      root: root - (root % 4096),
      levels: (info.number('pgtable_l5_enabled') ?? 0n) === 0n ? 4 : 5,
      encryptionMask,
      image: { start: START_KERNEL_MAP, end: imageLimit(info), paddr: Number(physBase(info)) },
    };
  },

  cpuPageTables(notes) {
    const tables: { root: number; levels: number }[] = [];
    const add = (root: number, levels: number) => {
      if (tables.every((known) => known.root !== root)) tables.push({ root, levels });
    };
    for (const { cr3, paging, levels } of qemuCpus(notes)) {
      if (!paging) continue;
      if (tables.length >= MAX_CPU_TABLES) break;
      const root = Number(cr3);
      add(root, levels);
      if (root % (2 * PTI_USER_TABLE) !== 0) add(root - PTI_USER_TABLE, levels);
    }
    return tables;
  },

  imageRegions(info) {
    const limit = imageLimit(info);
    return {
      image: { start: START_KERNEL_MAP, end: limit },
      modules: { start: limit, end: MODULES_END },
    };
  },

  /** The kernel clears what it mapped beyond `_brk_end` early in boot, in steps of 2 MiB (cleanup_highmap). */
  mappedImage(info: SymbolSource, walker: PageTableWalker): VirtualRange | undefined {
    const stext = info.symbol('_stext');
    if (stext === undefined || stext < START_KERNEL_MAP) return undefined;
    const start = stext & ~(LARGE_PAGE - 1n);
    const limit = imageLimit(info);
    let end = start;
    // The last 4 KiB of each step: the first may have been unmapped (freed init memory, with page-table isolation).
    while (
      end < limit &&
      (walker.translate(end) ?? walker.translate(end + LARGE_PAGE - 4096n)) !== undefined
    ) {
      end += LARGE_PAGE;
    }
    return end > start ? { start, end } : undefined;
  },
};
