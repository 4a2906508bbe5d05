/** Flattened streams put in order, however their bytes arrive. */
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SmeltError } from '../../src/errors.ts';
import { type ByteStream, rearrange } from '../../src/workers/rearrange.ts';
import type { RearrangeRequest } from '../../src/workers/report.ts';
import { encodeFlattened, type FlatRecord, rearranged, recordsOf } from '../build/flattened.ts';
import { tempFiles } from '../read/temp-files.ts';

const files = tempFiles();

/** Gives these bytes in pieces of at most these sizes, and counts what was taken. */
function streamOf(bytes: Uint8Array, sizes: readonly number[] = [65536]): ByteStream & { taken: number } {
  let call = 0;
  return {
    name: 'the stream',
    isFile: () => false,
    taken: 0,
    async read(most) {
      const size = Math.min(most, sizes[call++ % sizes.length]!);
      const piece = bytes.subarray(this.taken, this.taken + size);
      this.taken += piece.length;
      return piece;
    },
  };
}

const request = (output: string, change: Partial<RearrangeRequest> = {}): RearrangeRequest => ({
  output,
  overwrite: false,
  keepIncomplete: false,
  requireEncryptedTarget: false,
  ...change,
});
const run = (output: string, stream: ByteStream, change: Partial<RearrangeRequest> = {}, signal = never) =>
  rearrange(request(output, change), stream, () => {}, signal);
const never = new AbortController().signal;
/** What there is of an output: itself, or its part. */
const namesOf = (output: string) =>
  readdirSync(dirname(output)).filter((name) => name.startsWith(basename(output)));

async function failure(work: Promise<unknown>): Promise<SmeltError> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(SmeltError);
  return error as SmeltError;
}

const records = fc.array(
  fc
    .tuple(fc.nat(3000), fc.uint8Array({ maxLength: 700 }))
    .map(([offset, bytes]): FlatRecord => ({ offset, bytes })),
  { maxLength: 12 },
);

describe('a flattened stream', () => {
  it('comes to what its records say, in whatever pieces it arrives, and no byte behind its end mark is taken', async () => {
    await fc.assert(
      fc.asyncProperty(
        records,
        fc.array(fc.integer({ min: 1, max: 900 }), { minLength: 1, maxLength: 5 }),
        async (given, sizes) => {
          const flat = encodeFlattened(given);
          const stream = streamOf(Buffer.concat([flat, Buffer.alloc(300, 9)]), sizes);
          const output = files.path('out');
          const report = await run(output, stream);
          const want = rearranged(given);
          expect(readFileSync(output).equals(want)).toBe(true);
          expect(stream.taken).toBe(flat.length);
          expect(report).toMatchObject({
            output: { path: output, sizeBytes: want.length },
            input: { records: given.length, sizeBytes: flat.length },
          });
        },
      ),
      { numRuns: 60 },
    );
  });

  it('leaves holes where no record writes, in a file for its owner alone', async () => {
    const output = files.path('holes');
    await run(output, streamOf(encodeFlattened([{ offset: 2 ** 30, bytes: Buffer.from('end') }])));
    const { size, blocks, mode } = statSync(output);
    expect(size).toBe(2 ** 30 + 3);
    expect(blocks * 512).toBeLessThan(2 ** 20);
    expect(mode & 0o777).toBe(0o600);
  });

  it.each([
    ['in its header', 2000, 'TRUNCATED', false],
    ['before a record', 4096, 'TRUNCATED', true],
    ['in the header of a record', 4100, 'TRUNCATED', true],
    ['in a record', 4150, 'TRUNCATED', true],
    ['before the end mark', 4096 + 116 * 3, 'TRUNCATED', true],
    ['in the end mark', 4096 + 116 * 3 + 8, 'TRUNCATED', true],
    ['before anything came', 0, 'NOT_A_DUMP', false],
  ] as const)('that ends %s is a failure, and what was written stays', async (_, length, code, hasPart) => {
    const flat = encodeFlattened(recordsOf(Buffer.alloc(300, 3), 100));
    const output = files.path('cut');
    const error = await failure(run(output, streamOf(flat.subarray(0, length))));
    expect(error.code).toBe(code);
    expect(error.message).toContain('the stream: ');
    expect(namesOf(output)).toEqual(hasPart ? [`${basename(output)}.incomplete`] : []);
    if (hasPart) expect(error.hint).toContain(`What was written is in ${output}.incomplete`);
  });

  it('with a record that cannot be is a failure', async () => {
    const flat = encodeFlattened([
      { offset: 0, bytes: Buffer.from('abc') },
      { offset: -5n, bytes: Buffer.from('abc') },
    ]);
    const output = files.path('bad');
    const error = await failure(run(output, streamOf(flat)));
    expect(error.code).toBe('CORRUPT');
    expect(error.message).toContain('the record at byte 4,115 has 3 bytes for byte -5');
    expect(readFileSync(`${output}.incomplete`, 'latin1')).toBe('abc');
  });

  it('does not go over a file that is there without being told so', async () => {
    const output = files.path('there');
    writeFileSync(output, 'old');
    const flat = encodeFlattened([{ offset: 0, bytes: Buffer.from('new') }]);
    expect(await failure(run(output, streamOf(flat)))).toMatchObject({ code: 'TARGET' });
    expect(readFileSync(output, 'latin1')).toBe('old');
    await run(output, streamOf(flat), { overwrite: true });
    expect(readFileSync(output, 'latin1')).toBe('new');
  });

  it.each([false, true])(
    'that is interrupted leaves nothing, or its part if that is asked for (%s)',
    async (keepIncomplete) => {
      const abort = new AbortController();
      const inner = streamOf(encodeFlattened(recordsOf(Buffer.alloc(2 ** 20, 3), 4096)));
      const stream: ByteStream = {
        name: 'the stream',
        isFile: () => false,
        async read(most) {
          if (inner.taken > 200_000) {
            abort.abort(new SmeltError('INTERRUPTED', 'interrupted by SIGINT'));
            throw abort.signal.reason;
          }
          return inner.read(most);
        },
      };
      const output = files.path('interrupted');
      const error = await failure(run(output, stream, { keepIncomplete }, abort.signal));
      expect(error).toMatchObject({ code: 'INTERRUPTED', message: 'interrupted by SIGINT' });
      expect(namesOf(output)).toEqual(keepIncomplete ? [`${basename(output)}.incomplete`] : []);
    },
  );
});
