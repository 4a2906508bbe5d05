/** kdump-compressed files (header versions 1 to 6, 64-bit, little-endian) as input. */

import { SmeltError } from '../errors.ts';
import type { Format, KdumpDumpFile } from './dump-file.ts';
import { comma, truncated } from './file.ts';
import { endOfDescriptors, kdumpFile, mainHead } from './kdump-file.ts';
import {
  bitmapBytes,
  DISKDUMP_SIGNATURE,
  DiskDumpHeader,
  KDUMP_SIGNATURE,
  KdumpSubHeader,
} from './kdump-layout.ts';
import { MAX_NOTE_BYTES, MAX_PADDR } from './limits.ts';
import { encodeNote } from './notes.ts';
import { partOf, type Source } from './source.ts';

/** Whether a kdump-compressed file says that it is one part of a split dump. @throws SmeltError where it ends before that */
export function saysPart(source: Source): boolean {
  const header = DiskDumpHeader.read(partOf(source, 'the dump header', 0, DiskDumpHeader.size));
  const sub = partOf(source, 'the sub header', header.block_size, KdumpSubHeader.size);
  return header.header_version >= 2 && KdumpSubHeader.read(sub).split !== 0;
}

function* open(source: Source): Generator<void, KdumpDumpFile> {
  const { path, fileBytes } = source;
  const header = DiskDumpHeader.read(partOf(source, 'the dump header', 0, DiskDumpHeader.size));
  if (header.signature === DISKDUMP_SIGNATURE) {
    throw new SmeltError(
      'UNSUPPORTED',
      `${path}: was written by the diskdump facility of old kernels, which is not supported`,
    );
  }
  const version = header.header_version;
  if (version < 1 || version > 6) {
    const swapped = (version & 0xffffff) === 0 && version >>> 24 >= 1 && version >>> 24 <= 6;
    throw new SmeltError(
      'UNSUPPORTED',
      swapped
        ? `${path}: header_version 0x${(version >>> 0).toString(16)} is that of a big-endian dump, which is not supported`
        : `${path}: header_version: expected 1 to 6, saw ${version}`,
    );
  }
  const blockSize = header.block_size;
  if (blockSize < 4096 || blockSize > 65536 || (blockSize & (blockSize - 1)) !== 0) {
    throw new SmeltError(
      'CORRUPT',
      `${path}: block_size: expected a power of two from 4,096 to 65,536, saw ${comma(blockSize)}`,
    );
  }
  if (header.sub_hdr_size < 1) {
    throw new SmeltError('CORRUPT', `${path}: sub_hdr_size: expected 1 or more, saw ${header.sub_hdr_size}`);
  }
  const sub = KdumpSubHeader.read(partOf(source, 'the sub header', blockSize, KdumpSubHeader.size));
  if (version >= 1 && (sub.dump_level < 0 || sub.dump_level > 31)) {
    throw new SmeltError('CORRUPT', `${path}: dump_level: expected 0 to 31, saw ${sub.dump_level}`);
  }

  const maxMapnr = version >= 6 ? sub.max_mapnr_64 : header.max_mapnr;
  const bitmapOffset = (1 + header.sub_hdr_size) * blockSize;
  // The bitmaps are read bit by bit, even where the file that claims so many is one large hole.
  if (maxMapnr * blockSize > MAX_PADDR) {
    throw new SmeltError(
      'CORRUPT',
      `${path}: max_mapnr: expected ${comma(MAX_PADDR / blockSize)} at most, saw ${comma(maxMapnr)}`,
    );
  }
  const oneBitmap = bitmapBytes(maxMapnr, blockSize);
  const bitmapsEnd = bitmapOffset + header.bitmap_blocks * blockSize;
  if (bitmapsEnd > fileBytes)
    throw truncated(path, `the bitmaps end at byte ${comma(bitmapsEnd)}`, fileBytes);
  if (oneBitmap > header.bitmap_blocks * blockSize) {
    throw new SmeltError(
      'CORRUPT',
      `${path}: max_mapnr ${comma(maxMapnr)} needs ${comma(oneBitmap)} bytes of bitmap, and bitmap_blocks gives ${comma(header.bitmap_blocks * blockSize)}`,
    );
  }
  // A dump of everything may have one bitmap that stands for both.
  const bothBitmaps = header.bitmap_blocks * blockSize;
  const bitmap2Offset = bothBitmaps >= 2 * oneBitmap ? bitmapOffset + bothBitmaps / 2 : bitmapOffset;

  const split = version >= 2 && sub.split !== 0;
  const file = yield* kdumpFile(
    source,
    {
      version,
      blockSize,
      bitmapOffset,
      bitmap2Offset,
      descOffset: bitmapsEnd,
      maxMapnr,
      split: split ? pfnsOfPart(path, version, sub, maxMapnr) : undefined,
    },
    {
      ...mainHead(header),
      dumpLevel: version >= 1 ? sub.dump_level : 0,
      physBase: sub.phys_base,
      notes: readNotes(source, version, sub),
      eraseInfo:
        version >= 5 && sub.offset_eraseinfo > 0
          ? readClaimed(source, 'the erase info', sub.offset_eraseinfo, sub.size_eraseinfo)
          : new Uint8Array(0),
    },
    [bitmapOffset],
  );
  const descEnd = endOfDescriptors(file.parts[0]!);
  if (descEnd > fileBytes) {
    throw truncated(
      path,
      `the descriptors of its ${comma(file.parts[0]!.pages)} pages end at byte ${comma(descEnd)}`,
      fileBytes,
    );
  }
  return file;
}

