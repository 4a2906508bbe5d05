/**
 * Pages that are stored as they are (raw) prove nothing by their bytes. One whose bytes are in part those of another page that was
 * kept is suspect: a damaged descriptor leads anywhere.
 */

import type { KdumpPart } from '../read/dump-file.ts';
import { readPart } from '../read/file.ts';
import { PageDescriptor } from '../read/kdump-layout.ts';
import { openSource, type ReadSource } from '../read/source.ts';
import { writeFully } from '../write/target-file.ts';

/** Blocks of data, a page each, that are looked at in one walk over the descriptors: 16 MiB of memory, 16 GiB of data. */
const BLOCKS = 2 ** 22;
/** Walks that are taken at most: 1 TiB of data. */
const MOST_WALKS = 64;
/** Descriptors read at once. */
const AT_ONCE = 2 ** 14;

/** An output's descriptors, where pages that are not whole have the offset 0. */
export interface PlacedTable {
  readonly path: string;
  readonly fd: number;
  readonly descOffset: number;
}

/** Gives them descriptors that say "missing"; returns how many. Yields now and then. */
export function* dropSuspects(
  part: KdumpPart,
  pageSize: number,
  placed: PlacedTable,
): Generator<void, number> {
  let dropped = 0;
  yield* findSuspects(part, pageSize, placed, (index) => {
    const at = placed.descOffset + (part.firstDescriptor + index) * PageDescriptor.size;
    writeFully(placed.path, placed.fd, Buffer.alloc(PageDescriptor.size), at);
    dropped++;
  });
  return dropped;
}

/** Tells `suspect` the number of each descriptor, in its part. Yields now and then. */
function* findSuspects(
  part: KdumpPart,
  pageSize: number,
  placed: PlacedTable,
  suspect: (index: number) => void,
): Generator<void, void> {
  const chunkBytes = BLOCKS * pageSize;
  const chunkOf = (place: number) => Math.floor((place - part.descOffset) / chunkBytes);
  const chunks = new Set<number>();
  for (const batch of batches(part, pageSize, placed)) {
    for (let i = 0; i < batch.count; i++) {
      const place = batch.placeOf(i);
      if (place !== 0 && batch.flagsOf(i) === 0 && chunks.size < MOST_WALKS) chunks.add(chunkOf(place));
    }
    yield;
  }
  for (const chunk of chunks) {
    const begin = part.descOffset + chunk * chunkBytes;
    const blocks = Math.min(BLOCKS, Math.ceil((part.fileBytes - begin) / pageSize));
    const edges = new Edges(begin, blocks, pageSize);
    for (const batch of batches(part, pageSize, placed)) {
      for (let i = 0; i < batch.count; i++) {
        const place = batch.placeOf(i);
        if (place === 0) continue;
        edges.add(place);
        edges.add(place + batch.sizeOf(i));
      }
      yield;
    }
    for (const batch of batches(part, pageSize, placed)) {
      for (let i = 0; i < batch.count; i++) {
        const place = batch.placeOf(i);
        if (place === 0 || batch.flagsOf(i) !== 0 || chunkOf(place) !== chunk) continue;
        if (edges.isInside(place)) suspect(batch.first + i);
      }
      yield;
    }
  }
}

/** The first and the last edge of pages in each block of data, a page long. */
class Edges {
  private readonly begin: number;
  private readonly pageSize: number;
  private readonly first: Uint16Array;
  private readonly last: Uint16Array;

  constructor(begin: number, blocks: number, pageSize: number) {
    this.begin = begin;
    this.pageSize = pageSize;
    // A page that begins in the last block ends in one more.
    this.first = new Uint16Array(blocks + 2).fill(0xffff);
    this.last = new Uint16Array(blocks + 2);
  }

  add(place: number): void {
    const block = Math.floor((place - this.begin) / this.pageSize);
    if (block < 0 || block >= this.first.length) return;
    const inBlock = place - this.begin - block * this.pageSize;
    if (inBlock < this.first[block]!) this.first[block] = inBlock;
    if (inBlock > this.last[block]!) this.last[block] = inBlock;
  }

