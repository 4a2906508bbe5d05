/** A file without a name, for what does not fit into memory and has no place in the output yet; it goes with the process. */

import { closeSync, constants, ftruncateSync, openSync, unlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SmeltError, systemReason } from '../errors.ts';

export interface Scratch {
  readonly path: string;
  readonly fd: number;
  close(): void;
}

const O_CREATE_NEW = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

/** A hole of `sizeBytes`. @param folder by default TMPDIR, or /tmp @throws SmeltError TARGET */
export function openScratch(sizeBytes: number, folder = tmpdir()): Scratch {
  const path = join(folder, `smelt-${process.pid}-${process.hrtime.bigint().toString(36)}`);
  try {
    const fd = openSync(path, O_CREATE_NEW, 0o600);
    unlinkSync(path);
    ftruncateSync(fd, sizeBytes);
    return { path, fd, close: () => closeSync(fd) };
  } catch (cause) {
    throw new SmeltError('TARGET', `no working file can be made in ${folder}: ${systemReason(cause)}`, {
      hint: '--work-dir DIR, or the variable TMPDIR, names another directory.',
      cause,
    });
  }
}
