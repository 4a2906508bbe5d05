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
  let dropped = 0;
  yield* findSuspects(
    part,
    pageSize,
    () => placedPages(part, placed),
    ({ index }) => {
      const at = placed.descOffset + (part.firstDescriptor + index) * PageDescriptor.size;
      writeFully(placed.path, placed.fd, Buffer.alloc(PageDescriptor.size), at);
      dropped++;
    },
  );
  return dropped;
}

/** Tells `suspect` each of them; returns whether all were looked at. `pages` gives all pages again and again. Yields now and then. */
export function* findSuspects(
  { descOffset, fileBytes }: Pick<KdumpPart, 'descOffset' | 'fileBytes'>,
  pageSize: number,
  pages: () => Iterable<PlacedPage>,
  suspect: (page: PlacedPage) => void,
): Generator<void, boolean> {
  const chunkBytes = BLOCKS * pageSize;
  const chunkOf = (place: number) => Math.floor((place - descOffset) / chunkBytes);
  const chunks = new Set<number>();
  let all = true;
  for (const page of unhurried(pages())) {
    if (page === undefined) yield;
    else if (page.flags !== 0 || chunks.has(chunkOf(page.place))) continue;
    else if (chunks.size < MOST_WALKS) chunks.add(chunkOf(page.place));
    else all = false;
  }
  for (const chunk of chunks) {
    const begin = descOffset + chunk * chunkBytes;
    const blocks = Math.min(BLOCKS, Math.ceil((fileBytes - begin) / pageSize));
    const edges = new Edges(begin, blocks, pageSize);
    for (const page of unhurried(pages())) {
      if (page === undefined) yield;
      else {
        edges.add(page.place);
        edges.add(page.place + page.size);
      }
    }
    for (const page of unhurried(pages())) {
      if (page === undefined) yield;
      else if (page.flags === 0 && chunkOf(page.place) === chunk && edges.isInside(page.place)) suspect(page);
    }
  }
  return all;
}

/** Pages, and undefined now and then, for others to have their turn. */
function* unhurried(pages: Iterable<PlacedPage>): Generator<PlacedPage | undefined> {
  let n = 0;
  for (const page of pages) {
    if (++n % AT_ONCE === 0) yield undefined;
    yield page;
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

/** What a descriptor says: number `index` of its part. */
export interface PlacedPage {
  index: number;
  place: number;
  size: number;
  flags: number;
}

/** What the source says of each page that the output has, or of each that it has itself; the same object again and again. */
export function* placedPages(part: KdumpPart, output?: PlacedTable): Generator<PlacedPage> {
  const { offset, size, flags } = PageDescriptor.offset;
  const page: PlacedPage = { index: 0, place: 0, size: 0, flags: 0 };
  for (let done = 0; done < part.pages; done += AT_ONCE) {
    const count = Math.min(AT_ONCE, part.pages - done);
    const length = count * PageDescriptor.size;
    const theirs = readOrZeros(part, part.descOffset + done * PageDescriptor.size, length);
    const ours = output === undefined ? theirs : outputPart(output, part.firstDescriptor + done, length);
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

function outputPart({ path, fd, descOffset }: PlacedTable, first: number, length: number): Buffer {
  return readPart(path, fd, 'page descriptors', descOffset + first * PageDescriptor.size, length);
}

function readOrZeros(part: KdumpPart, byteOffset: number, length: number): Buffer {
  try {
    return partOf(part, 'page descriptors', byteOffset, length);
  } catch {
    // No page was placed by what cannot be read.
    return Buffer.alloc(length);
  }
}
