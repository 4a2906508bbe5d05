/** What the kernel counts of its memory, for all zones and nodes together. Source: mm/vmstat.c, fs/proc/meminfo.c. */

import type { KernelView } from '../view/view.ts';

/** Pages. Each is undefined where it cannot be read. */
export interface MemoryCounters {
  /** All that the buddy allocator was given. */
  readonly total: number | undefined;
  readonly slab: number | undefined;
  readonly slabReclaimable: number | undefined;
  readonly slabUnreclaimable: number | undefined;
  /** File pages with those of swap and shared memory; those of shared memory. */
  readonly file: number | undefined;
  readonly shmem: number | undefined;
  readonly anon: number | undefined;
  readonly pageTables: number | undefined;
  readonly kernelStacks: number | undefined;
  readonly vmalloc: number | undefined;
  readonly perCpu: number | undefined;
  readonly mlocked: number | undefined;
  readonly dirty: number | undefined;
  readonly writeback: number | undefined;
}

/** What this asks of the symbol table, so that one pass over it finds all. */
const SYMBOLS = [
  ...['vm_node_stat', 'vm_zone_stat', '_totalram_pages'],
  ...['nr_vmalloc_pages', 'pcpu_nr_populated', 'pcpu_nr_units'],
];
const KIB = 1024;

export function memoryCounters(view: KernelView): MemoryCounters {
  view.symbols?.findAll(SYMBOLS);
  /** Some have moved from zones to nodes: Linux commit f0c0c115fb81 ("mm: memcontrol: account pagetables per node"), v5.11. */
  const counter = (name: string) =>
    of('vm_node_stat', 'node_stat_item', name) ?? of('vm_zone_stat', 'zone_stat_item', name);
  const of = (array: string, enumeration: string, name: string) => {
    const at = view.symbol(array);
    const index = view.layouts?.constant(name, enumeration);
    return at === undefined || index === undefined ? undefined : pages(view, at + BigInt(index * 8));
  };
  const variable = (name: string) => {
    const at = view.symbol(name);
    return at === undefined ? undefined : pages(view, at);
  };
  // Linux commit d42f3245c7e2 ("mm: memcg: convert vmstat slab counters to bytes"), v5.9: the names, not the unit they are kept in.
  const slabReclaimable = counter('NR_SLAB_RECLAIMABLE_B') ?? counter('NR_SLAB_RECLAIMABLE');
  const slabUnreclaimable = counter('NR_SLAB_UNRECLAIMABLE_B') ?? counter('NR_SLAB_UNRECLAIMABLE');
  const stackKib = counter('NR_KERNEL_STACK_KB');
  return {
    total: variable('_totalram_pages'),
    slab:
      slabReclaimable === undefined || slabUnreclaimable === undefined
        ? undefined
        : slabReclaimable + slabUnreclaimable,
    slabReclaimable,
    slabUnreclaimable,
    file: counter('NR_FILE_PAGES'),
    shmem: counter('NR_SHMEM'),
    anon: counter('NR_ANON_MAPPED'),
    pageTables: counter('NR_PAGETABLE'),
    kernelStacks: stackKib === undefined ? undefined : Math.floor((stackKib * KIB) / view.memory.pageSize),
    vmalloc: counter('NR_VMALLOC') ?? variable('nr_vmalloc_pages'),
    perCpu: perCpuPages(view),
    mlocked: counter('NR_MLOCK'),
    dirty: counter('NR_FILE_DIRTY'),
    writeback: counter('NR_WRITEBACK'),
  };
}

/** Counters that are behind by what the CPUs hold may be below zero. */
function pages(view: KernelView, vaddr: bigint): number | undefined {
  const value = view.u64(vaddr);
  return value === undefined ? undefined : Math.max(0, Number(BigInt.asIntN(64, value)));
}

/** A page of each unit for each that is populated. Source: pcpu_nr_pages, mm/percpu.c. */
function perCpuPages(view: KernelView): number | undefined {
  const [populated, units] = ['pcpu_nr_populated', 'pcpu_nr_units'].map((name) => {
    const at = view.symbol(name);
    return at === undefined ? undefined : view.u32(at);
  });
  return populated === undefined || units === undefined ? undefined : populated * units;
}
