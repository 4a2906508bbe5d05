/** /proc/kcore: the memory of the machine that runs, of which the part that is reserved for a crash kernel is in no dump. */

import { readFileSync, realpathSync } from 'node:fs';
import type { ElfDumpFile, Extents } from './dump-file.ts';
import { extentsOf, type Segment } from './extents.ts';

const KCORE = '/proc/kcore';
const IOMEM = '/proc/iomem';

/** "  08000000-0dffffff : Crash kernel", both ends included. */
const CRASH_KERNEL = /^ *([0-9a-f]{1,16})-([0-9a-f]{1,16}) : Crash kernel$/gm;

export function isKcore(path: string): boolean {
  try {
    return realpathSync(path) === KCORE;
  } catch {
    return false;
  }
}

/** The same dump without the memory that /proc/iomem, given as `iomem` or read, calls reserved. */
export function withoutCrashKernel(file: ElfDumpFile, iomem = readIomem()): ElfDumpFile {
  const reserved = [...iomem.matchAll(CRASH_KERNEL)].map(([, first, last]) => {
    const start = Number.parseInt(first!, 16);
    return { start, end: Number.parseInt(last!, 16) + 1 };
  });
  if (reserved.length === 0) return file;
  const cut = (extents: Extents) => {
    let left = Array.from(extents.paddr, (paddr, i) => ({
      paddr,
      sizeBytes: extents.sizeBytes[i]!,
      byteOffset: extents.byteOffset[i]!,
    }));
    for (const { start, end } of reserved) left = left.flatMap((segment) => around(segment, start, end));
    return extentsOf(left);
  };
  return { ...file, memory: cut(file.memory), stored: cut(file.stored) };
}

/** What is left of a segment on both sides of [start, end). */
function around({ paddr, sizeBytes, byteOffset }: Segment, start: number, end: number): Segment[] {
  const segmentEnd = paddr + sizeBytes;
  const from = Math.max(paddr, end);
  const before = Math.min(segmentEnd, start) - paddr;
  return [
    ...(before > 0 ? [{ paddr, sizeBytes: before, byteOffset }] : []),
    ...(segmentEnd > from
      ? [{ paddr: from, sizeBytes: segmentEnd - from, byteOffset: byteOffset + (from - paddr) }]
      : []),
  ];
}

function readIomem(): string {
  try {
    return readFileSync(IOMEM, 'latin1');
  } catch {
    // Nothing is known to be reserved.
    return '';
  }
}
