/** Whether the descriptors are where they should be: as many as the second bitmap has bits, and the data right behind them. */

import { inflateSync } from 'node:zlib';
import { SmeltError } from '../errors.ts';
import type { KdumpDumpFile } from '../read/dump-file.ts';
import { comma } from '../read/file.ts';
import { endOfDescriptors, pagesOfAll } from '../read/kdump-file.ts';
import { CompressionFlag, PageDescriptor } from '../read/kdump-layout.ts';
import { MAX_FLAT_BYTES } from '../read/limits.ts';
import { nextData, openSource, partOf, type ReadSource, type Source } from '../read/source.ts';
import { readTableEnd } from './table-end.ts';

const FLAGS: ReadonlySet<number> = new Set([0, ...Object.values<number>(CompressionFlag)]);
/** Descriptors read at once. */
const AT_ONCE = 2 ** 15;
/** Of these at least as many must make sense as do not, before all are looked at. */
const SAMPLE = 64;
/** Descriptors that lead into the table of descriptors, at most, where all else says that it ends where it should. */
const MOST_ASTRAY = 16;
/** Behind the descriptors so much is looked through for what `smelt salvage` writes there. */
const MOST_END_BYTES = 2 ** 16;
/** Pages of damaged descriptors that are unpacked to know that data begins where the descriptors should end. */
const MOST_UNPACKED = 1024;
/** Descriptors that say "missing", and borders between them and others inside of a sector: bad sectors have no such borders. */
const MANY_MISSING = 64;
const MANY_BORDERS = 2;
/** Bytes at a time of what the system refuses to read at once. */
const SECTOR = 512;

/** A descriptor that leads somewhere: a known codec, at most a page of bytes, behind the beginning of the descriptors. */
class Descriptors {
  private readonly view: DataView;
  private readonly pageSize: number;
  private readonly descOffset: number;
  /** Of the one looked at last. */
  offset = 0;

  constructor(bytes: Uint8Array, pageSize: number, descOffset: number) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.pageSize = pageSize;
    this.descOffset = descOffset;
  }

  /** 1: it leads somewhere; 0: it says that the page is missing; -1: it is none. */
  look(index: number): 1 | 0 | -1 {
    const { view, pageSize } = this;
    const at = index * PageDescriptor.size;
    const { size: sizeAt, flags: flagsAt, page_flags: restAt } = PageDescriptor.offset;
    this.offset = view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32;
    const size = view.getUint32(at + sizeAt, true);
    const flags = view.getUint32(at + flagsAt, true);
    if (view.getUint32(at + restAt, true) !== 0 || view.getUint32(at + restAt + 4, true) !== 0) return -1;
    if (this.offset === 0 && size === 0 && flags === 0) return 0;
    if (!FLAGS.has(flags) || size === 0 || size > pageSize) return -1;
    if (flags === 0 && size !== pageSize) return -1;
    return this.offset >= this.descOffset && this.offset < MAX_FLAT_BYTES ? 1 : -1;
  }
}

/** Whether descriptors can begin at `descOffset` at all, and have not begun before: cheap, for guesses. */
export function mayBegin(source: Source, descOffset: number, pageSize: number): boolean {
  const { size } = PageDescriptor;
  const count = Math.min(SAMPLE, Math.floor((source.fileBytes - descOffset) / size));
  if (count < 1) return false;
  const bytes = partOf(source, 'page descriptors', descOffset - size, (1 + count) * size);
  const descriptors = new Descriptors(bytes, pageSize, descOffset);
  if (descriptors.look(0) > 0) return false;
  let good = 0;
  let bad = 0;
  for (let i = 1; i <= count; i++) {
    const verdict = descriptors.look(i);
    if (verdict > 0) good++;
    else if (verdict < 0) bad++;
  }
  return good > 0 && good >= bad;
}

/** What else is known of where descriptors should be. */
export interface Placed {
  /** Whether the first bitmap has the place of the second. */
  readonly firstForBoth: boolean;
  /** Where the headers say that the erase info is. */
  readonly eraseInfoAt: number;
}

/**
 * Why the second bitmap and the descriptors do not belong together; undefined where they do. A bit too many or too few gives
 * all pages behind it the contents of others, and each of those is whole: nothing else would show it.
 */
export function* whyNotTogether(
  file: KdumpDumpFile,
  placed: Placed,
): Generator<void, SmeltError | undefined> {
  const { path, fileBytes, parts } = file;
  const { descOffset, pages } = parts[0]!;
  const end = endOfDescriptors(parts[0]!);
  if (pages === 0) {
    return new SmeltError('CORRUPT', `${path}: its second bitmap says that no page is in it`, {
      hint: 'Without a bitmap nothing says which page is which.',
    });
  }
  if (end >= fileBytes) {
    return new SmeltError(
      'TRUNCATED',
      `${path}: ends at byte ${comma(fileBytes)}, before the data of its first page at byte ${comma(end)}`,
      { hint: 'No page is in it. Copy it again from where it was made.' },
    );
  }
  const table = yield* survey(file, end);
  if (file.split && (yield* isPartOfWhole(file, placed))) return undefined;
  const what =
    (placed.firstForBoth ? whyNotFirst(file, table) : undefined) ?? whyNotEnd(file, end, table, placed);
  if (what === undefined) return undefined;
  return new SmeltError(
    'CORRUPT',
    `${path}: the second bitmap has ${comma(pages)} pages, and the descriptors from byte ${comma(descOffset)} on are not as many: ${what}`,
    {
      hint: 'The bitmap or the headers are damaged. Which page is which cannot be known, and smelt does not guess.',
    },
  );
}

