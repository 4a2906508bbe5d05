/** Pages that a dump lost before `smelt salvage` wrote it: what stands in place of their descriptors tells how many. */

import type { KdumpDumpFile } from '../read/dump-file.ts';
import { endOfDescriptors } from '../read/kdump-file.ts';
import { PageDescriptor } from '../read/kdump-layout.ts';
import { openSource, type ReadSource } from '../read/source.ts';
import { readTableEnd, tableEnds } from './table-end.ts';

/** Descriptors at once, and at most: those of 16 GiB. */
const AT_ONCE = 4096;
const MOST_CHUNKS = 1024;

/** `atLeast`: there are more. In steps. */
export function* countTakenOut(file: KdumpDumpFile): Generator<void, { pages: number; atLeast: boolean }> {
  let taken = 0;
  let atLeast = false;
  // Each part that was salvaged is a dump of its own.
  for (const part of file.parts) {
    const read = openSource(part);
    const marks = tableEnds(part.pages, AT_ONCE);
    const chunk = Buffer.alloc(marks.length);
    let isFull = true;
    for (let i = 0; i < MOST_CHUNKS && isFull; i++) {
      yield;
      const there = readOrNone(read, chunk, endOfDescriptors(part) + i * chunk.length);
      const found = marks.equals(chunk.subarray(0, there)) ? AT_ONCE : behindLast(chunk, there, part.pages);
      taken += found;
      isFull = found === AT_ONCE;
    }
    if (isFull) atLeast = true;
  }
  return { pages: taken, atLeast };
}

/** What is before the last one is one, too, that a bad sector has spoilt. */
function behindLast(chunk: Buffer, length: number, pages: number): number {
  const { size } = PageDescriptor;
  for (let i = Math.floor(length / size) - 1; i >= 0; i--)
    if (readTableEnd(chunk, i * size) === pages) return i + 1;
  return 0;
}

/** Nothing, where a sector is bad. */
function readOrNone(read: ReadSource, into: Buffer, byteOffset: number): number {
  try {
    return read(into, 0, into.length, byteOffset);
  } catch {
    return 0;
  }
}
