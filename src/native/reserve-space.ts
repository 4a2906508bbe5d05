/** Room on the disk for a part of a file that is written later. */

import { libc } from './libc.ts';
import { errorAmong } from './system-error.ts';

/**
 * Allocates `length` bytes of a file from `byteOffset` on. Returns the error when there is no room, undefined when there is or when
 * this file system or this system cannot say.
 */
export function reserveSpace(fd: number, byteOffset: number, length: number): Error | undefined {
  const c = libc();
  if ('unavailable' in c || length <= 0) return undefined;
  if (c.fallocate(fd, 0, byteOffset, length) === 0) return undefined;
  return errorAmong(c.errno(), ['ENOSPC', 'EDQUOT', 'EFBIG']);
}
