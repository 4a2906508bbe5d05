/** Bytes of the memory are the same whatever the dump is that they are read from; what is not there is said. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { SmeltError } from '../../src/errors.ts';
import type { Where } from '../../src/inspect/address.ts';
import { type Piece, read } from '../../src/inspect/read.ts';
import { vtop } from '../../src/inspect/vtop.ts';
import type { WordReport } from '../../src/inspect/words.ts';
import { encodeFlattened, recordsOf } from '../build/flattened.ts';
import { parseKdump } from '../program/parse-kdump.ts';
import { tempFiles } from '../read/temp-files.ts';
import { runDump, scratch } from '../workers/run-dump.ts';
import { errorOf, NEVER, QUIET, requestOf } from './looking.ts';

const SAMPLE = join(import.meta.dirname, '../../samples/x86_64-6.1-small.kdump');
const TWIN = join(import.meta.dirname, '../../samples/x86_64-6.1-sme.kdump');
const dir = scratch();
const files = tempFiles();
const inputs: Record<string, readonly string[]> = {};

beforeAll(async () => {
  const make = async (name: string, asked: object, parts: string[] = []) => {
    const output = join(dir, name);
    await runDump({ input: SAMPLE, output, ...asked });
    inputs[name] = [output, ...parts];
  };
  await make('ELF', { format: 'elf', dumpLevel: 0 });
  await make('level 0', { dumpLevel: 0, codec: 'zstd' });
  await make('level 31', { dumpLevel: 31, codec: 'lzo' });
  const second = join(dir, 'part2');
  await make('split', { dumpLevel: 31, codec: 'zlib', moreOutputs: [second] }, [second]);
  inputs.flattened = [files.write(encodeFlattened(recordsOf(readFileSync(inputs['level 31']![0]!), 65536)))];
});

async function bytesAt(paths: readonly string[], where: Where, length: number) {
  const pieces: Piece[] = [];
  const [input, ...more] = paths as [string, ...string[]];
  const report = await read(
    { ...requestOf(input, more), where, length, withBytes: true },
    QUIET,
    NEVER,
    async (piece) => {
      pieces.push(piece);
    },
  );
  const bytes = Buffer.concat(pieces.map((piece) => piece.bytes ?? Buffer.alloc(piece.length)));
  return { report, pieces, bytes };
}
/** Pieces of the sample: what is not there may be larger than any buffer. */
async function bytesOf(where: Where, length: number): Promise<Piece[]> {
  const pieces: Piece[] = [];
  await read({ ...requestOf(SAMPLE), where, length, withBytes: false }, QUIET, NEVER, async (piece) => {
    pieces.push(piece);
  });
  return pieces;
}
const symbol = (name: string, offset = 0): Where => ({ kind: 'symbol', name, offset });
const address = (value: bigint | number): Where => ({ kind: 'address', value: BigInt(value) });

