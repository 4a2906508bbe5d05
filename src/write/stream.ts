/** A flattened stream as an output (-F): records one behind the other, and an end mark only when all of it is there. */

import { fdatasyncSync } from 'node:fs';
import { errnoName, SmeltError } from '../errors.ts';
import {
  FLAT_END,
  FLAT_HEADER_BYTES,
  FLAT_SIGNATURE,
  FLAT_TYPE,
  FLAT_VERSION,
  FlatHeader,
} from '../read/flat-layout.ts';
import { encodeRecord, type Outlet, type StreamState, writeOn } from './outlet.ts';
import { writeError } from './target-file.ts';

/** One that any thread writes records to. @param stop as in StreamState */
export function openStream(
  path: string,
  fd: number,
  mostBytes: number | undefined,
  stop: Int32Array,
): Outlet & { readonly stream: StreamState } {
  const stream: StreamState = { taken: new Int32Array(new SharedArrayBuffer(4)), stop };
  return { path, fd, mostBytes, stream };
}

/** Before the first record. @throws SmeltError WRITE */
export function* beginStream(outlet: Outlet, stream: StreamState): Generator<void, void> {
  yield* writeOn(outlet, stream, encodeHeader());
}

/** Behind the last record: the stream is whole. @throws SmeltError WRITE; INTERRUPTED when the work was given up meanwhile */
export function* endStream(outlet: Outlet, stream: StreamState): Generator<void, void> {
  if (!(yield* writeOn(outlet, stream, encodeRecord(FLAT_END, FLAT_END))))
    throw new SmeltError('INTERRUPTED', 'interrupted');
  try {
    fdatasyncSync(outlet.fd);
  } catch (cause) {
    // A pipe or a terminal; its reader has it.
    if (errnoName(cause) !== 'EINVAL' && errnoName(cause) !== 'ENOTSUP')
      throw writeError(outlet.path, 'cannot be brought to the disk', cause);
  }
}

function encodeHeader(): Buffer {
  const out = Buffer.alloc(FLAT_HEADER_BYTES);
  FlatHeader.write(out, { signature: FLAT_SIGNATURE, type: FLAT_TYPE, version: FLAT_VERSION }, 0, false);
  return out;
}
