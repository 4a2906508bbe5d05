/** Images of all physical memory without a description: raw, where an address is an offset, and LiME's ranges. */

import { size64, struct, u32, u64 } from '../struct.ts';
import { type ImageLayout, imageSegments } from './image.ts';

/** Page frames that exist, in ascending order. */
export type PfnRuns = readonly { readonly pfn: number; readonly count: number }[];

/** What is not memory, or was left out, is a hole of zeros. */
export function layoutRaw(runs: PfnRuns, pageSize: number): ImageLayout {
  const segments = runs.map(({ pfn, count }) => ({ pfn, pages: count, byteOffset: pfn * pageSize }));
  const last = runs.at(-1);
  return {
    segments: imageSegments(segments),
    pieces: [],
    fileBytes: last === undefined ? 0 : (last.pfn + last.count) * pageSize,
  };
}

/** Before each range of memory. Source: LiME, doc/README.md, "lime" format version 1. */
export const LimeHeader = struct('lime_mem_range_header', {
  magic: u32,
  version: u32,
  s_addr: size64,
  e_addr: size64,
  reserved: u64,
});
export const LIME_MAGIC = 0x4c694d45;

/** `e_addr` is that of the last byte. */
export function layoutLime(runs: PfnRuns, pageSize: number): ImageLayout {
  const segments: { pfn: number; pages: number; byteOffset: number }[] = [];
  const pieces: { byteOffset: number; bytes: Uint8Array }[] = [];
  let byteOffset = 0;
  for (const { pfn, count } of runs) {
    const bytes = Buffer.alloc(LimeHeader.size);
    const [s_addr, e_addr] = [pfn * pageSize, (pfn + count) * pageSize - 1];
    LimeHeader.write(bytes, { magic: LIME_MAGIC, version: 1, s_addr, e_addr });
    pieces.push({ byteOffset, bytes });
    segments.push({ pfn, pages: count, byteOffset: byteOffset + LimeHeader.size });
    byteOffset += LimeHeader.size + count * pageSize;
  }
  return { segments: imageSegments(segments), pieces, fileBytes: byteOffset };
}
