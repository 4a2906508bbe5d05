/** A flattened stream as an output (-F): records one behind the other, and an end mark only when all of it is there. */

import { fdatasyncSync } from 'node:fs';
import { errnoName } from '../errors.ts';
import {
  FLAT_END,
  FLAT_HEADER_BYTES,
  FLAT_SIGNATURE,
  FLAT_TYPE,
  FLAT_VERSION,
  FlatHeader,
} from '../read/flat-layout.ts';
import { encodeRecord, type Outlet, type StreamState, writeOn } from './outlet.ts';
import { type Target, writeError } from './target-file.ts';

/** @param stop as in StreamState @throws SmeltError WRITE */
export function openStream(
  path: string,
  fd: number,
  mostBytes: number | undefined,
  stop: Int32Array,
): Target {
  const stream: StreamState = { taken: new Int32Array(new SharedArrayBuffer(4)), stop };
  const outlet: Outlet = { path, fd, mostBytes, stream };
  writeOn(path, fd, encodeHeader());
  return {
    ...outlet,
    reserve() {},
    sync() {},
    seal() {
      writeOn(path, fd, encodeRecord(FLAT_END, FLAT_END));
      try {
        fdatasyncSync(fd);
      } catch (cause) {
        // A pipe or a terminal; its reader has it.
        if (errnoName(cause) !== 'EINVAL' && errnoName(cause) !== 'ENOTSUP')
          throw writeError(path, 'cannot be brought to the disk', cause);
      }
    },
    leaveIncomplete: () => path,
    discard: () => false,
  };
}

function encodeHeader(): Buffer {
  const out = Buffer.alloc(FLAT_HEADER_BYTES);
  FlatHeader.write(out, { signature: FLAT_SIGNATURE, type: FLAT_TYPE, version: FLAT_VERSION }, 0, false);
  return out;
}
