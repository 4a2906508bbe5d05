/** Where a file has bytes again behind a hole: lseek(2), without which holes are read like anything else. */

import { libc } from './libc.ts';

/** Source: linux/fs.h. */
const SEEK_DATA = 3;
/** Source: asm-generic/errno-base.h. Nothing but a hole up to the end of the file. */
const ENXIO = 6;

/** The first byte from `from` on that is in no hole, Infinity where there is none; `from` itself where the system cannot say. */
export function nextDataOf(fd: number, from: number): number {
  const c = libc();
  if ('unavailable' in c) return from;
  const at = c.lseek(fd, from, SEEK_DATA);
  if (at >= 0) return at;
  return c.errno() === ENXIO ? Infinity : from;
}