describe('read', () => {
  test.each(['ELF', 'level 0', 'level 31', 'flattened', 'split'])(
    'gives the same bytes from any kind of dump: %s',
    async (kind) => {
      const want = await bytesAt([SAMPLE], symbol('linux_banner'), 10_000);
      expect(want.bytes.toString('latin1')).toMatch(/^Linux version 6\.1\.0-56-cloud-amd64/);
      const { bytes, report } = await bytesAt(inputs[kind]!, symbol('linux_banner'), 10_000);
      expect(bytes.equals(want.bytes)).toBe(true);
      expect(report).toMatchObject({ vaddr: want.report.vaddr, paddr: want.report.paddr, missingBytes: 0 });
    },
  );

  test('gives what lies in the page frames, from any address and for any length', async () => {
    const dump = parseKdump(SAMPLE);
    const end = 0x5400 * 4096;
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0x100000, max: end - 30_000 }),
        fc.integer({ min: 1, max: 20_000 }),
        async (at, length) => {
          const first = Math.floor(at / 4096);
          const pages = Array.from({ length: 7 }, (_, i) => dump.page(first + i) ?? Buffer.alloc(4096));
          const want = Buffer.concat(pages).subarray(at - first * 4096, at - first * 4096 + length);
          const { bytes } = await bytesAt([SAMPLE], address(at), length);
          expect(bytes.equals(want)).toBe(true);
        },
      ),
      { numRuns: 30 },
    );
  });

  test('goes by the page tables where pages that follow each other in virtual memory lie apart', async () => {
    const base = (await bytesAt([SAMPLE], symbol('vmalloc_base'), 8)).bytes.readBigUInt64LE();
    const { pieces, report } = await bytesAt([SAMPLE], address(base), 4 * 2 ** 20);
    expect(report.missingBytes).toBeLessThan(report.length);
    const apart = pieces.filter(
      ({ paddr }, i) =>
        i > 0 &&
        paddr !== undefined &&
        pieces[i - 1]!.paddr !== undefined &&
        paddr !== pieces[i - 1]!.paddr! + 4096,
    );
    expect(apart.length).toBeGreaterThan(0);
    for (const { address: at, paddr, bytes } of apart.slice(0, 5)) {
      const { walk } = await vtop({ ...requestOf(SAMPLE), where: address(at) }, QUIET, NEVER);
      expect(walk.paddr).toBe(paddr);
      expect((await bytesAt([SAMPLE], address(paddr!), bytes!.length)).bytes.equals(bytes!)).toBe(true);
    }
  });

  test('is the same through page tables with the encryption bit', async () => {
    const [plain, twin] = await Promise.all(
      [SAMPLE, TWIN].map((path) => bytesAt([path], symbol('linux_banner'), 300)),
    );
    expect(twin!.bytes.equals(plain!.bytes)).toBe(true);
  });

  test('says what a filtered dump no longer has, and gives zeros in its place', async () => {
    const kept = new Set(parseKdump(inputs['level 31']![0]!).descriptors.keys());
    const pfn = [...parseKdump(SAMPLE).descriptors.keys()].find(
      (each) => kept.has(each) && !kept.has(each + 1),
    )!;
    const { report, pieces, bytes } = await bytesAt(inputs['level 31']!, address(pfn * 4096 + 4000), 200);
    expect(report.missingBytes).toBe(104);
    expect(pieces.map((piece) => [piece.length, piece.bytes === undefined])).toEqual([
      [96, false],
      [104, true],
    ]);
    expect(bytes.subarray(96).every((byte) => byte === 0)).toBe(true);
  });

  test('tells what is not mapped in one piece, however much it is', async () => {
    const { report, pieces } = await bytesAt([SAMPLE], address(0xffff_8000_0000_0000n), 64 * 2 ** 20);
    expect(pieces).toHaveLength(1);
    expect(report).toMatchObject({ missingBytes: 64 * 2 ** 20, paddr: undefined });
  });

  test('tells what is not there at once, however large it is', async () => {
    const beyond = 0x5400 * 4096;
    const physical = await bytesOf(address(beyond - 100), 2 ** 52);
    expect(physical.map(({ bytes, length }) => [bytes?.length, length])).toEqual([
      [100, 100],
      [undefined, 2 ** 52 - 100],
    ]);
    const virtual = await bytesOf(address(0xffff_8000_0000_0000n - 4096n), 2 ** 40);
    expect(virtual).toMatchObject([{ length: 2 ** 40, paddr: undefined }]);
  });

  test('is of the address that was asked for, also where numbers end', async () => {
    const [piece] = await bytesOf(address(2n ** 63n - 1n), 1);
    expect(piece).toMatchObject({ address: 2n ** 63n - 1n, length: 1, bytes: undefined });
  });

  test('ends where addresses end, and says so', async () => {
    const { report } = await bytesAt([SAMPLE], address(0xffff_ffff_ffff_f000n), 8192);
    expect(report.length).toBe(4096);
    expect(report.warnings.join()).toMatch(/end at 0xffffffffffffffff/);
  });

  test('is refused for a symbol that is not there, in words, with a way to find the right one', async () => {
    const error = await errorOf(bytesAt([SAMPLE], symbol('no_such_symbol'), 1));
    expect([error.code, error.hint]).toEqual(['NO_SYMBOL', expect.stringMatching(/smelt symbols/)]);
  });

  test('stops when it is told to', async () => {
    const stopped = new AbortController();
    const work = read(
      { ...requestOf(SAMPLE), where: address(0), length: 2 ** 46, withBytes: false },
      QUIET,
      stopped.signal,
      // Who reads it is slow.
      () => new Promise((done) => setTimeout(done, 1)),
    );
    setTimeout(() => stopped.abort(new SmeltError('INTERRUPTED', 'stopped')), 300);
    // To its end it would take half a minute.
    expect((await errorOf(work)).code).toBe('INTERRUPTED');
  });
});

