/** Reading a file at a place: whole or a clear error. */

import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { SmeltError, systemReason } from '../errors.ts';
import type { Pread } from '../native/pread.ts';

/** Opens a dump for reading; it must be something that can be read at any place. */
export function openForReading(path: string): { fd: number; fileBytes: number } {
  let fd: number;
  try {
    // Without O_NONBLOCK a named pipe would keep us waiting for a writer.
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (cause) {
    throw new SmeltError('INPUT_OPEN', `${path}: cannot be opened: ${systemReason(cause)}`, { cause });
  }
  const stat = fstatSync(fd);
  if (!stat.isFile()) {
    closeSync(fd);
    const what = stat.isDirectory() ? 'a directory' : 'not a regular file';
    throw new SmeltError('INPUT_OPEN', `${path}: is ${what}`, {
      hint: stat.isDirectory()
        ? 'Give the dump itself; kdump calls it vmcore or dump.DATE.'
        : 'A dump is read at many places at once; save a stream to a file first.',
    });
  }
  return { fd, fileBytes: stat.size };
}

/** Fills `into` from `byteOffset`; returns the bytes read, fewer only at the end of the file. Throws what the system throws. */
export function readFully(fd: number, into: Uint8Array, byteOffset: number): number {
  return preadFully(readSync, fd, into, 0, into.length, byteOffset);
}

/** The same for `length` bytes to `at` in `into`, by any pread(2). */
export function preadFully(
  pread: Pread,
  fd: number,
  into: Uint8Array,
  at: number,
  length: number,
  byteOffset: number,
): number {
  let done = 0;
  while (done < length) {
    const n = pread(fd, into, at + done, length - done, byteOffset + done);
    if (n === 0) break;
    done += n;
  }
  return done;
}

/** `length` bytes at `byteOffset`, or an error that names `what` was to be read. The caller has bounded `length`. */
export function readPart(path: string, fd: number, what: string, byteOffset: number, length: number): Buffer {
  return wholePart(path, what, byteOffset, length, (into) => readFully(fd, into, byteOffset));
}

/** What `read` gives of those bytes, if that is all of them. `fileBytes`: how many the file had when it was opened. */
export function wholePart(
  path: string,
  what: string,
  byteOffset: number,
  length: number,
  read: (into: Buffer) => number,
  fileBytes = Infinity,
): Buffer {
  const buffer = Buffer.alloc(length);
  let n: number;
  try {
    n = read(buffer);
  } catch (cause) {
    throw new SmeltError(
      'INPUT_READ',
      `${path}: ${what} at byte ${comma(byteOffset)} cannot be read: ${systemReason(cause)}`,
      { cause },
    );
  }
  if (n < length) {
    throw truncated(
      path,
      `${what} needs bytes ${comma(byteOffset)} to ${comma(byteOffset + length)}`,
      Math.min(fileBytes, byteOffset + n),
      // What is read without a look at the size is near the beginning: without it nothing can be saved.
      byteOffset + length > fileBytes ? ONLY_BEGINNING : cutShortHint(path),
    );
  }
  return buffer;
}

export const ONLY_BEGINNING =
  'The file is cut short, and nothing of what is there can be saved: copy it again from where it was made.';

export function truncated(
  path: string,
  what: string,
  fileBytes: number,
  hint = cutShortHint(path),
): SmeltError {
  return new SmeltError('TRUNCATED', `${path}: ${what} but the file has ${comma(fileBytes)} bytes`, { hint });
}

/** For whoever has nothing but what is there. */
export function cutShortHint(path: string): string {
  return `The file is cut short: copy it again from where it was made, or save what is whole of it: \`smelt salvage ${path} DUMPFILE\`.`;
}

/** 1234567 as "1,234,567". */
export function comma(value: number | bigint): string {
  return value.toLocaleString('en-US');
}