/**
 * Whether it is a part whose data begins where it would in the whole dump, as makedumpfile and smelt have it: behind as many descriptors as
 * the bitmap has pages, though only those of its own page frames are there. So the data does not say how many those are; the first and the last one do.
 */
function* isPartOfWhole(file: KdumpDumpFile, placed: Placed): Generator<void, boolean> {
  const { descOffset } = file.parts[0]!;
  const end = endOfDescriptors(file.parts[0]!);
  const dataAt = descOffset + pagesOfAll(file) * PageDescriptor.size;
  if (dataAt === end || dataAt >= file.fileBytes) return false;
  const behind = readOrNone(file, end, PageDescriptor.size);
  if (behind.length < PageDescriptor.size || !isZeros(behind)) return false;
  const table = yield* survey(file, dataAt);
  const { lastVerdict, atEnd, below, lowest, borders } = table;
  // More page frames than it has: behind its last descriptor there are zeros, and nothing else is missing.
  if (lastVerdict < 0 || (lastVerdict === 0 && borders < MANY_BORDERS)) return false;
  return (
    atEnd > below || (below === 0 && (lowest === dataAt || isUnusedZeroPage(file, dataAt, table, placed)))
  );
}

/** What descriptors say, of which the last one should end at `end`. */
interface Table {
  /** Descriptors that lead to `end`, and those that lead to before it. */
  readonly atEnd: number;
  readonly below: number;
  /** The lowest place that is not before `end`; Infinity where there is none. */
  readonly lowest: number;
  /** Where the first one leads that leads anywhere. */
  readonly first: number;
  /** Of the last one, what `Descriptors.look` says. */
  readonly lastVerdict: number;
  /** Whether what stands behind a table stands among them. */
  readonly endsBefore: boolean;
  /** Descriptors that say "missing", and borders between them and those that lead somewhere, not counting those that a bad sector may have. */
  readonly missing: number;
  readonly borders: number;
}

/**
 * The first bitmap ends where the table ended before `smelt salvage` took descriptors out of it, so what fits it need not be its own.
 * Of such a table the last place has no descriptor any more, and no descriptor that is left says "missing".
 */
function whyNotFirst(file: KdumpDumpFile, { lastVerdict, missing, borders }: Table): string | undefined {
  if (lastVerdict > 0) return undefined;
  if (file.flat === undefined && missing >= MANY_MISSING && borders >= MANY_BORDERS) return undefined;
  return 'those of the first one do not end with a descriptor, as if some had been taken out';
}

/** Why the descriptors do not end at `end`, as far as the bitmap is right; undefined where they do. docs/salvage.md has the rules. */
function whyNotEnd(file: KdumpDumpFile, end: number, table: Table, placed: Placed): string | undefined {
  const { atEnd, below, lowest, first, lastVerdict, endsBefore } = table;
  if (endsBefore) return 'they ended before when `smelt salvage` wrote them';
  const said = saidBehind(file, end, lowest);
  if (said !== undefined)
    return said ? undefined : '`smelt salvage` wrote another number of them behind their end';
  // Right behind them begins the page of zeros that many share, or the first page.
  if (atEnd > below) return undefined;
  if (below > 0) {
    const isRest = first === end || (lowest === end && lastVerdict > 0);
    if (below <= MOST_ASTRAY && isRest) return undefined;
    return `${below === 1 ? '1 descriptor leads' : `${comma(below)} descriptors lead`} to where descriptors should be`;
  }
  if (lowest === Infinity) return 'none of them leads to a page';
  if (isUnusedZeroPage(file, end, table, placed) || isSeenEnd(file, end, table)) return undefined;
  if (lastVerdict < 0) return 'the last descriptor is none';
  return `the first page that they lead to is at byte ${comma(lowest)}, and they would end at byte ${comma(end)}`;
}

/** Whether `smelt salvage` says behind the descriptors that they are as many; undefined where it says nothing. Up to the lowest page no memory is. */
function saidBehind(file: KdumpDumpFile, end: number, lowest: number): boolean | undefined {
  const { pages } = file.parts[0]!;
  const { size } = PageDescriptor;
  const length = Math.min(Math.max(size, lowest - end), MOST_END_BYTES, file.fileBytes - end);
  const bytes = readOrNone(file, end, length);
  let right = 0;
  let wrong = 0;
  for (let at = 0; at + size <= bytes.length; at += size) {
    const said = readTableEnd(bytes, at);
    if (said === pages || (at === 0 && Number.isNaN(said))) right++;
    else if (said !== undefined) wrong++;
  }
  return right + wrong === 0 ? undefined : right > wrong;
}

