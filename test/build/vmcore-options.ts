/** What a synthetic vmcore is asked to be. Every field has a default but path. */
import type { ElfCoreSpec } from './elf.ts';
import type { KernelName } from './kernel-profile.ts';
import type { PageData } from './page-content.ts';
import type { LookOptions, PageKind } from './page-kinds.ts';
import type { Leaf } from './page-tables.ts';
import type { MemoryModel } from './vmcoreinfo-text.ts';

/** Pages of one kind. Frames that no spec names are `fill`, or hold the kernel's own structures. */
export interface PageSpec extends LookOptions {
  readonly pfn: number;
  /** Blocks of 2^order pages; default 1. */
  readonly count?: number;
  readonly kind: PageKind;
  /** Contents of every page of every block; default zero. Bytes given are those of each page. */
  readonly data?: PageData;
}

export interface ElfQuirks {
  /** Program headers at this offset instead of behind the ELF header. makedumpfile cannot find them then. */
  readonly phoff?: number;
  readonly pnXnum?: boolean;
  /** p_offset modulo 4096 of every PT_LOAD. */
  readonly unaligned?: number;
  /** PT_LOADs from the highest address to the lowest. */
  readonly unsorted?: boolean;
  /** A first PT_LOAD of the kernel image at its text address, besides the one of its RAM, as /proc/vmcore has it. */
  readonly overlap?: boolean;
  /** Whole pages at the end of the highest range that p_memsz counts and p_filesz does not. */
  readonly pfileszShort?: number;
  /** Last say over the file's layout: lying headers, a file cut short. */
  readonly spec?: (spec: ElfCoreSpec) => ElfCoreSpec;
}

export interface VmcoreOptions {
  readonly path: string;
  readonly kernel?: KernelName;
  /** utsname and OSRELEASE; default `<kernel>.0-smelt`. */
  readonly release?: string;
  /** Physical ranges in bytes; may start and end in mid-page. Default: 64 MiB from 0 on. */
  readonly ram?: readonly { readonly start: number; readonly end: number }[];
  readonly levels?: 4 | 5;
  readonly smeMask?: bigint;
  /** Frames whose direct map leaves lack the mask, as after set_memory_decrypted. */
  readonly shared?: readonly { readonly pfn: number; readonly count: number }[];
  /** A bit that those leaves have instead, as in a TDX guest. */
  readonly sharedBit?: bigint;
  /** The kernel is loaded at 16 MiB + kernelOffset + physBase. */
  readonly physBase?: bigint;
  readonly kernelOffset?: bigint;
  readonly pageOffset?: bigint;
  readonly vmemmapBase?: bigint;
  readonly memoryModel?: MemoryModel;
  /** Leaf size of the vmemmap, and of the kernel text where it is smaller than 2m. */
  readonly leaf?: Leaf;
  /** Leaf size of the direct map; default 2m, from 128 GiB on 1g. */
  readonly directLeaf?: Leaf;
  readonly maxPhysmemBits?: number;
  readonly pages?: readonly PageSpec[];
  /** What the frames are that nobody names: kernel pages in use, or free blocks as large as they fit. */
  readonly fill?: 'kernel' | 'buddy';
  /** Pages of the image (index from _text) whose struct page says they are on the lru although they are the kernel's. */
  readonly lyingImagePages?: readonly number[];
  readonly textPages?: number;
  readonly bssPages?: number;
  readonly elf?: ElfQuirks;
  readonly vmcoreinfo?: 'note' | 'memory' | 'none';
  readonly overrides?: Readonly<Record<string, string | undefined>>;
  /** NR_FREE_PAGES of each zone (DMA, DMA32, Normal) instead of the truth. */
  readonly freePages?: readonly number[];
  readonly dmesg?: readonly string[];
  /** The message behind the last `dmesg --clear`, or how many there are. */
  readonly clearedBefore?: number;
  /** Of all messages, in kernels since 5.10: 0 is the kernel, 1 what programs wrote; without it some of all, in turn. */
  readonly logFacility?: number;
  /** The log of kernels before 3.5, whatever the kernel. */
  readonly plainLog?: boolean;
  /** NT_PRSTATUS notes, one a CPU; default 1. */
  readonly cpus?: number;
  readonly qemuNote?: boolean;
}
