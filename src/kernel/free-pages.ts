/** The kernel's own count of free pages: the NR_FREE_PAGES counters of all zones. */

import type { PageTableWalker } from '../arch/page-table.ts';
import type { Vmcoreinfo } from './vmcoreinfo.ts';

/** MAX_NUMNODES and MAX_NR_ZONES of any configuration are below these. */
const MAX_NODES = 1024;
const MAX_ZONES = 16;

/** Page frames, or undefined where VMCOREINFO does not lead to the counters. Source: include/linux/mmzone.h. */
export function kernelFreePages(info: Vmcoreinfo, walker: PageTableWalker): number | undefined {
  const counter = info.number('NR_FREE_PAGES');
  const nodeZones = info.offset('pglist_data.node_zones');
  const nrZones = info.offset('pglist_data.nr_zones');
  const zoneBytes = info.size('zone');
  const vmStat = info.offset('zone.vm_stat');
  if (counter === undefined || counter < 0n || counter > 256n) return undefined;
  if (nodeZones === undefined || nrZones === undefined || zoneBytes === undefined || vmStat === undefined)
    return undefined;
  let pages = 0;
  let zonesSeen = 0;
  for (const node of nodes(info, walker)) {
    const zones = walker.read(node + BigInt(nrZones), 4)?.readUInt32LE(0);
    if (zones === undefined || zones > MAX_ZONES) return undefined;
    for (let zone = 0; zone < zones; zone++) {
      const address = node + BigInt(nodeZones + zone * zoneBytes + vmStat + Number(counter) * 8);
      const value = walker.read(address, 8)?.readBigInt64LE(0);
      if (value === undefined) return undefined;
      pages += Number(value);
      zonesSeen++;
    }
  }
  return zonesSeen > 0 && pages >= 0 ? pages : undefined;
}

/** Addresses of the pglist_data of all nodes that are online. */
export function* nodes(info: Vmcoreinfo, walker: PageTableWalker): Generator<bigint> {
  const nodeData = info.symbol('node_data');
  if (nodeData === undefined) {
    // Without NUMA there is one node, and no array of them.
    const single = info.symbol('contig_page_data');
    if (single !== undefined) yield single;
    return;
  }
  const online = info.symbol('node_online_map');
  const count = Math.min(info.length('node_data') ?? 1, MAX_NODES);
  const map = online === undefined ? undefined : walker.read(online, Math.ceil(count / 64) * 8);
  for (let nid = 0; nid < count; nid++) {
    if (map !== undefined && (map[nid >> 3]! & (1 << (nid & 7))) === 0) continue;
    const address = walker.readU64(nodeData + BigInt(nid * 8));
    if (address !== undefined && address !== 0n) yield address;
  }
}
