/**
 * Brings what was written to the disk while the work goes on, and lets go of its copy in the page cache: where memory is
 * scarce, nothing of it is held by bytes that nobody reads again, and the sync at the end finds little left to do.
 */

import { type Flusher, openFlusher } from '../native/flush-range.ts';
import { writeError } from './target-file.ts';

/** Pieces, of 1 MiB at most each, that may be on their way at a time: enough for a disk to be busy. */
const ON_THE_WAY = 8;

export class WriteBehind {
  private readonly path: string;
  private readonly flusher: Flusher;
  /** The pieces that are on their way to the disk, oldest first. */
  private readonly pieces: { readonly byteOffset: number; readonly length: number }[] = [];

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
    this.check(this.flusher.begin(byteOffset, length));
    this.pieces.push({ byteOffset, length });
    if (this.pieces.length <= ON_THE_WAY) return;
    const oldest = this.pieces.shift()!;
    this.check(this.flusher.finish(oldest.byteOffset, oldest.length));
  }

  private check(failed: Error | undefined): void {
    if (failed !== undefined) throw writeError(this.path, 'cannot be brought to the disk', failed);
  }
}
