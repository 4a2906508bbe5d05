/** Reads the files of a running machine: any of them may be absent, forbidden, endless, or something else than a file. */

import { closeSync, constants, fstatSync, openSync, readlinkSync, readSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { errnoName, systemReason } from '../../errors.ts';

/** What a file says, or why it cannot be read: a sentence with the path in it. */
export type Content<T> = { readonly value: T } | { readonly reason: string; readonly absent: boolean };

const MAX_TEXT_BYTES = 4 * 1024 * 1024;
const MAX_LINKS = 8;

export function readText(root: string, path: string): Content<string> {
  const content = readWhole(root, path);
  return 'value' in content ? { value: content.value.toString('utf8') } : content;
}

/** The whole file; of one that is longer than 4 MiB there is only the reason why not. */
export function readWhole(root: string, path: string): Content<Buffer> {
  return withFile(root, path, (fd) => {
    if (!fstatSync(fd).isFile()) return { reason: `${path} is not a regular file`, absent: false };
    // Files of /proc have no size that could be asked for.
    const chunks: Buffer[] = [];
    let total = 0;
    while (total <= MAX_TEXT_BYTES) {
      const chunk = Buffer.allocUnsafe(64 * 1024);
      const n = readSync(fd, chunk, 0, chunk.length, null);
      if (n === 0) return { value: Buffer.concat(chunks) };
      chunks.push(chunk.subarray(0, n));
      total += n;
    }
    return { reason: `${path} is longer than ${MAX_TEXT_BYTES / 1024 / 1024} MiB`, absent: false };
  });
}

/** A few bytes at a place: of a device whose offsets are numbers of registers, or of a file that stands for it. */
export function readAt(root: string, path: string, byteOffset: number, length: number): Content<Buffer> {
  return withFile(root, path, (fd) => {
    const stat = fstatSync(fd);
    if (!stat.isFile() && !stat.isCharacterDevice()) return { reason: `${path} is no device`, absent: false };
    const bytes = Buffer.alloc(length);
    const n = readSync(fd, bytes, 0, length, byteOffset);
    if (n === length) return { value: bytes };
    return { reason: `${path} has nothing at 0x${byteOffset.toString(16)}`, absent: false };
  });
}

/** The end of a chain of symbolic links, as a path of the machine that is looked at; the path itself where it is no link. */
export function resolveLinks(root: string, path: string): string {
  let at = path;
  for (let i = 0; i < MAX_LINKS; i++) {
    try {
      at = resolve('/', dirname(at), readlinkSync(join(root, at)));
    } catch {
      // No link, or not there: whoever opens it finds out.
      return at;
    }
  }
  return at;
}

/**
 * Opens without waiting: a named pipe would keep us until somebody writes, a terminal would become ours. Links are followed below
 * `root`, so that a copy of a machine does not speak of the machine that it lies on.
 */
export function withFile<T>(root: string, path: string, use: (fd: number) => Content<T>): Content<T> {
  let fd: number | undefined;
  try {
    const { O_RDONLY, O_NONBLOCK, O_NOCTTY, O_NOFOLLOW } = constants;
    fd = openSync(join(root, resolveLinks(root, path)), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW);
    return use(fd);
  } catch (error) {
    const name = errnoName(error);
    if (name === undefined) throw error;
    const absent = ['ENOENT', 'ENOTDIR', 'ENXIO', 'ENODEV'].includes(name);
    return { reason: `${path}: ${systemReason(error)}`, absent };
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}
