import { execFileSync } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, readFileSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { SmeltError } from '../../src/errors.ts';
import { drain } from '../../src/read/drain.ts';
import { takeSteps } from '../../src/workers/steps.ts';
import { type Outlet, type StreamState, writeAt } from '../../src/write/outlet.ts';
import { beginStream, endStream, openStream } from '../../src/write/stream.ts';
import { rearrange } from '../build/parse-flattened.ts';

let dir: string;
let path: string;
const open: number[] = [];

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'smelt-stream-'));
  path = join(dir, 'stream');
});
afterEach(() => {
  for (const fd of open.splice(0)) closeSync(fd);
  rmSync(dir, { recursive: true });
});

type Stream = Outlet & { readonly stream: StreamState };
const opened = (name: string, flags: number | string): number => {
  const fd = openSync(name, flags);
  open.push(fd);
  return fd;
};
const streamOn = (fd: number, mostBytes?: number): Stream =>
  openStream('the stream', fd, mostBytes, new Int32Array(new SharedArrayBuffer(4)));
const toFile = (mostBytes?: number): Stream => streamOn(opened(path, 'w+'), mostBytes);

/** A pipe that does not block its writer, as Node's own standard output is one. */
function pipe(): { stream: Stream; reader: number } {
  execFileSync('mkfifo', [path]);
  const reader = opened(path, constants.O_RDONLY | constants.O_NONBLOCK);
  return { stream: streamOn(opened(path, constants.O_WRONLY | constants.O_NONBLOCK)), reader };
}

function failureOf(work: () => void): SmeltError {
  try {
    work();
  } catch (error) {
    if (error instanceof SmeltError) return error;
    throw error;
  }
  throw new Error('it did not fail');
}

describe('a stream', () => {
  test('in order is the file that was meant', () => {
    const piece = fc.record({ gap: fc.nat(50), bytes: fc.uint8Array({ minLength: 1, maxLength: 60 }) });
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 20 }), fc.infiniteStream(fc.nat()), (pieces, random) => {
        const stream = toFile();
        drain(beginStream(stream, stream.stream));
        let at = 0;
        const placed = pieces.map(({ gap, bytes }) => {
          const byteOffset = at + gap;
          at = byteOffset + bytes.length;
          return { byteOffset, bytes, turn: random.next().value };
        });
        const file = Buffer.alloc(at);
        for (const { byteOffset, bytes } of placed) file.set(bytes, byteOffset);
        for (const { byteOffset, bytes } of placed.toSorted((a, b) => a.turn - b.turn))
          drain(writeAt(stream, bytes, byteOffset));
        expect(rearrange(readFileSync(path)).whole).toBe(false);
        drain(endStream(stream, stream.stream));
        const { file: put, whole } = rearrange(readFileSync(path));
        expect(put.equals(file)).toBe(true);
        expect(whole).toBe(true);
      }),
    );
  });

  test('has no record for no bytes', () => {
    const stream = toFile();
    drain(writeAt(stream, new Uint8Array(0), 77));
    expect(readFileSync(path).length).toBe(0);
  });

  test('that may not get so large is refused the byte that is too much, and takes the last one that is not', () => {
    const stream = toFile(1000);
    drain(beginStream(stream, stream.stream));
    drain(writeAt(stream, Buffer.alloc(10, 1), 990));
    expect(failureOf(() => drain(writeAt(stream, Buffer.alloc(10, 1), 991)))).toMatchObject({
      code: 'TOO_LARGE',
      message: 'the stream: the dump does not fit into the 1000 bytes of -L',
    });
    drain(endStream(stream, stream.stream));
    expect(rearrange(readFileSync(path)).file.length).toBe(1000);
  });

  test('with no room for it is an error that says so', () => {
    const stream = streamOn(opened('/dev/full', 'w'));
    expect(failureOf(() => drain(beginStream(stream, stream.stream)))).toMatchObject({
      code: 'WRITE',
      message: 'the stream: cannot be written to: no space left on the device (ENOSPC)',
      hint: 'Make room or write to another place.',
    });
  });

  test('whose reader is gone is an error that says so', () => {
    const { stream, reader } = pipe();
    closeSync(reader);
    open.splice(open.indexOf(reader), 1);
    expect(failureOf(() => drain(writeAt(stream, Buffer.alloc(10), 0)))).toMatchObject({
      code: 'WRITE',
      message: 'the stream: cannot be written to: the reader of the pipe is gone (EPIPE)',
      hint: 'What reads the dump has ended: look at what it says.',
    });
  });
});

describe('a full pipe', () => {
  const bytes = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * 7919) >> 3));

  test('is waited for, and nothing is lost', async () => {
    const { stream, reader } = pipe();
    const got: Buffer[] = [];
    const piece = Buffer.alloc(5000);
    const slowReader = setInterval(() => {
      const n = readSync(reader, piece);
      got.push(Buffer.from(piece.subarray(0, n)));
    }, 1);
    await takeSteps(beginStream(stream, stream.stream));
    await takeSteps(writeAt(stream, bytes, 123));
    clearInterval(slowReader);
    for (;;) {
      try {
        const n = readSync(reader, piece);
        got.push(Buffer.from(piece.subarray(0, n)));
      } catch {
        break; // EAGAIN: it is empty.
      }
    }
    const { file, records } = rearrange(Buffer.concat(got));
    expect(records).toMatchObject([{ offset: 123, size: bytes.length }]);
    expect(file.subarray(123).equals(bytes)).toBe(true);
  });

  test('that nobody reads is given up when the work is, and gets no end mark', async () => {
    const { stream } = pipe();
    setTimeout(() => Atomics.store(stream.stream.stop, 0, 1), 50);
    await takeSteps(writeAt(stream, bytes, 0));
    expect(Atomics.load(stream.stream.stop, 0)).toBe(1);
    // Half a record is there: nobody may write another one behind it.
    expect(Atomics.load(stream.stream.taken, 0)).toBe(1);
    expect(failureOf(() => drain(endStream(stream, stream.stream))).code).toBe('INTERRUPTED');
  });
});

test('a stream that a thread took with it to its end is given up when the work is', async () => {
  const stream = toFile();
  Atomics.store(stream.stream.taken, 0, 1);
  setTimeout(() => Atomics.store(stream.stream.stop, 0, 1), 50);
  await takeSteps(writeAt(stream, Buffer.alloc(10), 0));
  expect(readFileSync(path).length).toBe(0);
});
