/** Page frames that nothing is known of. */

import type { MemoryMap } from '../kernel/memory-model.ts';
import { setRange } from '../read/bitmap.ts';

/** Of `count` page frames from `pfn` on those that have no struct page; all of them where there is no memory map. */
export function unmappedBits(map: MemoryMap | undefined, pfn: number, count: number): Uint8Array {
  const bits = new Uint8Array(Math.ceil(count / 8));
  if (map === undefined) return bits.fill(0xff);
  for (const piece of map.pieces(pfn, count)) {
    if (piece.paddr === undefined) setRange(bits, piece.pfn - pfn, piece.pfn - pfn + piece.count);
  }
  return bits;
}
