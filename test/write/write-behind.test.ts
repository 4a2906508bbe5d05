import { spawnSync } from 'node:child_process';
import {
  closeSync,
  constants,
  fdatasyncSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statfsSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { writeFully } from '../../src/write/target-file.ts';
import { WriteBehind } from '../../src/write/write-behind.ts';
import { needsNative, noNative } from '../native-parts.ts';

const PIECE = 1024 * 1024;
const TMPFS_MAGIC = 0x01021994;
/** Bytes of the file that the page cache has. */
const cachedBytes = (path: string): number =>
  Number(
    spawnSync('fincore', ['--bytes', '--noheadings', '--output', 'RES', path], { encoding: 'utf8' }).stdout,
  );
const noDisk =
  statfsSync(tmpdir()).type === TMPFS_MAGIC
    ? ' (skipped: temporary files are in memory)'
    : spawnSync('fincore', ['--version']).error === undefined
      ? ''
      : ' (skipped: there is no fincore)';

let dir: string;
let path: string;
let fd: number;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'smelt-behind-'));
  path = join(dir, 'file');
  fd = openSync(path, 'w+');
});
afterEach(() => {
  closeSync(fd);
  rmSync(dir, { recursive: true });
});

describe.skipIf(noNative !== undefined)(`what was written${needsNative}`, () => {
  const pieces = Array.from({ length: 32 }, (_, i) => Buffer.alloc(PIECE, i + 1));

  test.skipIf(noDisk !== '')(`leaves the page cache soon after it is on the disk${noDisk}`, () => {
    const behind = WriteBehind.open(path, fd)!;
    pieces.forEach((piece, i) => {
      writeFully(path, fd, piece, i * PIECE);
      behind.wrote(i * PIECE, PIECE);
    });
    // Eight pieces on their way, no more than eight that are still to go there, and the last page of one that another shares.
    expect(cachedBytes(path)).toBeLessThanOrEqual(17 * PIECE);
    expect(readFileSync(path).equals(Buffer.concat(pieces))).toBe(true);
  });

  test.skipIf(noDisk !== '')(`stays in the page cache where nobody is told${noDisk}`, () => {
    pieces.forEach((piece, i) => {
      writeFully(path, fd, piece, i * PIECE);
    });
    fdatasyncSync(fd);
    expect(cachedBytes(path)).toBe(32 * PIECE);
  });

  test('cannot be flushed in parts everywhere, and that is known beforehand', () => {
    const nothing = openSync('/dev/null', constants.O_WRONLY);
    try {
      expect(WriteBehind.open('/dev/null', nothing)).toBeUndefined();
    } finally {
      closeSync(nothing);
    }
  });

  test('and cannot be brought to the disk, whatever errno says so, is an error of the dump', () => {
    const closed = openSync(path, 'r+');
    const behind = WriteBehind.open(path, closed)!;
    closeSync(closed);
    expect(() => behind.wrote(0, 8 * PIECE)).toThrow(`${path}: cannot be brought to the disk: EBADF`);
  });
});
