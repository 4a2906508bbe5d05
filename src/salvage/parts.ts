/** Parts of a split dump, of which others may be missing: those that belong together are opened as one. */

import { SmeltError } from '../errors.ts';
import type { KdumpDumpFile } from '../read/dump-file.ts';
import { comma } from '../read/file.ts';
import { bitmapBytes } from '../read/kdump-layout.ts';
import { NT_PRSTATUS, parseNotes } from '../read/notes.ts';
import { isSameIn } from '../read/split-set.ts';
import type { Broken } from './broken.ts';

/** In any order. @throws SmeltError PARTS */
export function* joinBroken(all: readonly Broken[]): Generator<void, Broken> {
  const parts = all.map(({ file }) => asPart(file));
  const damaged = new Set(all.filter(({ damage }) => damage.length > 0).map(({ file }) => file.path));
  parts.sort((a, b) => a.parts[0]!.startPfn - b.parts[0]!.startPfn);
  const [first, ...others] = parts as [KdumpDumpFile, ...KdumpDumpFile[]];
  const doubts: string[] = [];
  for (const [i, other] of others.entries()) {
    const differs = yield* differenceOf(first, other, damaged);
    if (differs === 'unknown') {
      doubts.push(
        `whether ${other.path} is of the same dump as ${first.path} cannot be known: the bitmaps are the same, and of one of them nothing else is left to go by`,
      );
    } else if (differs !== undefined) {
      throw new SmeltError(
        'PARTS',
        `${other.path}: is of another dump than ${first.path}, or damaged: ${differs}`,
        {
          hint: 'Save what is in each of them by itself.',
        },
      );
    }
    const before = parts[i]!.parts[0]!;
    if (other.parts[0]!.startPfn < before.endPfn && other.parts[0]!.pages > 0 && before.pages > 0) {
      throw new SmeltError('PARTS', `${other.path}: has page frames that ${before.path} has too`, {
        hint: 'Give each part of the dump once.',
      });
    }
  }
  return {
    file: {
      ...first,
      incomplete: parts.some(({ incomplete }) => incomplete),
      parts: parts.flatMap((part) => part.parts),
    },
    claimed: undefined,
    damage: [...all.flatMap(({ file, damage }) => damage.map((what) => `${file.path}: ${what}`)), ...doubts],
  };
}

function asPart(file: Broken['file']): KdumpDumpFile {
  if (file.format === 'kdump' && file.split) return file;
  throw new SmeltError('PARTS', `${file.path}: is no part of a split dump, or its header no longer says so`, {
    hint: 'Several inputs are parts of one split dump; give any other dump alone.',
  });
}

/**
 * What is not the same in both; 'unknown' where too little is left of their headers to say. Which page is which depends on the bitmap
 * alone, but two dumps of one machine may have the same.
 */
function* differenceOf(
  a: KdumpDumpFile,
  b: KdumpDumpFile,
  damaged: ReadonlySet<string>,
): Generator<void, string | undefined> {
  if (a.maxMapnr !== b.maxMapnr || a.pageSize !== b.pageSize) return 'it has another number of page frames';
  const length = bitmapBytes(a.maxMapnr, a.pageSize);
  if (!(yield* isSameIn(a, a.bitmap2Offset, b, b.bitmap2Offset, length))) return 'the bitmaps differ';
  const intact = !damaged.has(a.path) && !damaged.has(b.path);
  // What a damaged header does not say is nothing; what it does say is held against the other's.
  const both = (isKnown: (file: KdumpDumpFile) => boolean) => intact || (isKnown(a) && isKnown(b));
  const hasTime = ({ timestamp }: KdumpDumpFile) => timestamp.sec !== 0n;
  if (both(hasTime) && (a.timestamp.sec !== b.timestamp.sec || a.timestamp.usec !== b.timestamp.usec))
    return 'the timestamps differ';
  if (both(({ machine }) => machine !== undefined) && !Buffer.from(a.utsname).equals(b.utsname))
    return 'the names of the kernels differ';
  const hasNotes = both(({ notes }) => notes.length > 0);
  if (hasNotes && !Buffer.from(a.notes).equals(b.notes)) return 'the notes differ';
  // Two dumps without a time have the same, and are not of the same moment for that.
  const isSameTime = hasTime(a) && hasTime(b);
  return isSameTime || (hasNotes && tellCrash(a.notes)) ? undefined : 'unknown';
}

/** Whether two crashes of one machine would not have the same notes. */
function tellCrash(notes: Uint8Array): boolean {
  for (const { name, type, desc } of parseNotes(notes)) {
    if (name === 'CORE' && type === NT_PRSTATUS) return true;
    if (name === 'VMCOREINFO' && Buffer.from(desc).includes('\nCRASHTIME=')) return true;
  }
  return false;
}

/** "page frames 0 to 4,095 and 8,192 to 9,000 are in parts that were not given" */
export function missingParts({ parts, maxMapnr, split }: KdumpDumpFile): string | undefined {
  if (!split) return undefined;
  const gaps: string[] = [];
  let next = 0;
  for (const { startPfn, endPfn } of [...parts, { startPfn: maxMapnr, endPfn: maxMapnr }]) {
    if (startPfn > next) gaps.push(`${comma(next)} to ${comma(startPfn - 1)}`);
    next = Math.max(next, endPfn);
  }
  return gaps.length === 0 ? undefined : `page frames ${gaps.join(' and ')} are in parts that were not given`;
}