/** All writers but the oldest begin with a page of zeros that many can share, also where in the end none does; then come other pages, or the erase info. */
function isUnusedZeroPage(
  file: KdumpDumpFile,
  end: number,
  { lowest, lastVerdict }: Table,
  { eraseInfoAt }: Placed,
): boolean {
  const { pageSize, fileBytes } = file;
  const behind = end + pageSize;
  if (lowest < behind || behind >= fileBytes) return false;
  const bytes = readOrNone(file, end, pageSize + 1);
  if (bytes.length <= pageSize || !isZeros(bytes.subarray(0, pageSize))) return false;
  // A rest of descriptors that were never written is no page long: no number of them is. With the first zeros of a page it may be.
  if (lowest === behind || eraseInfoAt === behind) return true;
  return bytes[pageSize] !== 0 && lastVerdict > 0;
}

/** The first pages may be those whose descriptors are damaged. Then a page that zlib proves begins there, and others follow it up to the first that is known. */
function isSeenEnd(file: KdumpDumpFile, end: number, { lowest, lastVerdict }: Table): boolean {
  if (lastVerdict <= 0) return false;
  const { pageSize } = file;
  let at = end;
  for (let n = 0; n < MOST_UNPACKED && at < lowest; n++) {
    const length = packedLength(readOrNone(file, at, Math.min(pageSize, lowest - at)), pageSize);
    // Only the first has to prove itself: others may be stored as they are.
    if (length === undefined && n === 0) return false;
    at += length ?? pageSize;
  }
  return at === lowest;
}

/** Bytes of the zlib stream that begins there and is one page; undefined where none does. */
function packedLength(bytes: Buffer, pageSize: number): number | undefined {
  try {
    const options = { info: true, maxOutputLength: pageSize };
    const { buffer, engine } = inflateSync(bytes, options) as unknown as {
      buffer: Buffer;
      engine: { bytesWritten: number };
    };
    return buffer.length === pageSize ? engine.bytesWritten : undefined;
  } catch {
    return undefined;
  }
}

const ZEROS = Buffer.alloc(AT_ONCE * PageDescriptor.size);
const isZeros = (bytes: Uint8Array): boolean => ZEROS.subarray(0, bytes.length).equals(bytes);

/** Nothing, where a sector is bad. */
function readOrNone(file: KdumpDumpFile, byteOffset: number, length: number): Buffer {
  try {
    return partOf(file, 'what is behind the page descriptors', byteOffset, length);
  } catch {
    return Buffer.alloc(0);
  }
}

function* survey(file: KdumpDumpFile, end: number): Generator<void, Table> {
  const { descOffset, pages } = file.parts[0]!;
  const read = openSource(file);
  const chunk = Buffer.alloc(Math.min(pages, AT_ONCE) * PageDescriptor.size);
  const descriptors = new Descriptors(chunk, file.pageSize, descOffset);
  let atEnd = 0;
  let below = 0;
  let lowest = Infinity;
  let first = Infinity;
  let lastVerdict = 0;
  let endsBefore = false;
  let missing = 0;
  let borders = 0;
  for (let done = 0; done < pages; ) {
    yield;
    const count = Math.min(AT_ONCE, pages - done);
    const length = count * PageDescriptor.size;
    const from = descOffset + done * PageDescriptor.size;
    readAll(read, chunk, length, from);
    if (isZeros(chunk.subarray(0, length))) {
      lastVerdict = 0;
      // Descriptors that were never written may be a hole.
      const inHole = Math.floor((nextData(file, from + length) - descOffset) / PageDescriptor.size);
      const before = done;
      done = Math.max(done + count, Math.min(pages, inHole));
      missing += done - before;
      continue;
    }
    for (let i = 0; i < count; i++) {
      const verdict = descriptors.look(i);
      // To another one of the same sector.
      const isBorder = (from + i * PageDescriptor.size) % SECTOR >= PageDescriptor.size;
      const inSector = (from + i * PageDescriptor.size) % SECTOR <= SECTOR - PageDescriptor.size;
      if (verdict + lastVerdict === 1 && done + i > 0 && isBorder && inSector) borders++;
      lastVerdict = verdict;
      if (verdict === 0) missing++;
      if (verdict < 0 && readTableEnd(chunk, i * PageDescriptor.size) !== undefined) endsBefore = true;
      if (verdict < 1) continue;
      const { offset } = descriptors;
      if (first === Infinity) first = offset;
      if (offset < end) below++;
      else if (offset < lowest) lowest = offset;
      if (offset === end) atEnd++;
    }
    done += count;
  }
  return { atEnd, below, lowest, first, lastVerdict, endsBefore, missing, borders };
}

/** Zeros where a sector is bad: the others tell. */
function readAll(read: ReadSource, into: Buffer, length: number, byteOffset: number): void {
  try {
    read(into, 0, length, byteOffset);
  } catch {
    for (let at = 0; at < length; at += SECTOR) {
      const n = Math.min(SECTOR, length - at);
      try {
        read(into, at, n, byteOffset + at);
      } catch {
        into.fill(0, at, at + n);
      }
    }
  }
}
