/** A flattened stream as an output (-F): records one behind the other, and an end mark only when all of it is there. */

import { fdatasyncSync } from 'node:fs';
import { errnoName, SmeltError } from '../errors.ts';
import { encodeEndMark, encodeFlatHeader } from '../read/flattened-layout.ts';
import { type Outlet, type StreamState, writeOn } from './outlet.ts';
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
  yield* writeOn(outlet, stream, encodeFlatHeader());
}

/** Behind the last record: the stream is whole. @throws SmeltError WRITE; INTERRUPTED when the work was given up meanwhile */
export function* endStream(outlet: Outlet, stream: StreamState): Generator<void, void> {
  if (!(yield* writeOn(outlet, stream, encodeEndMark()))) throw new SmeltError('INTERRUPTED', 'interrupted');
  try {
    fdatasyncSync(outlet.fd);
  } catch (cause) {
    // A pipe or a terminal; its reader has it.
    if (errnoName(cause) !== 'EINVAL' && errnoName(cause) !== 'ENOTSUP')
      throw writeError(outlet.path, 'cannot be brought to the disk', cause);
  }
}
