/** What page frames are that a machine with encrypted memory shares with devices or with its host. */

import type { Arch } from '../../arch/arch.ts';
import type { PageTableWalker } from '../../arch/page-table.ts';
import type { PfnRange } from '../../kernel/image.ts';
import type { KernelSymbols } from '../../kernel/kallsyms.ts';
import type { Vmcoreinfo } from '../../kernel/vmcoreinfo.ts';
import { FrameSet } from './frame-set.ts';
import type { MemoryRuns } from './memory-runs.ts';

/**
 * "bss..decrypted": variables of the kernel that its host reads (kvmclock). "swiotlb": the buffers through which devices get at
 * encrypted memory. "GHCB": a page a CPU, by which an SEV-ES guest talks to its host.
 */
export type SharedUse = 'bss..decrypted' | 'swiotlb' | 'GHCB';

/** An encrypted guest has 1 GiB at most by itself (mem_encrypt_setup_arch); `swiotlb=` may ask for more. */
const MAX_SWIOTLB_BYTES = 16 * 2 ** 30;
/** CONFIG_NR_CPUS with CONFIG_MAXSMP. */
const MAX_CPUS = 8192;
/** CPUs are numbered without gaps; behind so many without a GHCB there is none. */
const CPUS_WITHOUT = 64;
const POINTERS = 1n << 63n;

export interface SharedFrames {
  /** Undefined: the rest. */
  readonly use: SharedUse | undefined;
  readonly frames: FrameSet;
}

interface Sources {
  readonly arch: Arch;
  readonly info: Vmcoreinfo;
  readonly symbols: KernelSymbols;
  readonly walker: PageTableWalker;
  readonly memory: MemoryRuns;
  readonly pageSize: number;
}

/** Parts `shared` by use, those that are known first, the rest last; parts without frames are left out. */
export function nameShared(shared: FrameSet, sources: Sources): SharedFrames[] {
  const parts: SharedFrames[] = [];
  let rest = shared;
  const take = (use: SharedUse, ranges: readonly PfnRange[]) => {
    const frames = new FrameSet(shared.limit);
    for (const { pfn, end } of ranges) {
      for (const [from, to] of rest.runsIn(pfn, end - pfn)) frames.add(from, to - from);
    }
    if (frames.count === 0) return;
    parts.push({ use, frames });
    rest = rest.minus(frames);
  };
  take('bss..decrypted', decryptedBss(sources));
  take('swiotlb', swiotlbPool(sources));
  if (rest.count > 0) take('GHCB', ghcbs(rest, sources));
  return rest.count > 0 ? [...parts, { use: undefined, frames: rest }] : parts;
}

/**
 * What lies behind `__start_bss_decrypted_unused` is encrypted again and given back at boot (mem_encrypt_free_decrypted_mem).
 * Source: arch/x86/kernel/vmlinux.lds.S, BSS_DECRYPTED.
 */
function decryptedBss({ arch, info, symbols, pageSize }: Sources): PfnRange[] {
  const pfnOf = (name: string) => {
    const vaddr = symbols.get(name);
    const paddr = vaddr === undefined ? undefined : arch.imageAddress(info, vaddr);
    return paddr === undefined ? undefined : paddr / pageSize;
  };
  const pfn = pfnOf('__start_bss_decrypted');
  const end = pfnOf('__start_bss_decrypted_unused') ?? pfnOf('__end_bss_decrypted');
  return pfn === undefined || end === undefined || end <= pfn
    ? []
    : [{ pfn: Math.floor(pfn), end: Math.ceil(end) }];
}

/**
 * The pool that is made at boot; what SWIOTLB_DYNAMIC adds later is not looked for. Where its first and its last address
 * stand: in `io_tlb_start` and `io_tlb_end` (v5.11); then in the first two words of struct io_tlb_mem (v5.13), later of the
 * struct io_tlb_pool that it begins with (v6.8). `io_tlb_default_mem` was a pointer to it at first, and is the structure itself
 * since: an address of the kernel tells the one from the other. Source: include/linux/swiotlb.h, kernel/dma/swiotlb.c.
 */
function swiotlbPool({ symbols, walker, memory, pageSize }: Sources): PfnRange[] {
  const read = (vaddr: bigint | undefined) => (vaddr === undefined ? undefined : walker.readU64(vaddr));
  const structure = symbols.get('io_tlb_default_mem');
  const word = read(structure);
  const at = word !== undefined && word >= POINTERS ? word : structure;
  const start = at === undefined ? read(symbols.get('io_tlb_start')) : read(at);
  const end = at === undefined ? read(symbols.get('io_tlb_end')) : read(at + 8n);
  if (start === undefined || end === undefined || start >= end) return [];
  if (end - start > BigInt(MAX_SWIOTLB_BYTES)) return [];
  const range = { pfn: Number(start) / pageSize, end: Number(end) / pageSize };
  if (!Number.isInteger(range.pfn) || !Number.isInteger(range.end)) return [];
  return memory.has(range.pfn) && memory.has(range.end - 1) ? [range] : [];
}

/**
 * The per-CPU variable `runtime_data` points to a struct sev_es_runtime_data, which begins with the page. Believed only where
 * that page is shared. Source: arch/x86/coco/sev/internal.h (arch/x86/kernel/sev.c before v6.11).
 */
function ghcbs(shared: FrameSet, { symbols, walker, pageSize }: Sources): PfnRange[] {
  const variable = symbols.get('runtime_data');
  const offsets = symbols.get('__per_cpu_offset');
  const ranges: PfnRange[] = [];
  if (variable === undefined || offsets === undefined) return ranges;
  let without = 0;
  for (let cpu = 0; cpu < MAX_CPUS && without < CPUS_WITHOUT; cpu++) {
    const offset = walker.readU64(offsets + BigInt(cpu * 8));
    if (offset === undefined) break;
    const data = walker.readU64(BigInt.asUintN(64, variable + offset));
    const paddr = data === undefined ? undefined : walker.translate(data)?.paddr;
    const pfn = paddr === undefined ? undefined : paddr / pageSize;
    if (pfn === undefined || !Number.isInteger(pfn) || !shared.has(pfn)) {
      without++;
      continue;
    }
    without = 0;
    ranges.push({ pfn, end: pfn + 1 });
  }
  return ranges;
}
