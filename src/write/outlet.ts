/** Where the bytes of an output go, whichever thread writes them: to their places in a file, or as records of a flattened stream. */

import { writeSync } from 'node:fs';
import { errnoName, SmeltError } from '../errors.ts';
import { waitWritable } from '../native/wait-writable.ts';
import { FlatRecordHeader } from '../read/flat-layout.ts';
import { limit } from '../units.ts';
import { writeError, writeFully } from './target-file.ts';

/** Plain data: every thread has its own copy, of one file descriptor. */
export interface Outlet {
  /** As messages name it. */
  readonly path: string;
  readonly fd: number;
  /** No byte of the output lies behind this many (-L). */
  readonly mostBytes: number | undefined;
  /** Of a stream, on which one record is written at a time; undefined: a file, which is written at any place. */
  readonly stream: StreamState | undefined;
}

export interface StreamState {
  /** 1 while a thread writes a record. */
  readonly taken: Int32Array;
  /** Not 0: the work is given up, and nobody need wait for the stream or its reader. */
  readonly stop: Int32Array;
}

/**
 * How long a thread waits at a stretch. Then it takes a step, in which the main thread hears of signals and of threads that died:
 * one of them may have taken the stream with it.
 */
const WAIT_MS = 10;

/** Only what can be sent to another thread. */
export function outletOf({ path, fd, mostBytes, stream }: Outlet): Outlet {
  return { path, fd, mostBytes, stream };
}

/** @throws SmeltError TOO_LARGE where an output of so many bytes is more than -L allows */
export function checkLimit({ path, mostBytes }: Outlet, sizeBytes: number): void {
  if (mostBytes === undefined || sizeBytes <= mostBytes) return;
  throw new SmeltError('TOO_LARGE', `${path}: the dump does not fit into the ${limit(mostBytes)} of -L`, {
    hint: 'Raise the limit.',
  });
}

/**
 * Writes all of `bytes` to their place in the output. Yields where a stream has to be waited for; when the work is given up
 * meanwhile, the rest is not written.
 * @throws SmeltError WRITE, TOO_LARGE
 */
export function* writeAt(outlet: Outlet, bytes: Uint8Array, byteOffset: number): Generator<void, void> {
  const { path, fd, stream } = outlet;
  checkLimit(outlet, byteOffset + bytes.length);
  if (stream === undefined) writeFully(path, fd, bytes, byteOffset);
  else if (bytes.length > 0) yield* writeRecord(outlet, stream, bytes, byteOffset);
}

function* writeRecord(
  outlet: Outlet,
  stream: StreamState,
  bytes: Uint8Array,
  byteOffset: number,
): Generator<void, void> {
  const { taken, stop } = stream;
  while (Atomics.compareExchange(taken, 0, 0, 1) !== 0) {
    if (Atomics.load(stop, 0) !== 0) return;
    Atomics.wait(taken, 0, 1, WAIT_MS);
    yield;
  }
  // After a failure the stream stays taken: half a record must not be followed by another one.
  if (!(yield* writeOn(outlet, stream, encodeRecord(byteOffset, bytes.length)))) return;
  if (!(yield* writeOn(outlet, stream, bytes))) return;
  Atomics.store(taken, 0, 0);
  Atomics.notify(taken, 0, 1);
}

/** Writes all of it to where the stream is; false: it was given up. @throws SmeltError WRITE */
export function* writeOn(
  { path, fd }: Outlet,
  { stop }: StreamState,
  bytes: Uint8Array,
): Generator<void, boolean> {
  for (let done = 0; done < bytes.length; ) {
    if (Atomics.load(stop, 0) !== 0) return false;
    try {
      const n = writeSync(fd, bytes, done, bytes.length - done);
      if (n === 0) throw writeError(path, 'takes nothing', undefined);
      done += n;
    } catch (cause) {
      // Node has its own pipes and sockets so that a full one does not block.
      if (errnoName(cause) !== 'EAGAIN') throw writeError(path, 'cannot be written to', cause);
      waitWritable(fd, WAIT_MS);
      yield;
    }
  }
  return true;
}

/** What stands before a record; the mark of the end is one without bytes. */
export function encodeRecord(byteOffset: number, length: number): Buffer {
  const out = Buffer.alloc(FlatRecordHeader.size);
  FlatRecordHeader.write(out, { offset: BigInt(byteOffset), buf_size: BigInt(length) }, 0, false);
  return out;
}
