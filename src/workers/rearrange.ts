/** A flattened dump from a stream, each record written to its place: makedumpfile -R. */

import { setImmediate as breathe } from 'node:timers/promises';
import { asSmeltError, SmeltError } from '../errors.ts';
import { FLAT_END, FLAT_HEADER_BYTES, FlatRecordHeader, recordAt } from '../read/flat-layout.ts';
import { checkFlatHeader, checkFlatRecord, cutRecord, noEndMark } from '../read/flattened.ts';
import { incompleteName, openTarget, type TargetFile, writeFully } from '../write/target-file.ts';
import { stopIfAborted } from './input.ts';
import type { RearrangeReport, RearrangeRequest, TargetProtection } from './report.ts';
import { peakRssBytes } from './resources.ts';
import { protectionOf, protectionOfFile, requireEncrypted } from './target-protection.ts';

/** Bytes that come one after the other, and are asked for one after the other. */
export interface ByteStream {
  /** What errors call it. */
  readonly name: string;
  /** Whether it is this file. */
  isFile(path: string): boolean;
  /** At least one byte and `most` at most, valid until the next call; none at the end. Never looks beyond what is asked for where that can be avoided. */
  read(most: number): Promise<Uint8Array>;
}

/** Asked for at once. */
const CHUNK_BYTES = 1024 * 1024;
/** How often signals and progress get their turn. */
const BREATH_MS = 50;

/** @throws SmeltError; INTERRUPTED when the signal was aborted. What is left behind then, the message says. */
export async function rearrange(
  request: RearrangeRequest,
  stream: ByteStream,
  onProgress: (readBytes: number) => void,
  signal: AbortSignal,
): Promise<RearrangeReport> {
  const began = performance.now();
  const { output, overwrite, requireEncryptedTarget } = request;
  if (requireEncryptedTarget) requireEncrypted(output, await protectionOf(output));
  for (const path of [output, incompleteName(output)]) {
    if (!stream.isFile(path)) continue;
    throw new SmeltError('TARGET', `${path}: is the stream that is read, and would be written over`, {
      hint: 'Give another name for DUMPFILE.',
    });
  }
  const reader = new Reader(stream);
  checkFlatHeader(stream.name, await reader.take(FLAT_HEADER_BYTES));
  const target = openTarget(output, overwrite);
  try {
    let targetProtection: TargetProtection | undefined;
    if (requireEncryptedTarget) {
      targetProtection = await protectionOfFile(output, target.fd);
      requireEncrypted(output, targetProtection);
    }
    const { records, sizeBytes } = await place(reader, target, onProgress, signal);
    target.seal();
    return {
      output: { path: output, sizeBytes },
      input: { records, sizeBytes: reader.at },
      targetProtection,
      totalMs: performance.now() - began,
      peakRssBytes: peakRssBytes(),
      warnings: [],
    };
  } catch (thrown) {
    const { aborted, reason } = signal;
    throw afterFailure(asSmeltError(aborted ? reason : thrown), target, aborted && !request.keepIncomplete);
  }
}

/** Up to the end mark, and no byte further. */
async function place(
  reader: Reader,
  { path, fd }: TargetFile,
  onProgress: (readBytes: number) => void,
  signal: AbortSignal,
): Promise<{ records: number; sizeBytes: number }> {
  let sizeBytes = 0;
  let looked = performance.now();
  const look = async () => {
    const now = performance.now();
    if (now - looked < BREATH_MS) return;
    looked = now;
    onProgress(reader.at);
    // A file is read without waiting for anything, so nobody else would get a turn.
    await breathe();
    stopIfAborted(signal);
  };
  for (let records = 0; ; records++) {
    const { name, at } = reader;
    const header = await reader.take(FlatRecordHeader.size);
    if (header.length < FlatRecordHeader.size) throw noEndMark(name, reader.at, at);
    const record = recordAt(new DataView(header.buffer, header.byteOffset, header.length));
    checkFlatRecord(name, record, at);
    if (record.offset === FLAT_END) return { records, sizeBytes };
    const end = reader.at + record.size;
    for (let byteOffset = record.offset; reader.at < end; ) {
      const bytes = await reader.read(Math.min(CHUNK_BYTES, end - reader.at));
      if (bytes.length === 0) throw cutRecord(name, at, end, reader.at);
      writeFully(path, fd, bytes, byteOffset);
      byteOffset += bytes.length;
      sizeBytes = Math.max(sizeBytes, byteOffset);
      await look();
    }
    await look();
  }
}

/** The stream, and how far it was read. */
class Reader {
  at = 0;
  private readonly stream: ByteStream;

  constructor(stream: ByteStream) {
    this.stream = stream;
  }

  get name(): string {
    return this.stream.name;
  }

  async read(most: number): Promise<Uint8Array> {
    const bytes = await this.stream.read(most);
    this.at += bytes.length;
    return bytes;
  }

  /** That many bytes, fewer only at the end. */
  async take(length: number): Promise<Uint8Array> {
    const first = await this.read(length);
    if (first.length === length || first.length === 0) return first;
    const all = new Uint8Array(length);
    all.set(first);
    for (let done = first.length; done < length; ) {
      const more = await this.read(length - done);
      if (more.length === 0) return all.subarray(0, done);
      all.set(more, done);
      done += more.length;
    }
    return all;
  }
}

/** What was written stays, unless the person who began it wants it gone. */
function afterFailure(error: SmeltError, target: TargetFile, unwanted: boolean): SmeltError {
  // It is whole, and only its name could not be had.
  if (error.code === 'TARGET') return error;
  const { code, message, exitCode, cause } = error;
  let became = '';
  if (code === 'UNENCRYPTED') target.discard();
  else if (!unwanted)
    became = `What was written is in ${target.leaveIncomplete()}, and nothing in it says that it is a part.`;
  else if (target.discard()) became = 'What was written is removed; --keep-incomplete would have kept it.';
  const hint = [error.hint ?? '', became].filter((part) => part !== '').join(' ');
  return new SmeltError(code, message, { ...(hint === '' ? {} : { hint }), exitCode, cause });
}
