/** A call of the C library that failed, as Node's own calls throw it. */

import { constants } from 'node:os';
import { getSystemErrorName } from 'node:util';

export class SystemError extends Error {
  readonly code: string;

  constructor(code: string) {
    super(code);
    this.code = code;
  }
}

/** The error for any errno. */
export function systemError(errno: number): SystemError {
  return new SystemError(getSystemErrorName(-errno));
}

/** The same, undefined where it is none of `names`. */
export function errorAmong(
  errno: number,
  names: readonly (keyof typeof constants.errno)[],
): SystemError | undefined {
  return names.some((name) => constants.errno[name] === errno) ? systemError(errno) : undefined;
}
