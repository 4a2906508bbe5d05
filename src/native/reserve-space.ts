/** Room on the disk for a part of a file that is written later. */

import { constants } from 'node:os';
import { libc } from './libc.ts';

/** An errno as Node's own calls throw it. */
class SystemError extends Error {
  readonly code: string;

  constructor(code: string) {
    super(code);
    this.code = code;
  }
}

/**
 * Allocates `length` bytes of a file from `byteOffset` on. Returns the error when there is no room, undefined when there is or when
 * this file system or this system cannot say.
 */
export function reserveSpace(fd: number, byteOffset: number, length: number): Error | undefined {
  const c = libc();
  if ('unavailable' in c || length <= 0) return undefined;
  if (c.fallocate(fd, 0, byteOffset, length) === 0) return undefined;
  const { ENOSPC, EDQUOT, EFBIG } = constants.errno;
  const name = { [ENOSPC]: 'ENOSPC', [EDQUOT]: 'EDQUOT', [EFBIG]: 'EFBIG' }[c.errno()];
  return name === undefined ? undefined : new SystemError(name);
}
