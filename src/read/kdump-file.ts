/** A kdump-compressed file once it is known where everything is in it: its memory, and how its descriptors are found. */

import type { CodecName } from '../codec/codec.ts';
import { SmeltError } from '../errors.ts';
import { popcount, runsOf } from './bitmap.ts';
import type { KdumpDumpFile, KdumpPart } from './dump-file.ts';
import { extentsOf, lowerBound, type Segment } from './extents.ts';
import { comma } from './file.ts';
import {
  CompressionFlag,
  type DiskDumpHeader,
  PageDescriptor,
  STATUS_INCOMPLETE,
  UTS_FIELDS,
  UTS_LENGTH,
} from './kdump-layout.ts';
import { checkMemory, MAX_EXTENTS } from './limits.ts';
import { nextData, partOf, type Source } from './source.ts';

/** Page frames between two entries of the rank table: one number a GiB of 4 KiB pages. */
export const PFNS_PER_RANK = 2 ** 18;
/** Most of a bitmap's chunks are holes where memory lies far apart. */
const EMPTY_CHUNK = Buffer.alloc(PFNS_PER_RANK / 8);
/** From so many on it is worth it to ask the system where holes end, though the C library has to be loaded. */
const MANY_EMPTY = 128;

/** Where everything is. */
export interface KdumpPlaces {
  readonly version: number;
  readonly blockSize: number;
  readonly bitmapOffset: number;
  /** The same where one bitmap stands for both. */
  readonly bitmap2Offset: number;
  readonly descOffset: number;
  readonly maxMapnr: number;
  /** The page frames of a part of a split dump. */
  readonly split: { readonly startPfn: number; readonly endPfn: number } | undefined;
}

/** What the headers say besides. */
export type KdumpHead = Pick<
  KdumpDumpFile,
  | 'machine'
  | 'utsname'
  | 'timestamp'
  | 'nrCpus'
  | 'codec'
  | 'incomplete'
  | 'dumpLevel'
  | 'physBase'
  | 'notes'
  | 'eraseInfo'
>;

/** What block 0 says of it. */
export function mainHead(header: ReturnType<typeof DiskDumpHeader.read>) {
  const at = UTS_LENGTH * UTS_FIELDS.indexOf('machine');
  const machine = Buffer.from(header.utsname)
    .toString('latin1', at, at + UTS_LENGTH)
    .replace(/\0.*$/s, '');
  return {
    // QEMU leaves the whole utsname zero.
    machine: machine || undefined,
    utsname: header.utsname,
    timestamp: { sec: header.timestamp_sec, usec: header.timestamp_usec },
    nrCpus: Math.max(0, header.nr_cpus),
    codec: codecOf(header.status),
    incomplete: (header.status & STATUS_INCOMPLETE) !== 0,
  };
}

/** Which codec the flags of a page or of a status name. */
export function codecOf(flags: number): CodecName | undefined {
  for (const [name, flag] of Object.entries(CompressionFlag)) if (flags & flag) return name as CodecName;
  return undefined;
}

/** `memoryBitmaps`: where the bitmaps are of which a set bit says that there is memory. @throws SmeltError */
export function* kdumpFile(
  source: Source,
  places: KdumpPlaces,
  head: KdumpHead,
  memoryBitmaps: readonly number[],
): Generator<void, KdumpDumpFile> {
  const { blockSize, bitmap2Offset, descOffset, maxMapnr, split } = places;
  const memory = extentsOf(yield* readRuns(source, memoryBitmaps, maxMapnr, blockSize));
  checkMemory(source.path, memory);
  const rank = yield* rankBitmap(source, bitmap2Offset, maxMapnr);
  const { startPfn, endPfn } = split ?? { startPfn: 0, endPfn: maxMapnr };
  const storedBefore = (pfn: number) => countBefore(source, bitmap2Offset, maxMapnr, rank, pfn);
  const firstDescriptor = storedBefore(startPfn);
  const pages = storedBefore(endPfn) - firstDescriptor;
  return {
    format: 'kdump',
    ...source,
    littleEndian: true,
    pageSize: blockSize,
    memory,
    headerVersion: places.version,
    ...head,
    bitmap2Offset,
    maxMapnr,
    split: split !== undefined,
    parts: [{ ...source, startPfn, endPfn, descOffset, firstDescriptor, pages, eraseInfoAt: undefined }],
    rank,
  };
}

/** Where the descriptors end: no page lies before that. */
export function endOfDescriptors({ descOffset, pages }: KdumpPart): number {
  return descOffset + pages * PageDescriptor.size;
}

/** Pages in the second bitmap: of a part, those of all parts. */
export function pagesOfAll(file: KdumpDumpFile): number {
  return countBefore(file, file.bitmap2Offset, file.maxMapnr, file.rank, file.maxMapnr);
}

