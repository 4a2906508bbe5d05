/** Standard input as bytes that are asked for: a file or a disk exactly as far as that, a pipe as it comes. */

import { fstatSync, readSync, statSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { SmeltError, systemReason } from '../errors.ts';
import type { ByteStream } from '../workers/rearrange.ts';

const STDIN = 0;
const NAME = 'standard input';
const BUFFER_BYTES = 1024 * 1024;
const NOTHING = new Uint8Array(0);

export interface Stdin extends ByteStream {
  /** Of a regular file: the bytes from where it stands to its end, or a few more. */
  readonly sizeBytes: number | undefined;
  /** Lets go of it: whoever still writes to a pipe is told so. */
  close(): void;
}

/** `open` makes a stream of what is no file. @throws SmeltError INPUT_OPEN */
export function openStdin(open: () => Readable, signal: AbortSignal): Stdin {
  let stat: ReturnType<typeof fstatSync>;
  try {
    stat = fstatSync(STDIN);
  } catch (cause) {
    throw new SmeltError('INPUT_OPEN', `${NAME}: cannot be read: ${systemReason(cause)}`, { cause });
  }
  const isFile = (path: string): boolean => {
    const there = statSync(path, { throwIfNoEntry: false });
    return there !== undefined && there.dev === stat.dev && there.ino === stat.ino;
  };
  if (stat.isFile() || stat.isBlockDevice())
    return { ...fileInput(stat.isFile() ? stat.size : undefined), isFile };
  return { ...streamInput(open(), signal), isFile };
}

function fileInput(sizeBytes: number | undefined): Omit<Stdin, 'isFile'> {
  const buffer = Buffer.alloc(BUFFER_BYTES);
  return {
    name: NAME,
    sizeBytes,
    async read(most) {
      try {
        return buffer.subarray(0, readSync(STDIN, buffer, 0, Math.min(most, buffer.length), null));
      } catch (cause) {
        throw readError(cause);
      }
    },
    close() {},
  };
}

function streamInput(stream: Readable, signal: AbortSignal): Omit<Stdin, 'isFile'> {
  const chunks: AsyncIterator<Uint8Array> = stream[Symbol.asyncIterator]();
  const stop = () => stream.destroy(signal.reason);
  signal.addEventListener('abort', stop, { once: true });
  let pending: Uint8Array = NOTHING;
  return {
    name: NAME,
    sizeBytes: undefined,
    async read(most) {
      while (pending.length === 0) {
        const next = await chunks.next().catch((cause: unknown) => {
          throw readError(cause);
        });
        if (next.done) return NOTHING;
        pending = next.value;
      }
      const part = pending.subarray(0, most);
      pending = pending.subarray(part.length);
      return part;
    },
    close() {
      signal.removeEventListener('abort', stop);
      stream.destroy();
    },
  };
}

function readError(cause: unknown): SmeltError {
  if (cause instanceof SmeltError) return cause;
  return new SmeltError('INPUT_READ', `${NAME}: cannot be read: ${systemReason(cause)}`, { cause });
}