  /** Whether there is an edge inside the page that begins there. */
  isInside(place: number): boolean {
    const block = Math.floor((place - this.begin) / this.pageSize);
    const inBlock = place - this.begin - block * this.pageSize;
    return this.last[block]! > inBlock || this.first[block + 1]! < inBlock;
  }
}

/** Descriptors that stand one behind the other, from number `first` of their part on. */
export class Batch {
  readonly first: number;
  readonly count: number;
  private readonly theirs: DataView;
  private readonly ours: DataView | undefined;
  private readonly lowest: number;
  private readonly end: number;
  private readonly pageSize: number;

  constructor(
    first: number,
    { theirs, ours }: { readonly theirs: Buffer; readonly ours: Buffer | undefined },
    { descOffset, pages, fileBytes }: KdumpPart,
    pageSize: number,
  ) {
    const view = ({ buffer, byteOffset, byteLength }: Buffer) => new DataView(buffer, byteOffset, byteLength);
    this.first = first;
    this.count = theirs.length / PageDescriptor.size;
    this.theirs = view(theirs);
    this.ours = ours && view(ours);
    this.lowest = descOffset + pages * PageDescriptor.size;
    this.end = fileBytes;
    this.pageSize = pageSize;
  }

  /** 0: the output does not have the page, or it leads nowhere. */
  placeOf(i: number): number {
    const at = i * PageDescriptor.size + PageDescriptor.offset.offset;
    const { theirs, ours } = this;
    if (ours !== undefined && ours.getUint32(at, true) === 0 && ours.getUint32(at + 4, true) === 0) return 0;
    const place = theirs.getUint32(at, true) + theirs.getUint32(at + 4, true) * 2 ** 32;
    const size = this.sizeOf(i);
    const isThere = place >= this.lowest && size > 0 && size <= this.pageSize && place + size <= this.end;
    return isThere ? place : 0;
  }

  sizeOf(i: number): number {
    return this.theirs.getUint32(i * PageDescriptor.size + PageDescriptor.offset.size, true);
  }

  flagsOf(i: number): number {
    return this.theirs.getUint32(i * PageDescriptor.size + PageDescriptor.offset.flags, true);
  }

  /** Whether it has flags of the page as well, which nobody writes. */
  hasPageFlags(i: number): boolean {
    const at = i * PageDescriptor.size + PageDescriptor.offset.page_flags;
    return this.theirs.getUint32(at, true) !== 0 || this.theirs.getUint32(at + 4, true) !== 0;
  }
}

/** All descriptors, or with `placed` those that are there. A batch is valid until the next one is asked for; `isWanted` is asked by the number of its first one. */
export function* batches(
  part: KdumpPart,
  pageSize: number,
  placed?: PlacedTable,
  isWanted: (first: number) => boolean = () => true,
): Generator<Batch> {
  const read = openSource(part);
  // One buffer for all: as many as there are batches would wait for the garbage collector.
  const chunk = Buffer.alloc(Math.min(AT_ONCE, part.pages) * PageDescriptor.size);
  for (let done = 0; done < part.pages; done += AT_ONCE) {
    if (!isWanted(done)) continue;
    const length = Math.min(AT_ONCE, part.pages - done) * PageDescriptor.size;
    const theirs = chunk.subarray(0, length);
    readOrZeros(read, theirs, part.descOffset + done * PageDescriptor.size);
    const ours = placed && outputPart(placed, part.firstDescriptor + done, length);
    yield new Batch(done, { theirs, ours }, part, pageSize);
  }
}

function outputPart({ path, fd, descOffset }: PlacedTable, first: number, length: number): Buffer {
  return readPart(path, fd, 'page descriptors', descOffset + first * PageDescriptor.size, length);
}

function readOrZeros(read: ReadSource, into: Buffer, byteOffset: number): void {
  try {
    const n = read(into, 0, into.length, byteOffset);
    into.fill(0, n);
  } catch {
    // No page was placed by what cannot be read.
    into.fill(0);
  }
}