/** Runs of what is set in any of the bitmaps, as memory. */
function* readRuns(
  source: Source,
  bitmaps: readonly number[],
  maxMapnr: number,
  pageSize: number,
): Generator<void, Segment[]> {
  const runs: { first: number; end: number }[] = [];
  for (const chunk of bitmapChunks(source, bitmaps, maxMapnr)) {
    yield;
    if (chunk === undefined) continue;
    const { bitmap, pfn, count } = chunk;
    for (const [from, to] of runsOf(bitmap, 0, count)) {
      const before = runs.at(-1);
      if (before?.end === pfn + from) before.end = pfn + to;
      else if (runs.length < MAX_EXTENTS) runs.push({ first: pfn + from, end: pfn + to });
      else
        throw new SmeltError(
          'CORRUPT',
          `${source.path}: its first bitmap has more than ${comma(MAX_EXTENTS)} runs of memory`,
        );
    }
  }
  return runs.map(({ first, end }) => ({
    paddr: first * pageSize,
    sizeBytes: (end - first) * pageSize,
    byteOffset: 0,
  }));
}

function* rankBitmap(source: Source, byteOffset: number, maxMapnr: number): Generator<void, Float64Array> {
  const shared = new SharedArrayBuffer(Math.ceil(maxMapnr / PFNS_PER_RANK) * Float64Array.BYTES_PER_ELEMENT);
  const rank = new Float64Array(shared);
  let pages = 0;
  let next = 0;
  for (const chunk of bitmapChunks(source, [byteOffset], maxMapnr)) {
    yield;
    if (chunk === undefined) continue;
    const { bitmap, pfn, count } = chunk;
    const index = pfn / PFNS_PER_RANK;
    // Nothing is set in those between.
    rank.fill(pages, next, index + 1);
    next = index + 1;
    pages += popcount(bitmap, count);
  }
  rank.fill(pages, next);
  return rank;
}

/** Bits of the bitmap that are set before `pfn`, which may be its end. */
function countBefore(
  source: Source,
  byteOffset: number,
  maxMapnr: number,
  rank: Float64Array,
  pfn: number,
): number {
  // The end of the bitmap may be the begin of a stretch that it does not have.
  const index = Math.min(Math.floor(pfn / PFNS_PER_RANK), rank.length - 1);
  if (index < 0) return 0;
  const { bitmap } = bitmapChunk(source, byteOffset, maxMapnr, index * PFNS_PER_RANK);
  return rank[index]! + popcount(bitmap, pfn - index * PFNS_PER_RANK);
}

/**
 * What is set in any of the bitmaps, chunk by chunk; undefined where that is nothing. Holes are left out: from when many chunks were
 * empty, wherever they were, the system is asked behind each one that is.
 */
function* bitmapChunks(source: Source, bitmaps: readonly number[], maxMapnr: number) {
  const [first, ...others] = bitmaps;
  let empty = 0;
  let wasEmpty = false;
  for (let pfn = 0; pfn < maxMapnr; pfn += PFNS_PER_RANK) {
    if (source.flat !== undefined || (wasEmpty && empty >= MANY_EMPTY)) {
      const data = bitmaps.map((begin) => nextData(source, begin + pfn / 8) - begin);
      pfn = Math.floor((Math.min(...data) * 8) / PFNS_PER_RANK) * PFNS_PER_RANK;
      if (pfn >= maxMapnr) return;
    }
    const chunk = bitmapChunk(source, first!, maxMapnr, pfn);
    for (const other of others) {
      const more = bitmapChunk(source, other, maxMapnr, pfn).bitmap;
      for (let i = 0; i < more.length; i++) chunk.bitmap[i]! |= more[i]!;
    }
    wasEmpty = EMPTY_CHUNK.equals(chunk.bitmap);
    if (wasEmpty) empty++;
    yield wasEmpty ? undefined : chunk;
  }
}

function bitmapChunk(source: Source, byteOffset: number, maxMapnr: number, pfn: number) {
  const count = Math.min(PFNS_PER_RANK, maxMapnr - pfn);
  return { bitmap: partOf(source, 'a bitmap', byteOffset + pfn / 8, Math.ceil(count / 8)), pfn, count };
}

/** The page frame of a descriptor, by its number in the whole dump: the bit of the second bitmap before which so many are set. */
export function pfnOfDescriptor(file: KdumpDumpFile, number: number): number {
  const { rank, maxMapnr, bitmap2Offset } = file;
  const index = Math.max(0, lowerBound(rank, number + 1) - 1);
  const { bitmap, pfn, count } = bitmapChunk(file, bitmap2Offset, maxMapnr, index * PFNS_PER_RANK);
  let left = number - rank[index]!;
  for (const [from, to] of runsOf(bitmap, 0, count)) {
    if (left < to - from) return pfn + from + left;
    left -= to - from;
  }
  return maxMapnr;
}
