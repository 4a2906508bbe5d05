/** The file a dump goes to: grows under a temporary name, and gets its own only when it is whole and on the disk. */

import {
  accessSync,
  closeSync,
  constants,
  fdatasyncSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  linkSync,
  lstatSync,
  openSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { errnoName, SmeltError, systemReason } from '../errors.ts';
import { reserveSpace } from '../native/reserve-space.ts';
import { fileSize } from '../units.ts';
import type { Outlet } from './outlet.ts';

/** Owner only: a dump has the secrets of the whole machine in it. */
const MODE = 0o600;
const O_CREATE_NEW = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

/** Where a dump grows, and where what is left of it stays when it cannot be finished. */
export function incompleteName(path: string): string {
  return `${path}.incomplete`;
}

/** Open for reading and writing, at any place, from any thread. */
export interface TargetFile extends Outlet {
  readonly stream: undefined;
  /** False when it is sealed, left or discarded. */
  readonly isOpen: boolean;
  /** Makes sure of room for these bytes, so that writing them later cannot fail for want of it, where the file system can promise that. */
  reserve(byteOffset: number, length: number): void;
  /** Makes the file so long; what is not written of it is a hole. */
  resize(sizeBytes: number): void;
  /** Brings what was written so far to the disk. */
  sync(): void;
  /** Makes it whole: all is on the disk and has its name, or an error was thrown and it has not. */
  seal(): void;
  /** Brings what there is to the disk as far as that still works, under the temporary name; returns that name. */
  leaveIncomplete(): string;
  /** Removes what there is; false when it is still there, or somebody else's by now. */
  discard(): boolean;
}

/** Refuses what must not be written to, before any work is done. */
export function openTarget(path: string, overwrite: boolean, mostBytes?: number): TargetFile {
  checkTarget(path, overwrite);
  const growing = incompleteName(path);
  const fd = createNew(path, growing, overwrite);
  const own = fstatSync(fd);
  try {
    // What is synced of it later can be found then, even if the machine ends at any moment. seal does it again, and tells.
    syncFolder(path);
  } catch {
    // The folder of a dump that may still become whole.
  }
  // A second run with -f, or a person, may have removed the file or put another one there.
  const isOurs = () => {
    const there = lookAt(growing, lstatSync);
    return there?.dev === own.dev && there.ino === own.ino;
  };
  let open = true;
  /** What close says after the bytes are on the disk changes nothing, and the number may not be used twice. */
  const close = () => {
    if (!open) return;
    open = false;
    try {
      closeSync(fd);
    } catch {
      // Whatever failed before is what is told.
    }
  };
  return {
    path,
    fd,
    mostBytes,
    stream: undefined,
    get isOpen() {
      return open;
    },
    reserve: (byteOffset, length) => {
      const failed = reserveSpace(fd, byteOffset, length);
      if (failed !== undefined) throw writeError(path, 'room for the page descriptors cannot be had', failed);
    },
    resize(sizeBytes) {
      try {
        ftruncateSync(fd, sizeBytes);
      } catch (cause) {
        throw writeError(path, `the file cannot be made ${fileSize(sizeBytes)} long`, cause);
      }
    },
    sync() {
      try {
        fdatasyncSync(fd);
      } catch (cause) {
        throw writeError(path, 'cannot be brought to the disk', cause);
      }
    },
    seal() {
      let ours: boolean;
      try {
        fdatasyncSync(fd);
        // As long as the file is open nobody else's can have its inode number.
        ours = isOurs();
        close();
      } catch (cause) {
        throw writeError(path, 'cannot be brought to the disk', cause);
      }
      if (!ours) {
        throw new SmeltError(
          'TARGET',
          `${growing}: was removed or replaced by somebody else meanwhile, and this dump is lost`,
          { hint: 'Let only one run at a time write this file.' },
        );
      }
      try {
        // Once for the temporary name's entry, so that the rename cannot reach the disk before the data.
        syncFolder(path);
        takeName(growing, path, overwrite);
        syncFolder(path);
      } catch (cause) {
        throw new SmeltError(
          'TARGET',
          cause instanceof SmeltError
            ? cause.message
            : `${path}: cannot get its name: ${systemReason(cause)}`,
          {
            hint: `The dump is whole and named ${growing}: rename it.`,
            cause,
          },
        );
      }
    },
    leaveIncomplete() {
      try {
        fdatasyncSync(fd);
        syncFolder(path);
      } catch {
        // The first failure is the one that is told; this is what can still be saved after it.
      }
      close();
      return growing;
    },
    discard() {
      try {
        if (!isOurs()) return false;
        unlinkSync(growing);
        return true;
      } catch {
        return false;
      } finally {
        close();
      }
    },
  };
}

/** What openTarget would refuse, without making anything; undefined where nothing is seen to be wrong. */
export function whyNoTarget(path: string, overwrite: boolean): SmeltError | undefined {
  try {
    checkTarget(path, overwrite);
  } catch (error) {
    if (error instanceof SmeltError) return error;
    throw error;
  }
  const growing = incompleteName(path);
  if (!overwrite && lookAt(growing, lstatSync) !== undefined) return growingExists(growing);
  try {
    accessSync(dirname(path), constants.W_OK | constants.X_OK);
  } catch (cause) {
    return cannotCreate(path, cause);
  }
  return undefined;
}

/** What a path leads to; undefined also where it leads nowhere, of which opening it says more. */
function lookAt(path: string, look: typeof statSync | typeof lstatSync): Stats | undefined {
  try {
    return look(path);
  } catch {
    return undefined;
  }
}

function checkTarget(path: string, overwrite: boolean): void {
  const stat = lookAt(path, lstatSync);
  if (stat === undefined) return;
  if (stat.isSymbolicLink()) {
    throw new SmeltError('TARGET', `${path}: is a symbolic link, and nothing is written through one`, {
      hint: 'Give the name of the file itself, or remove the link.',
    });
  }
  if (!stat.isFile()) {
    throw new SmeltError(
      'TARGET',
      `${path}: is ${stat.isDirectory() ? 'a directory' : 'not a regular file'}`,
      {
        hint: 'Give the name of a file to be made.',
      },
    );
  }
  if (!overwrite) throw new SmeltError('TARGET', `${path}: already exists`, { hint: '-f overwrites it.' });
}

function createNew(path: string, growing: string, overwrite: boolean): number {
  try {
    if (overwrite) {
      try {
        unlinkSync(growing);
      } catch (cause) {
        if (errnoName(cause) !== 'ENOENT') throw cause;
      }
    }
    return openSync(growing, O_CREATE_NEW, MODE);
  } catch (cause) {
    if (errnoName(cause) === 'EEXIST') {
      throw growingExists(growing, cause);
    }
    throw cannotCreate(path, cause);
  }
}

function growingExists(growing: string, cause?: unknown): SmeltError {
  return new SmeltError(
    'TARGET',
    `${growing}: already exists: another run is writing it, or one could not finish`,
    { hint: 'Look at it first; -f removes it.', cause },
  );
}

function cannotCreate(path: string, cause: unknown): SmeltError {
  const hint = errnoName(cause) === 'ENOENT' ? { hint: `The directory ${dirname(path)} must exist.` } : {};
  return new SmeltError('TARGET', `${path}: cannot be created: ${systemReason(cause)}`, { ...hint, cause });
}

/** Without -f the name is taken by a hard link, which fails where somebody else took it meanwhile. */
function takeName(growing: string, path: string, overwrite: boolean): void {
  if (overwrite) {
    checkTarget(path, overwrite);
    renameSync(growing, path);
    return;
  }
  try {
    linkSync(growing, path);
  } catch (cause) {
    if (errnoName(cause) === 'EEXIST') {
      throw new SmeltError('TARGET', `${path}: was made by somebody else meanwhile`, { cause });
    }
    // File systems without hard links (FAT, some network ones).
    checkTarget(path, overwrite);
    renameSync(growing, path);
    return;
  }
  // Under its name the dump is whole; that the old name stays too harms nobody.
  rmSync(growing, { force: true });
}

function syncFolder(path: string): void {
  const fd = openSync(dirname(path), constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    fsyncSync(fd);
  } catch (cause) {
    // Some network file systems cannot sync a folder.
    if (errnoName(cause) !== 'EINVAL' && errnoName(cause) !== 'ENOTSUP') throw cause;
  } finally {
    closeSync(fd);
  }
}

/** Writes all of `bytes` at a place of the file, or throws an error that says why not. */
export function writeFully(path: string, fd: number, bytes: Uint8Array, byteOffset: number): void {
  let done = 0;
  while (done < bytes.length) {
    let n: number;
    try {
      n = writeSync(fd, bytes, done, bytes.length - done, byteOffset + done);
    } catch (cause) {
      const rest = fileSize(bytes.length - done);
      const at = byteOffset + done;
      const what = at === 0 ? `the first ${rest}` : `${rest} behind the first ${fileSize(at)}`;
      throw writeError(path, `${what} cannot be written`, cause);
    }
    // A write of nothing without an error would go on for ever.
    if (n === 0) throw writeError(path, 'the system writes nothing', undefined);
    done += n;
  }
}

/** `cause`: an error of the system, or undefined where it gave no reason. */
export function writeError(path: string, what: string, cause: unknown): SmeltError {
  const free = errnoName(cause) === 'ENOSPC' || errnoName(cause) === 'EDQUOT';
  const gone = errnoName(cause) === 'EPIPE' || errnoName(cause) === 'ECONNRESET';
  const hint = gone
    ? 'What reads the dump has ended: look at what it says.'
    : free
      ? 'Make room or write to another place.'
      : 'Write to another place.';
  return new SmeltError(
    'WRITE',
    `${path}: ${what}: ${cause === undefined ? 'no reason given' : systemReason(cause)}`,
    {
      hint,
      cause,
    },
  );
}

/** Errors that come from another thread have no cause, but always the system's name for it in their message. */
const NO_SPACE = /\((ENOSPC|EDQUOT|EFBIG)\)/;

/** Whether an output did not fit where it was to go. */
export function hasNoRoom(error: unknown): boolean {
  if (!(error instanceof SmeltError)) return false;
  return error.code === 'TOO_LARGE' || (error.code === 'WRITE' && NO_SPACE.test(error.message));
}

/** Whether two paths are one file: a dump must not be written over its own input. */
export function isSameFile(a: string, b: string): boolean {
  const [first, second] = [a, b].map((path) => lookAt(path, statSync));
  return first !== undefined && second !== undefined && first.dev === second.dev && first.ino === second.ino;
}
