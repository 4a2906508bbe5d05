/** The zones of all NUMA nodes, as the kernel itself describes them. Source: struct zone, include/linux/mmzone.h. */

import { nodes } from '../free-pages.ts';
import type { KernelView } from '../view/view.ts';

export interface Zone {
  readonly node: number;
  /** Its place among the node's zones. */
  readonly index: number;
  /** "DMA32"; undefined where it cannot be read. */
  readonly name: string | undefined;
  readonly startPfn: number;
  /** With the holes in it, without them, and what the buddy allocator has of it. */
  readonly spannedPages: number;
  readonly presentPages: number | undefined;
  readonly managedPages: number | undefined;
  /** The kernel's own counts: free pages, and free blocks by order. */
  readonly freePages: number | undefined;
  readonly freeBlocks: readonly number[] | undefined;
}

/** MAX_NR_ZONES of any configuration, and what MAX_PAGE_ORDER may be, are below these. */
const MAX_ZONES = 16;
const MAX_ORDERS = 23;
/** Of all nodes together, those that have memory: hundreds on the largest machines. */
const MAX_ALL_ZONES = 2048;
/** 2^52 bytes in pages of 4 KiB. */
const MAX_PFN = 2 ** 40;
const NAMES: ReadonlySet<string> = new Set(['DMA', 'DMA32', 'Normal', 'HighMem', 'Movable', 'Device']);
const LONG_BYTES = 8;
const NAME_BYTES = 16;

/** Those that have memory. Undefined where VMCOREINFO does not lead to them, or to what makes no sense. */
export function listZones(view: KernelView): Zone[] | undefined {
  const { info } = view;
  const nodeZones = info.offset('pglist_data.node_zones');
  const nrZones = info.offset('pglist_data.nr_zones');
  const zoneBytes = info.size('zone');
  if (nodeZones === undefined || nrZones === undefined || zoneBytes === undefined) return undefined;
  const zones: Zone[] = [];
  for (const node of nodes(info, view.walker)) {
    const count = view.u32(node + BigInt(nrZones));
    if (count === undefined || count > MAX_ZONES) return undefined;
    const id = info.offset('pglist_data.node_id');
    const nid = id === undefined ? undefined : view.i32(node + BigInt(id));
    for (let i = 0; i < count; i++) {
      const zone = readZone(view, node + BigInt(nodeZones + i * zoneBytes), nid ?? 0, i);
      if (zone === undefined) return undefined;
      if (zone.spannedPages > 0) zones.push(zone);
      if (zones.length > MAX_ALL_ZONES) return undefined;
    }
  }
  return zones;
}

/** Undefined where it makes no sense. */
function readZone(view: KernelView, zone: bigint, node: number, index: number): Zone | undefined {
  const { info } = view;
  const spanned = info.offset('zone.spanned_pages') ?? view.field('zone', 'spanned_pages')?.byteOffset;
  if (spanned === undefined) return undefined;
  // zone_start_pfn, managed_pages, spanned_pages and present_pages stand in this order in all kernels from 4.19 to 7.3.
  const at = (member: string, places: number) =>
    zone + BigInt(view.field('zone', member)?.byteOffset ?? spanned + places * LONG_BYTES);
  const number = (vaddr: bigint) => {
    const value = view.u64(vaddr);
    return value === undefined || value > BigInt(MAX_PFN) ? undefined : Number(value);
  };
  const startPfn = number(at('zone_start_pfn', -2));
  const spannedPages = number(zone + BigInt(spanned));
  if (startPfn === undefined || spannedPages === undefined) return undefined;
  return {
    node,
    index,
    name: nameOf(view, zone, spanned),
    startPfn,
    spannedPages,
    presentPages: number(at('present_pages', 1)),
    managedPages: number(at('managed_pages', -1)),
    ...freeOf(view, zone),
  };
}

/** Without layouts: the pointer to one of the known names among those that follow the page counts. */
function nameOf(view: KernelView, zone: bigint, spanned: number): string | undefined {
  const known = view.field('zone', 'name')?.byteOffset;
  const first = spanned + 2 * LONG_BYTES;
  const places = known === undefined ? [0, 1, 2].map((i) => first + i * LONG_BYTES) : [known];
  for (const place of places) {
    const pointer = view.u64(zone + BigInt(place));
    const name = pointer === undefined ? undefined : view.text(pointer, NAME_BYTES);
    if (name !== undefined && NAMES.has(name)) return name;
  }
  return undefined;
}

function freeOf(view: KernelView, zone: bigint): Pick<Zone, 'freePages' | 'freeBlocks'> {
  const { info } = view;
  const vmStat = info.offset('zone.vm_stat');
  const counter = info.number('NR_FREE_PAGES');
  const free =
    vmStat === undefined || counter === undefined
      ? undefined
      : view.u64(zone + BigInt(vmStat) + counter * BigInt(LONG_BYTES));
  return {
    freePages: free === undefined ? undefined : Math.max(0, Number(BigInt.asIntN(64, free))),
    freeBlocks: freeBlocksOf(view, zone),
  };
}

/** free_area[order].nr_free, which stands behind the lists of struct free_area. */
function freeBlocksOf(view: KernelView, zone: bigint): number[] | undefined {
  const { info } = view;
  const area = info.offset('zone.free_area');
  const orders = info.length('zone.free_area');
  const areaBytes = info.size('free_area');
  const lists = info.offset('free_area.free_list');
  const types = info.length('free_area.free_list');
  if (area === undefined || areaBytes === undefined || lists === undefined || types === undefined)
    return undefined;
  if (orders === undefined || orders > MAX_ORDERS) return undefined;
  const counts: number[] = [];
  for (let order = 0; order < orders; order++) {
    const count = view.u64(zone + BigInt(area + order * areaBytes + lists + types * 2 * LONG_BYTES));
    if (count === undefined || count > BigInt(MAX_PFN)) return undefined;
    counts.push(Number(count));
  }
  return counts;
}

/** Node and zone of a struct page, as its flags have them in their highest bits. */
export interface ZoneBits {
  /** In the high one of the two words. */
  readonly shift: number;
  keyOf(zone: Zone): number;
}

const FLAGS_BITS = 64;

/**
 * NODES_WIDTH bits of the node above ZONES_SHIFT bits of the zone; no section, where struct pages lie in one array. Source:
 * include/linux/page-flags-layout.h, the same from 4.19 to 7.3. Undefined where the kernel does not say how many they are.
 */
export function zoneBits(view: KernelView): ZoneBits | undefined {
  const nodes = view.info.length('node_data');
  const zones = view.field('pglist_data', 'node_zones')?.length;
  if (nodes === undefined || zones === undefined || zones < 1 || zones > MAX_ZONES || nodes < 1)
    return undefined;
  const zoneWidth = Math.ceil(Math.log2(zones));
  const shift = FLAGS_BITS - Math.ceil(Math.log2(nodes)) - zoneWidth - FLAGS_BITS / 2;
  return shift < 0 ? undefined : { shift, keyOf: ({ node, index }) => node * 2 ** zoneWidth + index };
}
