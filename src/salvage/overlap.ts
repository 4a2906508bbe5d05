/**
 * Pages that are stored as they are (raw) prove nothing by their bytes. One whose bytes are in part those of another page that was
 * kept is suspect: a damaged descriptor leads anywhere.
 */

import type { KdumpPart } from '../read/dump-file.ts';
import { readPart } from '../read/file.ts';
import { PageDescriptor } from '../read/kdump-layout.ts';
import { partOf } from '../read/source.ts';
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
  let lowest = Infinity;
  let highest = 0;
  let raw = 0;
  for (const { place, size, flags } of placedPages(part, placed)) {
    lowest = Math.min(lowest, place);
    highest = Math.max(highest, place + size);
    if (flags === 0) raw++;
  }
  yield;
  if (raw === 0) return 0;
  const chunkBytes = BLOCKS * pageSize;
  const chunkOf = (place: number) => Math.floor((place - lowest) / chunkBytes);
  const chunks = new Set<number>();
  for (const { place, flags } of placedPages(part, placed))
    if (flags === 0 && chunks.size < MOST_WALKS) chunks.add(chunkOf(place));
  yield;
  let dropped = 0;
  for (const chunk of chunks) {
    const begin = lowest + chunk * chunkBytes;
    const blocks = Math.min(BLOCKS, Math.ceil((highest - begin) / pageSize));
    const edges = new Edges(begin, blocks, pageSize);
    for (const { place, size } of placedPages(part, placed)) {
      edges.add(place);
      edges.add(place + size);
    }
    yield;
    for (const { index, place, flags } of placedPages(part, placed)) {
      if (flags !== 0 || chunkOf(place) !== chunk || !edges.isInside(place)) continue;
      const at = placed.descOffset + (part.firstDescriptor + index) * PageDescriptor.size;
      writeFully(placed.path, placed.fd, Buffer.alloc(PageDescriptor.size), at);
      dropped++;
    }
    yield;
  }
  return dropped;
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

interface PlacedPage {
  index: number;
  place: number;
  size: number;
  flags: number;
}

/** What the source says of each page that the output has; the same object again and again. */
function* placedPages(part: KdumpPart, { path, fd, descOffset }: PlacedTable): Generator<PlacedPage> {
  const { offset, size, flags } = PageDescriptor.offset;
  const page: PlacedPage = { index: 0, place: 0, size: 0, flags: 0 };
  for (let done = 0; done < part.pages; done += AT_ONCE) {
    const count = Math.min(AT_ONCE, part.pages - done);
    const length = count * PageDescriptor.size;
    const theirs = readOrZeros(part, part.descOffset + done * PageDescriptor.size, length);
    const at = descOffset + (part.firstDescriptor + done) * PageDescriptor.size;
    const ours = readPart(path, fd, 'page descriptors', at, length);
    for (let i = 0; i < length; i += PageDescriptor.size) {
      if (ours.readUInt32LE(i + offset) === 0 && ours.readUInt32LE(i + offset + 4) === 0) continue;
      page.index = done + i / PageDescriptor.size;
      page.place = theirs.readUInt32LE(i + offset) + theirs.readUInt32LE(i + offset + 4) * 2 ** 32;
      page.size = theirs.readUInt32LE(i + size);
      page.flags = theirs.readUInt32LE(i + flags);
      if (page.place > 0) yield page;
    }
  }
}

function readOrZeros(part: KdumpPart, byteOffset: number, length: number): Buffer {
  try {
    return partOf(part, 'page descriptors', byteOffset, length);
  } catch {
    // No page was placed by what cannot be read.
    return Buffer.alloc(length);
  }
}
