/** Lists of physical memory ranges: made from segments in any order, overlapping or not, and searched. */

import type { Extents } from './dump-file.ts';

export interface Segment {
  readonly paddr: number;
  readonly sizeBytes: number;
  readonly byteOffset: number;
}

/**
 * Sorts segments and takes overlaps out: where two cover the same bytes, the one that comes first in `segments` wins,
 * as makedumpfile and libkdumpfile have it (in /proc/vmcore the kernel text overlaps the direct map's segment).
 * Neighbours that continue each other in memory and in the file become one extent.
 */
export function extentsOf(segments: readonly Segment[]): Extents {
  const used = segments.filter((s) => s.sizeBytes > 0);
  const edges = Float64Array.from(new Set(used.flatMap((s) => [s.paddr, s.paddr + s.sizeBytes]))).sort();
  // Paint the stretches between neighbouring edges in file order; `next` leads past what is painted (union-find).
  const owner = new Int32Array(edges.length).fill(-1);
  const next = Int32Array.from(edges, (_, i) => i);
  const unpainted = (from: number) => {
    let root = from;
    while (next[root] !== root) root = next[root]!;
    for (let i = from; i !== root; ) {
      const step = next[i]!;
      next[i] = root;
      i = step;
    }
    return root;
  };
  used.forEach((segment, index) => {
    const last = lowerBound(edges, segment.paddr + segment.sizeBytes);
    for (let i = unpainted(lowerBound(edges, segment.paddr)); i < last; i = unpainted(i)) {
      owner[i] = index;
      next[i] = i + 1;
    }
  });
  const merged: { paddr: number; sizeBytes: number; byteOffset: number }[] = [];
  for (let i = 0; i + 1 < edges.length; i++) {
    if (owner[i]! < 0) continue;
    const segment = used[owner[i]!]!;
    const paddr = edges[i]!;
    const sizeBytes = edges[i + 1]! - paddr;
    const byteOffset = segment.byteOffset + (paddr - segment.paddr);
    const before = merged.at(-1);
    if (
      before &&
      before.paddr + before.sizeBytes === paddr &&
      before.byteOffset + before.sizeBytes === byteOffset
    ) {
      before.sizeBytes += sizeBytes;
    } else {
      merged.push({ paddr, sizeBytes, byteOffset });
    }
  }
  return {
    paddr: Float64Array.from(merged, (e) => e.paddr),
    sizeBytes: Float64Array.from(merged, (e) => e.sizeBytes),
    byteOffset: Float64Array.from(merged, (e) => e.byteOffset),
  };
}

/** Index of the first value that is not less than `value`. */
export function lowerBound(sorted: Float64Array, value: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle]! < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Index of the last extent that begins at or below `paddr`, or -1. It need not reach as far as `paddr`. */
export function extentAt(extents: Extents, paddr: number): number {
  const index = lowerBound(extents.paddr, paddr);
  return index < extents.paddr.length && extents.paddr[index] === paddr ? index : index - 1;
}

/** Where from `paddr` on the first memory is that they have; Infinity where there is none. */
export function nextExtent(extents: Extents, paddr: number): number {
  const index = extentAt(extents, paddr);
  if (index >= 0 && paddr < extents.paddr[index]! + extents.sizeBytes[index]!) return paddr;
  return extents.paddr[index + 1] ?? Infinity;
}

/** Physical address behind the last byte. */
export function endOf(extents: Extents): number {
  const last = extents.paddr.length - 1;
  return last < 0 ? 0 : extents.paddr[last]! + extents.sizeBytes[last]!;
}

/** Runs of page frames that the extents touch, in ascending order: a page frame that is there in part counts. */
export function* pfnRuns(extents: Extents, pageSize: number): Generator<{ pfn: number; count: number }> {
  let start = 0;
  let end = 0;
  for (let i = 0; i < extents.paddr.length; i++) {
    const first = Math.floor(extents.paddr[i]! / pageSize);
    const behind = Math.ceil((extents.paddr[i]! + extents.sizeBytes[i]!) / pageSize);
    if (first > end) {
      if (end > start) yield { pfn: start, count: end - start };
      start = first;
    }
    end = Math.max(end, behind);
  }
  if (end > start) yield { pfn: start, count: end - start };
}
