/** Whether the descriptors are where they should be: as many as the second bitmap has bits, and the data right behind them. */

import { SmeltError } from '../errors.ts';
import type { KdumpDumpFile } from '../read/dump-file.ts';
import { comma } from '../read/file.ts';
import { endOfDescriptors } from '../read/kdump-file.ts';
import { CompressionFlag, PageDescriptor } from '../read/kdump-layout.ts';
import { MAX_FLAT_BYTES } from '../read/limits.ts';
import { openSource, partOf, type Source } from '../read/source.ts';

const FLAGS: ReadonlySet<number> = new Set([0, ...Object.values<number>(CompressionFlag)]);
/** Descriptors read at once. */
const AT_ONCE = 2 ** 15;
/** Of these at least as many must make sense as do not, before all are looked at. */
const SAMPLE = 64;

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

/** Whether descriptors can begin at `descOffset` at all: cheap, for guesses. */
export function mayBegin(source: Source, descOffset: number, pageSize: number): boolean {
  const count = Math.min(SAMPLE, Math.floor((source.fileBytes - descOffset) / PageDescriptor.size));
  if (count < 1) return false;
  const bytes = partOf(source, 'page descriptors', descOffset, count * PageDescriptor.size);
  const descriptors = new Descriptors(bytes, pageSize, descOffset);
  let good = 0;
  let bad = 0;
  for (let i = 0; i < count; i++) {
    const verdict = descriptors.look(i);
    if (verdict > 0) good++;
    else if (verdict < 0) bad++;
  }
  return good > 0 && good >= bad;
}

/**
 * Why the second bitmap and the descriptors do not belong together; undefined where they do. A bit too many or too few gives
 * all pages behind it the contents of others, and each of those is whole: nothing else would show it.
 */
export function whyNotTogether(file: KdumpDumpFile): SmeltError | undefined {
  const { path, pageSize, fileBytes, parts } = file;
  const { descOffset, pages } = parts[0]!;
  const end = endOfDescriptors(file);
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
  const { atEnd, below, lastIsOne } = countPlaces(file, end);
  // Something begins right behind them: the page of zeros that many share, or the first page.
  if (atEnd > below) return undefined;
  if (below === 0 && lastIsOne && !goesOn(file, end, pageSize, descOffset)) return undefined;
  const what =
    below > 0
      ? `${comma(below)} descriptors lead to where descriptors should be`
      : lastIsOne
        ? 'descriptors go on behind the last one'
        : 'the last descriptor is none';
  return new SmeltError(
    'CORRUPT',
    `${path}: the second bitmap has ${comma(pages)} pages, and the descriptors from byte ${comma(descOffset)} on are not as many: ${what}`,
    {
      hint: 'The bitmap or the headers are damaged. Which page is which cannot be known, and smelt does not guess.',
    },
  );
}

/** How many descriptors lead to the end of the descriptors, and how many before it. */
function countPlaces(file: KdumpDumpFile, end: number): { atEnd: number; below: number; lastIsOne: boolean } {
  const { descOffset, pages } = file.parts[0]!;
  const read = openSource(file);
  const chunk = Buffer.alloc(Math.min(pages, AT_ONCE) * PageDescriptor.size);
  const descriptors = new Descriptors(chunk, file.pageSize, descOffset);
  let atEnd = 0;
  let below = 0;
  let lastIsOne = true;
  for (let done = 0; done < pages; ) {
    const count = Math.min(AT_ONCE, pages - done);
    try {
      read(chunk, 0, count * PageDescriptor.size, descOffset + done * PageDescriptor.size);
    } catch {
      // A bad sector: the others tell.
      chunk.fill(0);
    }
    for (let i = 0; i < count; i++) {
      const verdict = descriptors.look(i);
      lastIsOne = verdict >= 0;
      if (verdict < 1) continue;
      if (descriptors.offset === end) atEnd++;
      else if (descriptors.offset < end) below++;
    }
    done += count;
  }
  return { atEnd, below, lastIsOne };
}

/** Whether what stands behind the last descriptor is one more. */
function goesOn(file: KdumpDumpFile, end: number, pageSize: number, descOffset: number): boolean {
  const length = Math.min(pageSize, file.fileBytes - end);
  if (length < PageDescriptor.size) return false;
  const bytes = partOf(file, 'the first page', end, length);
  const verdict = new Descriptors(bytes, pageSize, descOffset).look(0);
  // A page of zeros looks like descriptors of missing pages.
  if (verdict === 0) return bytes.some((byte) => byte !== 0);
  return verdict > 0;
}
