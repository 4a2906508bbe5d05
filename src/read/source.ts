/** The bytes that a format's reader sees: those of a file as it is, or of a flattened one as if it were rearranged. */

import { readSync } from 'node:fs';
import { nextDataOf } from '../native/next-data.ts';
import { openPread, type Pread } from '../native/pread.ts';
import { preadFully, wholePart } from './file.ts';
import { type FlatIndex, flatHas, flatHoles, nextFlatData, readFlat } from './flat-index.ts';

/** Plain data that crosses to worker threads. */
export interface Source {
  readonly path: string;
  readonly fd: number;
  /** Of a flattened file: those of the rearranged one. */
  readonly fileBytes: number;
  /** Undefined: the file is what it seems, and may be mapped. */
  readonly flat: FlatIndex | undefined;
}

/**
 * Copies `length` bytes from `byteOffset` of the source to `at` in `into`. Returns how many, fewer only at the end. Throws
 * what the system throws.
 */
export type ReadSource = (into: Uint8Array, at: number, length: number, byteOffset: number) => number;

/** Whether all of these bytes are in the file: what no record of a flattened one has reads as zeros and is not there. */
export function hasBytes({ fileBytes, flat }: Source, byteOffset: number, length: number): boolean {
  return byteOffset + length <= fileBytes && (flat === undefined || flatHas(flat, byteOffset, length));
}

/** Which of these bytes are not in the file, as [first, behind the last], in ascending order. */
export function* missingRanges(
  { fileBytes, flat }: Source,
  byteOffset: number,
  length: number,
): Generator<[number, number]> {
  const end = byteOffset + length;
  if (flat !== undefined) yield* flatHoles(flat, byteOffset, Math.min(end, fileBytes));
  if (end > fileBytes) yield [Math.max(byteOffset, fileBytes), end];
}

/** The first byte from `from` on that is in no hole, whose bytes read as zeros; the end of the source where there is none. */
export function nextData({ fd, fileBytes, flat }: Source, from: number): number {
  return Math.min(fileBytes, flat === undefined ? nextDataOf(fd, from) : nextFlatData(flat, from));
}

/** One thread's way to the bytes of a source. */
export function openSource(source: Source): ReadSource {
  return readBy(openPread(), source);
}

/** `length` bytes at `byteOffset`, or an error that names `what` was to be read. The caller has bounded `length`. */
export function partOf(source: Source, what: string, byteOffset: number, length: number): Buffer {
  // A few reads are not worth what loading the C library takes.
  const read = readBy(readSync, source);
  const { path, fileBytes } = source;
  return wholePart(path, what, byteOffset, length, (into) => read(into, 0, length, byteOffset), fileBytes);
}

function readBy(pread: Pread, { fd, flat }: Source): ReadSource {
  return flat === undefined
    ? (into, at, length, byteOffset) => preadFully(pread, fd, into, at, length, byteOffset)
    : (into, at, length, byteOffset) => readFlat(flat, pread, fd, into, at, length, byteOffset);
}
