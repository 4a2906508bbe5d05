/** What the kernel counts of its memory, for all zones and nodes together. Source: mm/vmstat.c. */

import type { KernelView } from '../view/view.ts';

/** Pages. Each is undefined where it cannot be read. */
export interface MemoryCounters {
  /** All that the buddy allocator was given. */
  readonly total: number | undefined;
  readonly slab: number | undefined;
  /** File pages with those of swap and shared memory; those of shared memory. */
  readonly file: number | undefined;
  readonly shmem: number | undefined;
  readonly anon: number | undefined;
  readonly pageTables: number | undefined;
}

export function memoryCounters(view: KernelView): MemoryCounters {
  const nodeStat = view.symbol('vm_node_stat');
  const counter = (name: string) => {
    const index = view.layouts?.constant(name);
    if (nodeStat === undefined || index === undefined) return undefined;
    return pages(view, nodeStat + BigInt(index * 8));
  };
  // Linux commit d42f3245c7e2 ("mm: memcg: convert vmstat slab counters to bytes"), v5.9: the names, not the unit they are kept in.
  const reclaimable = counter('NR_SLAB_RECLAIMABLE_B');
  const unreclaimable = counter('NR_SLAB_UNRECLAIMABLE_B');
  const total = view.symbol('_totalram_pages');
  return {
    total: total === undefined ? undefined : pages(view, total),
    slab: reclaimable === undefined || unreclaimable === undefined ? undefined : reclaimable + unreclaimable,
    file: counter('NR_FILE_PAGES'),
    shmem: counter('NR_SHMEM'),
    anon: counter('NR_ANON_MAPPED'),
    pageTables: counter('NR_PAGETABLE'),
  };
}

/** Counters that are behind by what the CPUs hold may be below zero. */
function pages(view: KernelView, vaddr: bigint): number | undefined {
  const value = view.u64(vaddr);
  return value === undefined ? undefined : Math.max(0, Number(BigInt.asIntN(64, value)));
}
