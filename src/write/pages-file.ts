/** The file of `smelt sme --pages`: two bitmaps for other tools, which page frames were encrypted and which were shared. */

import { ftruncateSync } from 'node:fs';
import { SmeltError, systemReason } from '../errors.ts';
import { setRange } from '../read/bitmap.ts';
import { FrameSet, type FrameSetData } from '../sme/census/frame-set.ts';
import { chars, struct, u32, u64 } from '../struct.ts';
import { writeFully } from './target-file.ts';

/**
 * The first bytes; all numbers little-endian. In both bitmaps bit n of byte k stands for page frame 8k + n; a page frame in
 * both was mapped both ways, in neither not at all. The format is described in docs/pages-file.md.
 */
export const PagesHeader = struct('smelt_pages_header', {
  signature: chars(8),
  version: u32,
  page_size: u32,
  /** Page frames that each bitmap covers. */
  max_mapnr: u64,
  /** The encryption mask of the page tables; 0 where there is none. */
  mask: u64,
  encrypted_offset: u64,
  shared_offset: u64,
  /** Bytes of each bitmap. */
  bitmap_size: u64,
});

const SIGNATURE = 'SMELTPGS';
const VERSION = 1;
/** Bitmaps begin at a multiple of this, so that they can be mapped. */
const ALIGNMENT = 4096;
/** Page frames of a bitmap that are written at once. */
const SLICE_FRAMES = 2 ** 20;

export interface PagesFile {
  readonly pageSize: number;
  readonly maxMapnr: number;
  readonly mask: bigint;
  readonly encrypted: FrameSetData;
  readonly shared: FrameSetData;
}

/** @throws SmeltError WRITE */
export function writePagesFile(path: string, fd: number, pages: PagesFile): void {
  const { pageSize, maxMapnr, mask, encrypted, shared } = pages;
  const bitmapBytes = Math.ceil(maxMapnr / 8);
  const sharedOffset = ALIGNMENT + Math.ceil(bitmapBytes / ALIGNMENT) * ALIGNMENT;
  const header = new Uint8Array(PagesHeader.size);
  PagesHeader.write(header, {
    signature: SIGNATURE,
    version: VERSION,
    page_size: pageSize,
    max_mapnr: BigInt(maxMapnr),
    mask,
    encrypted_offset: BigInt(ALIGNMENT),
    shared_offset: BigInt(sharedOffset),
    bitmap_size: BigInt(bitmapBytes),
  });
  writeFully(path, fd, header, 0);
  writeBitmap(path, fd, ALIGNMENT, FrameSet.from(encrypted), maxMapnr);
  writeBitmap(path, fd, sharedOffset, FrameSet.from(shared), maxMapnr);
  try {
    ftruncateSync(fd, sharedOffset + bitmapBytes);
  } catch (cause) {
    throw new SmeltError('WRITE', `${path}: cannot be made long enough: ${systemReason(cause)}`, { cause });
  }
}

/** Slices without a page frame stay holes. */
function writeBitmap(path: string, fd: number, byteOffset: number, frames: FrameSet, maxMapnr: number): void {
  for (let pfn = 0; pfn < maxMapnr; pfn += SLICE_FRAMES) {
    const count = Math.min(SLICE_FRAMES, maxMapnr - pfn);
    let slice: Uint8Array | undefined;
    for (const [from, to] of frames.runsIn(pfn, count)) {
      slice ??= new Uint8Array(Math.ceil(count / 8));
      setRange(slice, from - pfn, to - pfn);
    }
    if (slice !== undefined) writeFully(path, fd, slice, byteOffset + pfn / 8);
  }
}