describe('words', () => {
  async function wordsAt(where: Where, length: number) {
    const request = { ...requestOf(SAMPLE), where, length, withBytes: true, words: true };
    const given: WordReport[] = [];
    const report = await read(request, QUIET, NEVER, async (piece) => {
      given.push(...(piece.words ?? []));
    });
    expect(given).toEqual(report.words);
    return report;
  }

  test('are the bytes, from any address on and across pages', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0x100000, max: 0x5300000 }),
        fc.integer({ min: 1, max: 9000 }),
        async (at, length) => {
          const { words, length: read } = await wordsAt(address(at), length);
          expect(read).toBe(Math.ceil(length / 8) * 8);
          const { bytes, report } = await bytesAt([SAMPLE], address(at), read);
          fc.pre(report.missingBytes === 0);
          expect(words!.map(({ address: each }) => Number(each))).toEqual(
            Array.from({ length: read / 8 }, (_, i) => at + 8 * i),
          );
          expect(words!.map(({ value }) => value)).toEqual(
            Array.from({ length: read / 8 }, (_, i) => bytes.readBigUInt64LE(8 * i)),
          );
        },
      ),
      { numRuns: 30 },
    );
  });

  test('have the symbol that they point to, and none where they do not', async () => {
    const { words } = await wordsAt(symbol('sys_call_table'), 16);
    expect(words).toMatchObject([
      { name: '__x64_sys_read', offset: 0, module: undefined },
      { name: '__x64_sys_write', offset: 0 },
    ]);
    const zeros = (await wordsAt(symbol('empty_zero_page'), 8)).words;
    expect(zeros).toMatchObject([{ value: 0n, sizeBytes: 8, name: undefined }]);
  });

  test('end where memory ends: the last has the bytes that are there', async () => {
    const end = 0x5400 * 4096;
    const { words, pieces } = await wordsAt(address(end - 11), 32);
    const { bytes } = await bytesAt([SAMPLE], address(end - 11), 11);
    expect(words!.map(({ sizeBytes }) => sizeBytes)).toEqual([8, 3]);
    expect(Number(words![1]!.value)).toBe(bytes.readUIntLE(8, 3));
    expect(pieces!.at(-1)).toMatchObject({ length: 21, hex: undefined });
  });
});

describe('vtop', () => {
  test.each(['ELF', 'level 0', 'level 31', 'flattened', 'split'])(
    'walks the same tables in any kind of dump: %s',
    async (kind) => {
      const where = symbol('init_task', 0x10);
      const { walk } = await vtop({ ...requestOf(SAMPLE), where }, QUIET, NEVER);
      const [input, ...more] = inputs[kind]! as [string, ...string[]];
      expect(walk.paddr).toBeGreaterThan(0);
      expect((await vtop({ ...requestOf(input, more), where }, QUIET, NEVER)).walk).toEqual(walk);
    },
  );

  test('leads nowhere from an address that is not mapped, and from one of user space', async () => {
    for (const value of [0xffff_8000_0000_0000n, 0x1000n, 0n, 2n ** 64n - 1n]) {
      const { walk } = await vtop({ ...requestOf(SAMPLE), where: address(value) }, QUIET, NEVER);
      expect(walk.paddr).toBeUndefined();
    }
  });
});
