/** Parts of a file brought to the disk one by one, and their copies in the page cache let go. */

import { libc } from './libc.ts';
import { systemError } from './system-error.ts';

export interface Flusher {
  /** Starts to write the range to the disk. Returns the error of a write that failed, of these bytes or of earlier ones. */
  begin(byteOffset: number, length: number): Error | undefined;
  /** Waits until the range is written, and drops it from the page cache. Returns as `begin` does. */
  finish(byteOffset: number, length: number): Error | undefined;
}

/** Source: linux/fs.h. */
const SYNC_FILE_RANGE_WAIT_BEFORE = 1;
const SYNC_FILE_RANGE_WRITE = 2;
const SYNC_FILE_RANGE_WAIT_AFTER = 4;
/** Source: linux/fadvise.h. */
const POSIX_FADV_DONTNEED = 4;

/** Undefined without koffi, and where this file cannot be flushed in parts. */
export function openFlusher(fd: number): Flusher | undefined {
  const c = libc();
  // To ask costs nothing: without flags nothing is done, and no error of an earlier write is told.
  if ('unavailable' in c || c.syncFileRange(fd, 0, 0, 0) !== 0) return undefined;
  // The kernel tells of a lost write once per open file, with whatever errno the disk had for it: who does not pass that on has
  // hidden it from fdatasync, too.
  const flush = (byteOffset: number, length: number, flags: number): Error | undefined =>
    c.syncFileRange(fd, byteOffset, length, flags) === 0 ? undefined : systemError(c.errno());
  const all = SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
  return {
    begin: (byteOffset, length) => flush(byteOffset, length, SYNC_FILE_RANGE_WRITE),
    finish(byteOffset, length) {
      const failed = flush(byteOffset, length, all);
      // Advice: what comes of it changes nothing.
      if (failed === undefined) c.posixFadvise(fd, byteOffset, length, POSIX_FADV_DONTNEED);
      return failed;
    },
  };
}
