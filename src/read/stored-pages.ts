/** Which page frames of a stretch exist, and which of them the input still has: the two bitmaps, slice by slice. */

import { SmeltError } from '../errors.ts';
import { setRange } from './bitmap.ts';
import type { DumpFile, Extents } from './dump-file.ts';
import { extentAt } from './extents.ts';
import { partOf } from './source.ts';

/** Sets the bit of each page frame from `pfn` on that was memory. `bits` is all zero and decides how many are looked at. */
export function existingBits(file: DumpFile, pfn: number, count: number, bits: Uint8Array): void {
  extentBits(file.memory, file.pageSize, pfn, count, bits);
}

/** Sets the bit of each page frame whose bytes the input has. Page frames that do not exist are not set either. */
export function storedBits(
  file: DumpFile,
  pfn: number,
  count: number,
  existing: Uint8Array,
  bits: Uint8Array,
): void {
  if (file.format === 'elf') {
    extentBits(file.stored, file.pageSize, pfn, count, bits);
    return;
  }
  if (pfn % 8 !== 0)
    throw new SmeltError('INTERNAL', `bitmap slice begins at page frame ${pfn}, not a multiple of 8`);
  const inFile = Math.max(0, Math.min(count, file.maxMapnr - pfn));
  const slice = partOf(file, 'the second bitmap', file.bitmap2Offset + pfn / 8, Math.ceil(inFile / 8));
  for (let i = 0; i < slice.length; i++) bits[i] = slice[i]! & existing[i]!;
}

function extentBits(extents: Extents, pageSize: number, pfn: number, count: number, bits: Uint8Array): void {
  const end = pfn + count;
  for (let i = Math.max(0, extentAt(extents, pfn * pageSize)); i < extents.paddr.length; i++) {
    const first = Math.floor(extents.paddr[i]! / pageSize);
    const behind = Math.ceil((extents.paddr[i]! + extents.sizeBytes[i]!) / pageSize);
    if (first >= end) break;
    if (behind > pfn) setRange(bits, Math.max(first, pfn) - pfn, Math.min(behind, end) - pfn);
  }
}
