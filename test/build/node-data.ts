/** pglist_data and its zones: spans, free page counters, free areas. */
import type { NodeOffsets } from './kernel-profile.ts';
import type { PhysicalPages } from './physical-pages.ts';
import type { PfnRange, Run } from './runs.ts';
import { runEnd } from './runs.ts';
import { zoneOf, zoneStarts } from './struct-pages.ts';

export interface ZoneCounts {
  free: number;
  /** Free blocks by order. */
  readonly byOrder: number[];
}

/** Free pages of each zone (DMA, DMA32, Normal) as the buddy allocator would count them. */
export function countFree(runs: readonly Run[]): ZoneCounts[] {
  const zones = zoneStarts.map((): ZoneCounts => ({ free: 0, byOrder: Array<number>(11).fill(0) }));
  for (const run of runs) {
    if (run.look.name !== 'buddy') continue;
    const size = 2 ** run.look.order;
    for (let pfn = run.pfn; pfn < runEnd(run); ) {
      const zone = zoneOf(pfn);
      const to = Math.min(runEnd(run), zoneStarts[zone + 1] ?? Number.POSITIVE_INFINITY);
      const blocks = Math.ceil((to - pfn) / size);
      zones[zone].free += blocks * size;
      zones[zone].byOrder[run.look.order] += blocks;
      pfn += blocks * size;
    }
  }
  return zones;
}

/** Writes pglist_data of node 0 at `paddr`. Lists of free_area are empty: their heads point to themselves. */
export function writeNode(
  pages: PhysicalPages,
  at: { readonly paddr: number; readonly vaddr: bigint },
  n: NodeOffsets,
  ram: readonly PfnRange[],
  zones: readonly ZoneCounts[],
): void {
  const end = Math.max(...ram.map((r) => r.end));
  const first = Math.min(...ram.map((r) => r.start));
  pages.writeU32(at.paddr + n.nr_zones, zones.length);
  pages.writeU64(at.paddr + n.node_start_pfn, BigInt(first));
  pages.writeU64(at.paddr + n.node_start_pfn + 8, BigInt(presentIn(ram, 0, end)));
  pages.writeU64(at.paddr + n.node_spanned_pages, BigInt(end - first));
  pages.writeU32(at.paddr + n.node_id, 0);
  for (const [z, { free, byOrder }] of zones.entries()) {
    const zone = at.paddr + z * n.zoneSize;
    const start = Math.max(first, zoneStarts[z]);
    const stop = Math.min(end, zoneStarts[z + 1] ?? end);
    const present = presentIn(ram, start, stop);
    pages.writeU64(zone + n.zone_start_pfn, BigInt(start));
    pages.writeU64(zone + n.managed_pages, BigInt(present));
    pages.writeU64(zone + n.spanned_pages, BigInt(Math.max(0, stop - start)));
    pages.writeU64(zone + n.present_pages, BigInt(present));
    pages.writeU64(zone + n.vm_stat, BigInt(free));
    for (const [order, blocks] of byOrder.entries()) {
      const area = z * n.zoneSize + n.free_area + order * n.freeAreaSize;
      for (let list = 0; list < n.freeLists; list++) {
        const head = at.vaddr + BigInt(area + list * 16);
        pages.writeU64(at.paddr + area + list * 16, head);
        pages.writeU64(at.paddr + area + list * 16 + 8, head);
      }
      pages.writeU64(at.paddr + area + n.freeLists * 16, BigInt(blocks));
    }
  }
}

const presentIn = (ram: readonly PfnRange[], start: number, end: number): number =>
  ram.reduce((sum, r) => sum + Math.max(0, Math.min(r.end, end) - Math.max(r.start, start)), 0);
