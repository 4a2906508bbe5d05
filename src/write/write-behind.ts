/**
 * Brings what was written to the disk while the work goes on, and lets go of its copy in the page cache: where memory is
 * scarce, nothing of it is held by bytes that nobody reads again, and the sync at the end finds little left to do.
 */

import { type Flusher, openFlusher } from '../native/flush-range.ts';
import { writeError } from './target-file.ts';

/** Begun at once: enough for a file system to lay it out in one piece. As much may be on its way to the disk, and as much be written meanwhile. */
const BATCH_BYTES = 8 * 1024 * 1024;

/** Bytes of a file, as [first, first behind]. */
type Range = [from: number, end: number];

export class WriteBehind {
  private readonly path: string;
  private readonly flusher: Flusher;
  /** Written, and not begun to be brought to the disk. */
  private written: Range[] = [];
  private writtenBytes = 0;
  private onTheWay: Range[] = [];

  private constructor(path: string, flusher: Flusher) {
    this.path = path;
    this.flusher = flusher;
  }

  /** Undefined where the system cannot be asked; then its own rules bring everything to the disk. */
  static open(path: string, fd: number): WriteBehind | undefined {
    const flusher = openFlusher(fd);
    return flusher && new WriteBehind(path, flusher);
  }

  /** @throws SmeltError WRITE: that these bytes, or earlier ones, did not reach the disk is told once, and here */
  wrote(byteOffset: number, length: number): void {
    const last = this.written.at(-1);
    if (last !== undefined && last[1] === byteOffset) last[1] += length;
    else this.written.push([byteOffset, byteOffset + length]);
    this.writtenBytes += length;
    if (this.writtenBytes < BATCH_BYTES) return;
    for (const [from, end] of this.written) this.check(this.flusher.begin(from, end - from));
    for (const [from, end] of this.onTheWay) this.check(this.flusher.finish(from, end - from));
    this.onTheWay = this.written;
    this.written = [];
    this.writtenBytes = 0;
  }

  private check(failed: Error | undefined): void {
    if (failed !== undefined) throw writeError(this.path, 'cannot be brought to the disk', failed);
  }
}
