/** Files of one test file: a directory that is gone when its tests are over, and what opening a file gives. */
import { closeSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect } from 'vitest';
import { type ErrorCode, SmeltError } from '../../src/errors.ts';
import type { DumpFile } from '../../src/read/dump-file.ts';
import { openDump } from '../../src/read/open.ts';

export interface TempFiles {
  /** A new path each time. */
  path(name?: string): string;
  write(bytes: Uint8Array | string): string;
  /** `openDump`, closed when the tests are over. */
  open(path: string): DumpFile;
}

export function tempFiles(): TempFiles {
  const directory = mkdtempSync(join(tmpdir(), 'smelt-test-'));
  const fds: number[] = [];
  let made = 0;
  afterAll(() => {
    for (const fd of fds) closeSync(fd);
    rmSync(directory, { recursive: true, force: true });
  });
  const path = (name = 'file') => join(directory, `${made++}-${name}`);
  return {
    path,
    write(bytes) {
      const at = path();
      writeFileSync(at, bytes);
      return at;
    },
    open(at) {
      const file = openDump(at);
      fds.push(file.fd);
      return file;
    },
  };
}

/** Runs what must fail and gives the error: a SmeltError with this code, in one sentence that names all of `words`. */
export function expectSmeltError(
  run: () => unknown,
  code: ErrorCode,
  ...words: (string | RegExp)[]
): SmeltError {
  let caught: unknown;
  try {
    run();
  } catch (error) {
    caught = error;
  }
  expect(caught, 'nothing was thrown').toBeInstanceOf(SmeltError);
  const error = caught as SmeltError;
  expect({ code: error.code, message: error.message }).toMatchObject({ code });
  for (const word of words) expect(error.message).toMatch(word);
  expect(error.message).not.toMatch(/NaN|undefined|\.$|\n/);
  return error;
}
