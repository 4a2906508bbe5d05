/** Parts of a split dump, of which others may be missing: those that belong together are opened as one. */

import { SmeltError } from '../errors.ts';
import type { KdumpDumpFile } from '../read/dump-file.ts';
import { comma } from '../read/file.ts';
import { bitmapBytes } from '../read/kdump-layout.ts';
import { partOf } from '../read/source.ts';
import type { Broken } from './broken.ts';

/** Bytes of the bitmaps compared at once. */
const CHUNK = 2 ** 20;

/** In any order. @throws SmeltError PARTS */
export function joinBroken(all: readonly Broken[]): Broken {
  const parts = all.map(({ file }) => asPart(file));
  parts.sort((a, b) => a.parts[0]!.startPfn - b.parts[0]!.startPfn);
  const [first, ...others] = parts as [KdumpDumpFile, ...KdumpDumpFile[]];
  for (const [i, other] of others.entries()) {
    const intact = all.every(({ damage }) => damage.length === 0);
    if (!isOfSameDump(first, other) || (intact && !hasSameHeader(first, other))) {
      throw new SmeltError(
        'PARTS',
        `${other.path}: is of another dump than ${first.path}, or its bitmaps are damaged`,
        {
          hint: 'Save what is in each of them by itself.',
        },
      );
    }
    const before = parts[i]!.parts[0]!;
    if (other.parts[0]!.startPfn < before.endPfn) {
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
    damage: all.flatMap(({ file, damage }) => damage.map((what) => `${file.path}: ${what}`)),
  };
}

function asPart(file: Broken['file']): KdumpDumpFile {
  if (file.format === 'kdump' && file.split) return file;
  throw new SmeltError('PARTS', `${file.path}: is no part of a split dump, or its header no longer says so`, {
    hint: 'Several inputs are parts of one split dump; give any other dump alone.',
  });
}

/** Two dumps of one machine may have the same bitmap; a header that is damaged says nothing of it. */
function hasSameHeader(a: KdumpDumpFile, b: KdumpDumpFile): boolean {
  return (
    a.timestamp.sec === b.timestamp.sec &&
    a.timestamp.usec === b.timestamp.usec &&
    Buffer.from(a.utsname).equals(b.utsname) &&
    Buffer.from(a.notes).equals(b.notes)
  );
}

/** Which page is which depends on the bitmap alone. */
function isOfSameDump(a: KdumpDumpFile, b: KdumpDumpFile): boolean {
  if (a.maxMapnr !== b.maxMapnr || a.pageSize !== b.pageSize) return false;
  const length = bitmapBytes(a.maxMapnr, a.pageSize);
  for (let at = 0; at < length; at += CHUNK) {
    const [mine, theirs] = [a, b].map((file) =>
      partOf(file, 'a bitmap', file.bitmap2Offset + at, Math.min(CHUNK, length - at)),
    );
    if (!mine!.equals(theirs!)) return false;
  }
  return true;
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
