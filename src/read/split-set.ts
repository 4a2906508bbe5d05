/** The parts of a split dump (makedumpfile --split) as one dump: each has all headers and bitmaps, and the pages of some page frames. */

import { SmeltError } from '../errors.ts';
import type { DumpFile, KdumpDumpFile } from './dump-file.ts';
import { comma } from './file.ts';
import { DiskDumpHeader, KdumpSubHeader, STATUS_INCOMPLETE } from './kdump-layout.ts';
import { nextData, partOf, type Source } from './source.ts';

/** Fields of the sub header that say what a part has. */
const OF_THE_PART: ReadonlySet<string> = new Set([
  'split',
  'start_pfn',
  'end_pfn',
  'start_pfn_64',
  'end_pfn_64',
  'offset_eraseinfo',
  'size_eraseinfo',
]);
/** Bytes of the bitmaps compared at once. */
const CHUNK = 2 ** 20;
/** What is listed of many. */
const MOST_RANGES = 3;

/** In any order. @throws SmeltError PARTS where they are not the parts of one dump, or not all of them */
export function* joinParts(files: readonly DumpFile[]): Generator<void, KdumpDumpFile> {
  const parts = files
    .map(asPart)
    .sort((a, b) => a.parts[0]!.startPfn - b.parts[0]!.startPfn || endOf(a) - endOf(b));
  const [first, ...others] = parts as [KdumpDumpFile, ...KdumpDumpFile[]];
  for (const other of others) yield* refuseForeign(other, first);
  refuseWrongRanges(parts);
  const eraseInfos = parts.map(({ eraseInfo }) => Buffer.from(eraseInfo));
  return {
    ...first,
    incomplete: parts.some(({ incomplete }) => incomplete),
    // What was erased is told by the part that had it, or by all alike.
    eraseInfo: Buffer.concat(
      eraseInfos.filter((text, i) => !eraseInfos.slice(0, i).some((t) => t.equals(text))),
    ),
    parts: parts.flatMap((part) => part.parts),
  };
}

function endOf(part: KdumpDumpFile): number {
  return part.parts[0]!.endPfn;
}

function asPart(file: DumpFile): KdumpDumpFile {
  if (file.format === 'kdump' && file.split) return file;
  throw new SmeltError('PARTS', `${file.path}: is a whole dump, and no part of a split one`, {
    hint: 'Several inputs are the parts of one split dump; give any other dump alone.',
  });
}

function* refuseForeign(file: KdumpDumpFile, first: KdumpDumpFile): Generator<void, void> {
  const differs = yield* differenceOf(file, first);
  if (differs === undefined) return;
  throw new SmeltError('PARTS', `${file.path}: is of another dump than ${first.path}: ${differs}`, {
    hint: 'Give the parts of one dump.',
  });
}

/** What is not the same in both, though it is in all parts of a dump. */
function* differenceOf(a: KdumpDumpFile, b: KdumpDumpFile): Generator<void, string | undefined> {
  const fields = headerFields(b);
  for (const [name, value] of headerFields(a)) {
    if (value !== fields.get(name)) return `${name} differs`;
  }
  if (!Buffer.from(a.notes).equals(b.notes)) return 'the notes differ';
  const begin = bitmapsOf(a);
  const end = a.parts[0]!.descOffset;
  const same = yield* isSameIn(a, begin, b, begin, end - begin);
  return same ? undefined : 'the bitmaps differ';
}

/** Whether both have the same bytes there. */
export function* isSameIn(
  a: Source,
  atA: number,
  b: Source,
  atB: number,
  length: number,
): Generator<void, boolean> {
  for (let done = 0; done < length; done += CHUNK) {
    yield;
    // What is a hole in both is the same.
    done = Math.min(nextData(a, atA + done) - atA, nextData(b, atB + done) - atB);
    const n = Math.min(CHUNK, length - done);
    if (n <= 0) break;
    const [mine, theirs] = [partOf(a, 'a bitmap', atA + done, n), partOf(b, 'a bitmap', atB + done, n)];
    if (!mine.equals(theirs)) return false;
  }
  return true;
}

/** The values of both headers as text, without those of the part. */
function headerFields(file: KdumpDumpFile): Map<string, string> {
  const header = DiskDumpHeader.read(partOf(file, 'the dump header', 0, DiskDumpHeader.size));
  const sub = KdumpSubHeader.read(partOf(file, 'the sub header', file.pageSize, KdumpSubHeader.size));
  // One part may have found no room for its pages.
  const all = { ...header, status: header.status & ~STATUS_INCOMPLETE, ...sub };
  return new Map(
    Object.entries(all).flatMap(([name, value]) => (OF_THE_PART.has(name) ? [] : [[name, String(value)]])),
  );
}

function bitmapsOf(file: KdumpDumpFile): number {
  const { sub_hdr_size } = DiskDumpHeader.read(partOf(file, 'the dump header', 0, DiskDumpHeader.size));
  return (1 + sub_hdr_size) * file.pageSize;
}

/** `parts` are sorted. */
function refuseWrongRanges(parts: readonly KdumpDumpFile[]): void {
  const missing: string[] = [];
  let next = 0;
  let before: KdumpDumpFile | undefined;
  const miss = (from: number, end: number) => {
    if (end > from) missing.push(end === from + 1 ? comma(from) : `${comma(from)} to ${comma(end - 1)}`);
  };
  for (const part of parts) {
    const { startPfn, endPfn } = part.parts[0]!;
    // Where there are fewer pages than parts, some have none.
    if (startPfn === endPfn) continue;
    if (before !== undefined && startPfn < next) {
      throw new SmeltError(
        'PARTS',
        `${part.path}: has page frames ${comma(startPfn)} to ${comma(Math.min(next, endPfn) - 1)}, and so has ${before.path}`,
        { hint: 'Give each part of the dump once.' },
      );
    }
    miss(next, startPfn);
    next = endPfn;
    before = part;
  }
  const [{ path, maxMapnr }] = parts as [KdumpDumpFile];
  miss(next, maxMapnr);
  if (missing.length === 0) return;
  const listed = `${missing.slice(0, MOST_RANGES).join(', ')}${missing.length > MOST_RANGES ? ' and more' : ''}`;
  const who = parts.length === 1 ? 'is one part of a split dump, and' : 'is part of a split dump, of which';
  throw new SmeltError(
    'PARTS',
    `${path}: ${who} page frames ${listed} are in ${parts.length === 1 ? 'others' : 'none of the parts given'}`,
    {
      hint: 'Give all parts of the dump, in any order, where this one was given: PART1 PART2 …',
    },
  );
}
