/** Whether a file is one part of a split dump, by its first bytes alone: what else stands on a command line is told apart from parts. */

import { closeSync } from 'node:fs';
import { openForReading, readFully } from './file.ts';
import { FLAT_HEADER_BYTES, FlatRecordHeader, recordAt } from './flat-layout.ts';
import { isFlattened } from './flattened.ts';
import { kdump } from './kdump.ts';
import { DiskDumpHeader, KdumpSubHeader } from './kdump-layout.ts';

const MAX_BLOCK = 64 * 1024;
/** The header and the sub header, a block each. */
const BEGIN = 2 * MAX_BLOCK;
/** Whoever writes a flattened file begins with the headers. */
const MOST_RECORDS = 64;

/** Whether there is a file that is a part, or a flattened one that may be. */
export function beginsAsPart(path: string): boolean {
  return lookAt(path, (_fd, begin) => isFlattened(begin) || saysPart(begin));
}

/** Whether there is a file whose header says that it is a part, also of a flattened one. */
export function saysItIsPart(path: string): boolean {
  return lookAt(path, (fd, begin) => {
    if (isFlattened(begin)) arrange(fd, begin);
    return saysPart(begin);
  });
}

function saysPart(begin: Buffer): boolean {
  if (!kdump.probe(begin)) return false;
  const { block_size, header_version } = DiskDumpHeader.read(begin);
  if (header_version < 2 || block_size < DiskDumpHeader.size || block_size > MAX_BLOCK) return false;
  return KdumpSubHeader.read(begin, block_size).split !== 0;
}

/** The beginning of what a flattened file is of. */
function arrange(fd: number, begin: Buffer): void {
  begin.fill(0);
  const header = Buffer.alloc(FlatRecordHeader.size);
  const view = new DataView(header.buffer, header.byteOffset, header.length);
  let at = FLAT_HEADER_BYTES;
  for (let records = 0; records < MOST_RECORDS; records++) {
    if (readFully(fd, header, at) < header.length) return;
    const { offset, size } = recordAt(view);
    at += header.length;
    if (offset < 0 || size <= 0 || at + size > Number.MAX_SAFE_INTEGER) return;
    if (offset < BEGIN) readFully(fd, begin.subarray(offset, offset + Math.min(size, BEGIN - offset)), at);
    at += size;
  }
}

/** What cannot be opened or read is no part. */
function lookAt(path: string, look: (fd: number, begin: Buffer) => boolean): boolean {
  let fd: number | undefined;
  try {
    fd = openForReading(path).fd;
    const begin = Buffer.alloc(BEGIN);
    readFully(fd, begin, 0);
    return look(fd, begin);
  } catch {
    return false;
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}
