/** Sections with SHF_COMPRESSED: unpacked to a file without a name, so that a gigabyte of types takes no memory. */

import { randomBytes } from 'node:crypto';
import { closeSync, openSync, unlinkSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createInflate } from 'node:zlib';
import { SmeltError, systemReason } from '../../errors.ts';
import { openZstdStream } from '../../native/zstd-stream.ts';
import { size64, struct, u32 } from '../../struct.ts';
import { comma, readPart } from '../file.ts';
import type { SectionBytes } from './elf-sections.ts';
import { Turns } from './turns.ts';

/** Source: elf.h, Elf64_Chdr. */
const Elf64Chdr = struct('Elf64_Chdr', {
  ch_type: u32,
  ch_reserved: u32,
  ch_size: size64,
  ch_addralign: size64,
});

const ELFCOMPRESS_ZLIB = 1;
const ELFCOMPRESS_ZSTD = 2;
/** All sections together; a kernel with every driver has less. */
const MAX_UNPACKED_BYTES = 2 ** 31;
const PIECE_BYTES = 2 ** 20;

/** Hands on what the pieces unpack to. */
type Unpack = (pieces: Iterable<Buffer>, put: (bytes: Uint8Array) => Promise<void>) => Promise<void>;

/** @throws SmeltError where it does not unpack to what it says, or nothing here can unpack it */
export async function unpackSection(
  path: string,
  name: string,
  packed: SectionBytes,
  littleEndian: boolean,
  /** Bytes of other sections that are unpacked already. */
  before: number,
  look: () => Promise<void>,
): Promise<SectionBytes & { close(): void }> {
  const corrupt = (what: string, cause?: unknown) =>
    new SmeltError('CORRUPT', `${path}: section ${name} ${what}`, {
      hint: 'The file is damaged: get it again from where it came.',
      cause,
    });
  const raw = packed.read(0, Elf64Chdr.size);
  if (raw.length < Elf64Chdr.size) throw corrupt('is said to be compressed and is too short for that');
  const { ch_type, ch_size } = Elf64Chdr.read(raw, 0, littleEndian);
  if (before + ch_size > MAX_UNPACKED_BYTES)
    throw corrupt(
      `is said to unpack to ${comma(ch_size)} bytes, and all sections together to more than ${comma(MAX_UNPACKED_BYTES)}`,
    );
  const turns = new Turns(look);
  const file = new NamelessFile(path, ch_size);
  try {
    let total = 0;
    await unpackerOf(
      ch_type,
      path,
      name,
    )(piecesOf(packed, Elf64Chdr.size), async (bytes) => {
      total += bytes.length;
      if (total > ch_size) throw corrupt(`unpacks to more than the ${comma(ch_size)} bytes that it promises`);
      file.append(bytes);
      await turns.take();
    });
    if (total !== ch_size) throw corrupt(`unpacks to ${comma(total)} bytes, and promises ${comma(ch_size)}`);
    return file;
  } catch (error) {
    file.close();
    throw error instanceof SmeltError ? error : corrupt(`cannot be unpacked: ${systemReason(error)}`, error);
  }
}

function unpackerOf(type: number, path: string, name: string): Unpack {
  if (type === ELFCOMPRESS_ZLIB) return inflate;
  if (type !== ELFCOMPRESS_ZSTD)
    throw new SmeltError(
      'UNSUPPORTED',
      `${path}: section ${name} is compressed in a way (${type}) that smelt does not know`,
      {
        hint: '`objcopy --decompress-debug-sections VMLINUX COPY` makes a file that can be read.',
      },
    );
  const zstd = openZstdStream();
  if ('unavailable' in zstd)
    throw new SmeltError(
      'NO_CODEC',
      `${path}: section ${name} is compressed with zstd, and ${zstd.unavailable}`,
      {
        hint: 'Install libzstd, or make a copy with `objcopy --decompress-debug-sections VMLINUX COPY`.',
      },
    );
  return async (pieces, put) => {
    try {
      for (const piece of pieces) for (const bytes of zstd.unpack(piece)) await put(bytes);
    } finally {
      zstd.close();
    }
  };
}

function inflate(pieces: Iterable<Buffer>, put: (bytes: Uint8Array) => Promise<void>): Promise<void> {
  return pipeline(pieces, createInflate({ chunkSize: PIECE_BYTES }), async (unpacked) => {
    for await (const bytes of unpacked) await put(bytes as Buffer);
  });
}

function* piecesOf(packed: SectionBytes, from: number): Generator<Buffer> {
  for (let at = from; at < packed.sizeBytes; at += PIECE_BYTES) yield packed.read(at, PIECE_BYTES);
}

class NamelessFile implements SectionBytes {
  readonly sizeBytes: number;
  private readonly of: string;
  private readonly fd: number;
  private end = 0;

  constructor(of: string, sizeBytes: number) {
    this.of = of;
    this.sizeBytes = sizeBytes;
    const path = join(tmpdir(), `smelt-${randomBytes(8).toString('hex')}`);
    try {
      this.fd = openSync(path, 'wx+', 0o600);
      unlinkSync(path);
    } catch (cause) {
      throw new SmeltError('WRITE', `${path}: cannot be made: ${systemReason(cause)}`, {
        hint: `${of} has compressed sections, which are unpacked in $TMPDIR: name a folder with room there.`,
        cause,
      });
    }
  }

  append(bytes: Uint8Array): void {
    try {
      for (let done = 0; done < bytes.length; )
        done += writeSync(this.fd, bytes, done, bytes.length - done, this.end + done);
    } catch (cause) {
      throw new SmeltError('WRITE', `${tmpdir()}: cannot be written: ${systemReason(cause)}`, {
        hint: `${this.of} unpacks to ${comma(this.sizeBytes)} bytes there; $TMPDIR names another folder.`,
        cause,
      });
    }
    this.end += bytes.length;
  }

  read(at: number, length: number): Buffer {
    const size = Math.max(0, Math.min(length, this.sizeBytes - at));
    return readPart(this.of, this.fd, 'an unpacked section', at, size);
  }

  close(): void {
    closeSync(this.fd);
  }
}
