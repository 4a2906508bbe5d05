/** Opens a dump of any format that is understood, and says clearly what anything else is. */

import { closeSync } from 'node:fs';
import type { PageCodec } from '../codec/codec.ts';
import { SmeltError } from '../errors.ts';
import type { DumpFile, MemoryReader } from './dump-file.ts';
import { elf } from './elf.ts';
import { createElfReader } from './elf-reader.ts';
import { openForReading, readFully } from './file.ts';
import { isKcore, withoutCrashKernel } from './kcore.ts';
import { kdump } from './kdump.ts';
import { createKdumpReader } from './kdump-reader.ts';

const FORMATS = [elf, kdump];

/** Things that people give to a dump tool by mistake, by their first bytes. */
const OTHER_FILES: readonly { magic: string; what: string; hint: string }[] = [
  {
    magic: 'makedumpfile',
    what: 'is a flattened dump, which cannot be read directly',
    hint: 'Put it in order first: `makedumpfile -R DUMPFILE < FLATTENED`.',
  },
  { magic: '\x1f\x8b', what: 'is compressed with gzip', hint: 'Unpack it first: `gzip -d`.' },
  { magic: '\x28\xb5\x2f\xfd', what: 'is compressed with zstd', hint: 'Unpack it first: `zstd -d`.' },
  { magic: '\xfd7zXZ', what: 'is compressed with xz', hint: 'Unpack it first: `xz -d`.' },
  {
    magic: 'EMiL',
    what: 'is a LiME memory image, which is not supported',
    hint: 'Give an ELF core or a kdump file.',
  },
];

export function openDump(path: string): DumpFile {
  const { fd, fileBytes } = openForReading(path);
  try {
    const head = Buffer.alloc(4096);
    const n = readHead(path, fd, head);
    if (n === 0) {
      throw new SmeltError('NOT_A_DUMP', `${path}: is empty`, {
        hint: 'The dump was never written; look for a file named *.incomplete beside it.',
      });
    }
    const format = FORMATS.find((f) => f.probe(head.subarray(0, n)));
    const file = format?.open(path, fd, fileBytes);
    if (file) return file.format === 'elf' && isKcore(path) ? withoutCrashKernel(file) : file;
    const start = head.toString('latin1', 0, 16);
    const other = OTHER_FILES.find(({ magic }) => start.startsWith(magic));
    throw new SmeltError(
      'NOT_A_DUMP',
      `${path}: ${other?.what ?? `is not a dump: it begins with ${hex(head.subarray(0, Math.min(n, 8)))}`}`,
      {
        hint: other?.hint ?? 'smelt reads ELF vmcores and kdump-compressed files.',
      },
    );
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** One thread's reader. `codecs` serve a kdump-compressed input and are closed with the reader. */
export function createReader(file: DumpFile, mmap: boolean, codecs: readonly PageCodec[]): MemoryReader {
  return file.format === 'elf' ? createElfReader(file, mmap) : createKdumpReader(file, codecs);
}

function readHead(path: string, fd: number, head: Buffer): number {
  try {
    return readFully(fd, head, 0);
  } catch (cause) {
    throw new SmeltError('INPUT_READ', `${path}: cannot be read`, { cause });
  }
}

const hex = (bytes: Uint8Array) => Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join(' ');
