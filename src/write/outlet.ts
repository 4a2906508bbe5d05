/** Where the bytes of an output go, whichever thread writes them: to their places in a file, or as records of a flattened stream. */

import { writeSync } from 'node:fs';
import { errnoName, SmeltError } from '../errors.ts';
import { FlatRecordHeader } from '../read/flat-layout.ts';
import { fileSize } from '../units.ts';
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
  /** Not 0: the work is given up, and who waits for the stream need not. */
  readonly stop: Int32Array;
}

/** How often a thread that waits looks up: who has the stream may have died with it. */
const LOOK_MS = 50;
/** A pipe that is full and does not block its writers. */
const FULL_PIPE_MS = 5;

/** Writes all of `bytes` to their place in the output. @throws SmeltError WRITE, TOO_LARGE */
export function writeAt(outlet: Outlet, bytes: Uint8Array, byteOffset: number): void {
  const { path, fd, mostBytes, stream } = outlet;
  if (mostBytes !== undefined && byteOffset + bytes.length > mostBytes) {
    throw new SmeltError('TOO_LARGE', `${path}: the dump does not fit into the ${fileSize(mostBytes)} of -L`);
  }
  if (stream === undefined) writeFully(path, fd, bytes, byteOffset);
  else if (bytes.length > 0) writeRecord(outlet, stream, bytes, byteOffset);
}

function writeRecord({ path, fd }: Outlet, stream: StreamState, bytes: Uint8Array, byteOffset: number): void {
  if (!take(stream)) return;
  try {
    writeOn(path, fd, encodeRecord(byteOffset, bytes.length));
    writeOn(path, fd, bytes);
  } catch (error) {
    // The stream stays taken: half a record must not be followed by another one. Who waits for it learns that here alone.
    Atomics.store(stream.stop, 0, 1);
    throw error;
  }
  Atomics.store(stream.taken, 0, 0);
  Atomics.notify(stream.taken, 0, 1);
}

/** False: nobody wants the rest any more. */
function take({ taken, stop }: StreamState): boolean {
  while (Atomics.compareExchange(taken, 0, 0, 1) !== 0) {
    if (Atomics.load(stop, 0) !== 0) return false;
    Atomics.wait(taken, 0, 1, LOOK_MS);
  }
  return true;
}

const clock = new Int32Array(new SharedArrayBuffer(4));

/** Writes all of it to where the stream is. @throws SmeltError WRITE */
export function writeOn(path: string, fd: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) {
    try {
      done += writeSync(fd, bytes, done, bytes.length - done);
    } catch (cause) {
      // Who made the pipe may have set it so for a reader's sake.
      if (errnoName(cause) !== 'EAGAIN') throw writeError(path, 'cannot be written to', cause);
      Atomics.wait(clock, 0, 0, FULL_PIPE_MS);
    }
  }
}

/** What stands before a record; the mark of the end is one without bytes. */
export function encodeRecord(byteOffset: number, length: number): Buffer {
  const out = Buffer.alloc(FlatRecordHeader.size);
  FlatRecordHeader.write(out, { offset: BigInt(byteOffset), buf_size: BigInt(length) }, 0, false);
  return out;
}