/** The page frames that a part of a split dump has. */
function pfnsOfPart(
  path: string,
  version: number,
  { start_pfn, end_pfn, start_pfn_64, end_pfn_64 }: ReturnType<typeof KdumpSubHeader.read>,
  maxMapnr: number,
): { startPfn: number; endPfn: number } {
  const [startPfn, endPfn] = (version >= 6 ? [start_pfn_64, end_pfn_64] : [start_pfn, end_pfn]).map(Number);
  if (startPfn! <= endPfn! && endPfn! <= maxMapnr) return { startPfn: startPfn!, endPfn: endPfn! };
  throw new SmeltError(
    'CORRUPT',
    `${path}: is a part of a split dump with the page frames ${comma(startPfn!)} up to ${comma(endPfn!)}, of a dump of ${comma(maxMapnr)}`,
  );
}

function readNotes(source: Source, version: number, sub: ReturnType<typeof KdumpSubHeader.read>): Uint8Array {
  if (version >= 4 && sub.size_note > 0) {
    return readClaimed(source, 'the notes', sub.offset_note, sub.size_note);
  }
  if (version >= 3 && sub.size_vmcoreinfo > 0) {
    const text = readClaimed(source, 'VMCOREINFO', sub.offset_vmcoreinfo, sub.size_vmcoreinfo);
    return encodeNote('VMCOREINFO', 0, text);
  }
  return new Uint8Array(0);
}

/** A part of the file whose place and size the file itself claims. */
function readClaimed(source: Source, what: string, byteOffset: number, length: number): Uint8Array {
  const { path, fileBytes } = source;
  if (length > MAX_NOTE_BYTES) {
    throw new SmeltError(
      'CORRUPT',
      `${path}: ${what} claims ${comma(length)} bytes, more than ${comma(MAX_NOTE_BYTES)}`,
    );
  }
  if (byteOffset + length > fileBytes) {
    throw truncated(path, `${what} ends at byte ${comma(byteOffset + length)}`, fileBytes);
  }
  return partOf(source, what, byteOffset, length);
}

export const kdump: Format<KdumpDumpFile> = {
  name: 'kdump-compressed',
  probe: (head) => {
    const signature = Buffer.from(head.subarray(0, 8)).toString('latin1');
    return signature === KDUMP_SIGNATURE || signature === DISKDUMP_SIGNATURE;
  },
  open,
};
