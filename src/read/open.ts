/** Opens a dump of any format that is understood, and says clearly what anything else is. */

import { closeSync } from 'node:fs';
import type { PageCodec } from '../codec/codec.ts';
import { SmeltError } from '../errors.ts';
import { drain } from './drain.ts';
import type { DumpFile, MemoryReader } from './dump-file.ts';
import { elf } from './elf.ts';
import { createElfReader } from './elf-reader.ts';
import { openForReading } from './file.ts';
import { indexFlattened, isFlattened } from './flattened.ts';
import { isKcore, withoutCrashKernel } from './kcore.ts';
import { kdump, saysPart } from './kdump.ts';
import { createKdumpReader } from './kdump-reader.ts';
import { partOf, type Source } from './source.ts';
import { joinParts } from './split-set.ts';

const FORMATS = [elf, kdump];

/** Things that people give to a dump tool by mistake, by their first bytes. */
const OTHER_FILES: readonly { magic: string; what: string; hint: string }[] = [
  { magic: '\x1f\x8b', what: 'is compressed with gzip', hint: 'Unpack it first: `gzip -d`.' },
  { magic: '\x28\xb5\x2f\xfd', what: 'is compressed with zstd', hint: 'Unpack it first: `zstd -d`.' },
  { magic: '\xfd7zXZ', what: 'is compressed with xz', hint: 'Unpack it first: `xz -d`.' },
  {
    magic: 'EMiL',
    what: 'is a LiME memory image, which is not supported',
    hint: 'Give an ELF core or a kdump file.',
  },
];

/** Opens it at once. `more`: the other parts, where `path` is one of a split dump (makedumpfile --split). */
export function openDump(path: string, ...more: readonly string[]): DumpFile {
  return drain(openingDump(path, ...more));
}

/** The same in steps: bitmaps and records of a large file, or of one that claims to be, take their time. */
export function* openingDump(path: string, ...more: readonly string[]): Generator<void, DumpFile> {
  const files: DumpFile[] = [];
  let dump: DumpFile | undefined;
  try {
    for (const each of [path, ...more]) files.push(yield* openOne(each));
    const [file] = files;
    dump = files.length === 1 && !(file!.format === 'kdump' && file!.split) ? file! : yield* joinParts(files);
    return dump;
  } finally {
    // Also where nobody wants it any more.
    if (dump === undefined) for (const file of files) closeDump(file);
  }
}

export function closeDump(file: DumpFile): void {
  // The first part's is the file's own.
  for (const { fd } of file.format === 'kdump' ? file.parts : [file]) closeSync(fd);
}

function* openOne(path: string): Generator<void, DumpFile> {
  const { fd, fileBytes } = openForReading(path);
  let opened: DumpFile | undefined;
  try {
    const plain: Source = { path, fd, fileBytes, flat: undefined };
    const head = readHead(plain);
    const source = isFlattened(head) ? yield* flattenedSource(plain) : plain;
    const file = yield* openFormat(source, source === plain ? head : readHead(source));
    opened = file.format === 'elf' && isKcore(path) ? withoutCrashKernel(file) : file;
    return opened;
  } finally {
    if (opened === undefined) closeSync(fd);
  }
}

function* flattenedSource({ path, fd, fileBytes }: Source): Generator<void, Source> {
  const flat = yield* indexFlattened(path, fd, fileBytes);
  return { path, fd, fileBytes: flat.place.at(-1)!, flat };
}

function* openFormat(source: Source, head: Buffer): Generator<void, DumpFile> {
  const { path, flat } = source;
  if (head.length === 0) {
    throw new SmeltError('NOT_A_DUMP', `${path}: is ${flat === undefined ? '' : 'flattened and '}empty`, {
      hint: 'The dump was never written; look for a file named *.incomplete beside it.',
    });
  }
  const format = FORMATS.find((f) => f.probe(head));
  if (format) return yield* format.open(source);
  const start = head.toString('latin1', 0, 16);
  const other = OTHER_FILES.find(({ magic }) => start.startsWith(magic));
  const what = other?.what ?? `is not a dump: it begins with ${hex(head.subarray(0, 8))}`;
  throw new SmeltError(
    'NOT_A_DUMP',
    `${path}: ${flat === undefined ? '' : 'is flattened, and what is in it '}${what}`,
    {
      hint: other?.hint ?? 'smelt reads ELF vmcores and kdump-compressed files.',
    },
  );
}

/** One thread's reader. `codecs` serve a kdump-compressed input and are closed with the reader. */
export function createReader(file: DumpFile, mmap: boolean, codecs: readonly PageCodec[]): MemoryReader {
  return file.format === 'elf' ? createElfReader(file, mmap) : createKdumpReader(file, codecs);
}

/** Whether there is a file that is one part of a split dump; of a flattened one nobody knows yet. */
export function beginsAsPart(path: string): boolean {
  let opened: { fd: number; fileBytes: number };
  try {
    opened = openForReading(path);
  } catch {
    return false;
  }
  try {
    const source = { path, ...opened, flat: undefined };
    const head = readHead(source);
    return isFlattened(head) || (kdump.probe(head) && saysPart(source));
  } catch {
    return false;
  } finally {
    closeSync(opened.fd);
  }
}

/** The first bytes, as many as the formats look at or as there are. */
function readHead(source: Source): Buffer {
  return partOf(source, 'its beginning', 0, Math.min(4096, source.fileBytes));
}

const hex = (bytes: Uint8Array) => Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join(' ');
