/** A call of the C library that failed, as Node's own calls throw it. */

import { constants } from 'node:os';

export class SystemError extends Error {
  readonly code: string;

  constructor(code: string) {
    super(code);
    this.code = code;
  }
}

type ErrnoName = keyof typeof constants.errno;

/** The error for an errno that is one of `names`; undefined for any other. */
export function errorAmong(errno: number, names: readonly ErrnoName[]): SystemError | undefined {
  const name = names.find((each) => constants.errno[each] === errno);
  return name === undefined ? undefined : new SystemError(name);
}
