import { closeSync, openSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { ImageFormat } from '../../src/write/formats.ts';
import { hasBit } from '../build/expected.ts';
import { buildKdump } from '../build/kdump.ts';
import { rearrange, writtenTwice } from '../build/parse-flattened.ts';
import { type ParsedElf, parseElf, parseLime } from '../build/parse-image.ts';
import { type BuiltVmcore, buildVmcore } from '../build/vmcore.ts';
import { FLAG, INCOMPLETE, parseKdump } from '../program/parse-kdump.ts';
import { checkLayout, checkPages, trimmed } from './check-dump.ts';
import { buildEveryKind } from './every-kind.ts';
import { failureOf, runDump, scratch } from './run-dump.ts';

const dir = scratch();
const PAGE = 4096;
const MiB = 2 ** 20;
const ZEROS = Buffer.alloc(PAGE);
const input = join(dir, 'core');
const output = join(dir, 'out');
let core: BuiltVmcore;

/** Memory in several ranges, in mid-page here and there. */
beforeAll(() => {
  core = buildEveryKind({
    path: input,
    ram: [
      { start: 0x1000, end: 0x9fc00 },
      { start: MiB, end: 64 * MiB },
      { start: 192 * MiB + 0x800, end: 200 * MiB + 0x1234 },
    ],
  });
});

const pageOf = (pfn: number): Buffer => Buffer.from(core.pageBytes(pfn));

/** What a page reads as: its bytes where it is kept, zeros where it was left out, undefined where there is no memory. */
function expectedPage(kept: Uint8Array, pfn: number): Buffer | undefined {
  if (!hasBit(core.expected.ram, pfn)) return undefined;
  return hasBit(kept, pfn) ? pageOf(pfn) : ZEROS;
}

function checkElf(elf: ParsedElf, level: number): void {
  const kept = core.expected.kept(level);
  const wrong: number[] = [];
  for (let pfn = 0; pfn < core.expected.maxPfn + 8; pfn++) {
    const bytes = hasBit(kept, pfn) ? pageOf(pfn) : undefined;
    const stored = bytes !== undefined && !((level & 1) !== 0 && bytes.equals(ZEROS)) ? bytes : undefined;
    if (Buffer.compare(elf.page(pfn) ?? Buffer.alloc(0), stored ?? Buffer.alloc(0)) !== 0) wrong.push(pfn);
  }
  expect(wrong).toEqual([]);
  const memory = elf.loads.reduce((sum, { memsz }) => sum + memsz, 0);
  const ram = [...core.expected.ram].reduce(
    (sum, byte) => sum + byte.toString(2).replaceAll('0', '').length,
    0,
  );
  expect(memory).toBe(ram * PAGE);
  expect(elf.notes.includes(core.vmcoreinfoText)).toBe(true);
  expect(elf.flags).toBe(0);
}

describe('ELF', () => {
  test.each([0, 1, 2, 30, 31])('has at level %i what is kept, page for page', async (dumpLevel) => {
    const { report } = await runDump({ input, output, overwrite: true, format: 'elf', dumpLevel });
    const file = readFileSync(output);
    checkElf(parseElf(file), dumpLevel);
    const { kept, ...dropped } = core.expected.counts(dumpLevel);
    expect(report.keptPages).toBe(kept);
    expect(report.classes).toEqual({ ...dropped, shared: 0, undecided: 0, kernel: kept - dropped.zero });
    expect(report.output).toMatchObject({ format: 'ELF', sizeBytes: file.length, dumpLevel });
  });

  test('keeps the addresses of the direct map', async () => {
    await runDump({ input, output, overwrite: true, format: 'elf', dumpLevel: 31 });
    const { loads, image } = parseElf(readFileSync(output));
    expect(new Set(loads.map(({ vaddr, paddr }) => vaddr - BigInt(paddr)))).toEqual(
      new Set([core.tables.pageOffset]),
    );
    // And of the image, with the same bytes.
    expect(new Set(image.map(({ vaddr, paddr }) => vaddr - BigInt(paddr)))).toEqual(
      new Set([0xffffffff80000000n]),
    );
    for (const { offset, paddr, filesz } of image.filter((load) => load.filesz > 0)) {
      const whole = loads.find((load) => load.paddr <= paddr && paddr + filesz <= load.paddr + load.filesz);
      expect(offset).toBe(whole!.offset + paddr - whole!.paddr);
    }
  });

  test('is filtered further like any other', async () => {
    const first = join(dir, 'first.elf');
    await runDump({ input, output: first, format: 'elf', dumpLevel: 2 });
    await runDump({ input: first, output, overwrite: true, codec: 'zlib', dumpLevel: 31 });
    checkPages(parseKdump(output), core, core.expected.kept(31));
    rmSync(first);
  });
});

describe.each<ImageFormat>(['raw', 'lime'])('%s', (format) => {
  test.each([0, 1, 31])('has at level %i all memory, what was left out as zeros', async (dumpLevel) => {
    const { report } = await runDump({ input, output, overwrite: true, format, dumpLevel });
    const file = readFileSync(output);
    const kept = core.expected.kept(dumpLevel);
    const ranges =
      format === 'raw' ? [{ start: 0, end: core.expected.maxPfn * PAGE, at: 0 }] : parseLime(file);
    const wrong: number[] = [];
    for (let pfn = 0; pfn < core.expected.maxPfn; pfn++) {
      const range = ranges.find(({ start, end }) => start <= pfn * PAGE && pfn * PAGE < end);
      const at = range && range.at + pfn * PAGE - range.start;
      const seen = at === undefined ? undefined : file.subarray(at, at + PAGE);
      // In a raw image what is no memory is a hole.
      const page = expectedPage(kept, pfn) ?? (format === 'raw' ? ZEROS : undefined);
      if (Buffer.compare(seen ?? Buffer.alloc(0), page ?? Buffer.alloc(0)) !== 0) wrong.push(pfn);
    }
    expect(wrong).toEqual([]);
    expect(report.output.sizeBytes).toBe(file.length);
    expect(report.keptPages).toBe(core.expected.counts(dumpLevel).kept);
    expect(report.classes.zero).toBe(core.expected.counts(dumpLevel).zero);
    // Holes take no room: not even half of it is written at level 31.
    if (dumpLevel === 31) expect(statSync(output).blocks * 512).toBeLessThan(file.length / 2);
  });
});

/** Pages of the last part of memory that are zeros, are missing or left out: the end of a file must be there all the same. */
describe('the end of memory that is not kept', () => {
  const last = (64 * MiB) / PAGE - 1;
  const cases = {
    'is free': { kind: 'buddy', pfn: last - 1023, order: 10, data: 'text' },
    'is zeros': { kind: 'kernel', pfn: last - 8, count: 9 },
  } as const;
  test.each(Object.entries(cases))('and %s is in the file and in the stream', async (_name, page) => {
    const path = join(dir, 'end');
    const small = buildVmcore({ path, pages: [page] });
    for (const format of ['raw', 'lime', 'elf'] as const)
      for (const dumpLevel of [0, 1, 31]) {
        await runDump({ input: path, output, overwrite: true, format, dumpLevel });
        const file = readFileSync(output);
        const stream = await streamOf({ input: path, format, dumpLevel });
        expect(stream.file.length).toBe(file.length);
        expect(stream.file.equals(file)).toBe(true);
        if (format === 'raw') expect(file.length).toBe(small.expected.maxPfn * PAGE);
      }
  });
});

async function streamOf(asked: Partial<Parameters<typeof runDump>[0]>) {
  const path = join(dir, 'stream');
  const fd = openSync(path, 'w');
  try {
    const { report } = await runDump({
      input,
      ...asked,
      output: undefined,
      stream: { fd, path: 'standard output' },
    });
    const stream = rearrange(readFileSync(path));
    expect(stream.whole).toBe(true);
    return { ...stream, report };
  } finally {
    closeSync(fd);
    rmSync(path);
  }
}

describe('a stream', () => {
  test.each([undefined, 'zlib'] as const)(
    'with codec %s is the file, and no byte of it is written twice',
    async (codec) => {
      for (const dedup of [false, true]) {
        await runDump({ input, output, overwrite: true, codec, dumpLevel: 31, dedup });
        const stream = await streamOf({ codec, dumpLevel: 31, dedup });
        expect(stream.file.equals(readFileSync(output))).toBe(true);
        expect(writtenTwice(stream)).toBe(0);
        expect(stream.report.output).toMatchObject({
          path: 'standard output',
          sizeBytes: stream.file.length,
        });
      }
    },
  );

  test.each(['elf', 'raw', 'lime'] as const)(
    'of %s is the file, and no byte of it is written twice',
    async (format) => {
      for (const dumpLevel of [0, 1, 31]) {
        await runDump({ input, output, overwrite: true, format, dumpLevel });
        const stream = await streamOf({ format, dumpLevel });
        expect(stream.file.equals(readFileSync(output))).toBe(true);
        expect(writtenTwice(stream)).toBe(0);
      }
    },
  );
});

describe('split', () => {
  test.each([2, 3, 5, 8])('into %i parts has every page once, in the part that says so', async (count) => {
    for (const dedup of [false, true]) {
      const paths = Array.from({ length: count }, (_, i) => join(dir, `part-${i}`));
      const [first, ...moreOutputs] = paths;
      const { report } = await runDump({
        input,
        output: first,
        moreOutputs,
        overwrite: true,
        codec: 'zlib',
        dumpLevel: 31,
        dedup,
      });
      const parts = paths.map(partOf);
      let next = 0;
      const pages = new Set<number>();
      for (const { start, end, dump } of parts) {
        expect(start).toBe(next);
        // crash counts by words of 64 bits.
        expect(start % 64).toBe(0);
        next = end;
        expect(trimmed(dump.bitmap1)).toEqual(trimmed(core.expected.ram));
        expect(trimmed(dump.bitmap2)).toEqual(trimmed(core.expected.kept(31)));
        expect(dump.split).toBe(1);
        checkLayoutOfPart(dump, dedup, report.keptPages);
        for (const pfn of dump.descriptors.keys()) {
          expect(pfn >= start && pfn < end).toBe(true);
          expect(dump.page(pfn)?.equals(pageOf(pfn))).toBe(true);
          pages.add(pfn);
        }
      }
      expect(next).toBe(core.expected.maxPfn);
      expect(pages.size).toBe(report.keptPages);
      expect(report.output.files.map(({ path }) => path)).toEqual(paths);
      expect(report.output.files.map(({ sizeBytes }) => sizeBytes)).toEqual(
        paths.map((path) => statSync(path).size),
      );
      // The headers tell them apart by nothing but their page frames: crash compares the first block.
      expect(new Set(parts.map(({ dump }) => dump.file.toString('hex', 0, PAGE))).size).toBe(1);
    }
  });

  test('of fewer pages than parts has parts without pages', async () => {
    const path = join(dir, 'few.kdump');
    buildKdump({
      path,
      pages: new Map([
        [5, pageOf(300)],
        [9, pageOf(301)],
      ]),
      codec: 'zlib',
      dumpLevel: 31,
      vmcoreinfo: core.vmcoreinfoText,
    });
    const paths = Array.from({ length: 4 }, (_, i) => join(dir, `few-${i}`));
    const [first, ...moreOutputs] = paths;
    await runDump({ input: path, output: first, moreOutputs, codec: 'zlib' });
    const parts = paths.map(partOf);
    expect(parts.flatMap(({ dump }) => [...dump.descriptors.keys()])).toEqual([5, 9]);
    for (const [index, { start }] of parts.entries()) expect(start).toBe(parts[index - 1]?.end ?? 0);
    expect(parts.at(-1)?.end).toBe(10);
    // makedumpfile puts parts in order by where they begin, and refuses one that begins where another does, but at the end.
    const starts = parts.map(({ start }) => start).filter((start) => start < 10);
    expect(new Set(starts).size).toBe(starts.length);
  });

  test('has parts of about one size, however the pages of zeros lie', async () => {
    const path = join(dir, 'uneven');
    buildVmcore({
      path,
      pages: [
        // All that is in the first half of memory is zeros.
        { pfn: 5000, kind: 'kernel', count: 3000 },
        { pfn: 9000, kind: 'kernel', count: 2000, data: 'random' },
        { pfn: 12000, kind: 'kernel', count: 4000, data: 'text' },
      ],
    });
    const paths = Array.from({ length: 4 }, (_, i) => join(dir, `even-${i}`));
    const [first, ...moreOutputs] = paths;
    const { report } = await runDump({
      input: path,
      output: first,
      moreOutputs,
      codec: 'zlib',
      dumpLevel: 0,
    });
    const sizes = report.output.files.map(({ sizeBytes }) => sizeBytes);
    const mean = sizes.reduce((sum, size) => sum + size, 0) / sizes.length;
    for (const size of sizes) expect(Math.abs(size / mean - 1)).toBeLessThan(0.15);
  });

  test('refuses two names of one file, and names that get in the way of each other', async () => {
    for (const other of [
      join(dir, '.', 'same'),
      `${dir}/../${dir.split('/').at(-1)}/same`,
      join(dir, 'same.incomplete'),
    ]) {
      const failure = await failureOf({
        input,
        output: join(dir, 'same'),
        moreOutputs: [other],
        overwrite: true,
      });
      expect(failure).toMatchObject({ code: 'TARGET', hint: 'Give each part a name of its own.' });
      expect(failure.message).toContain('would be written over by');
    }
  });
});

function partOf(path: string) {
  const file = readFileSync(path);
  const [start, end] = [Number(file.readBigUInt64LE(PAGE + 80)), Number(file.readBigUInt64LE(PAGE + 88))];
  return { start, end, dump: parseKdump(path, { start, end }) };
}

function checkLayoutOfPart(dump: ReturnType<typeof parseKdump>, dedup: boolean, allPages: number): void {
  // Where it would be in the whole dump, or makedumpfile --reassemble does not know the shared page of zeros.
  const dataOffset = dump.dataOffset + (allPages - dump.descriptors.size) * 24;
  if (!dedup) checkLayout({ ...dump, split: 0, dataOffset }, FLAG.zlib);
}

describe('pages that the input lacks', () => {
  const path = join(dir, 'lacking.kdump');
  const missing = [7, 8, 19];
  const pages = () => new Map(Array.from({ length: 20 }, (_, pfn) => [pfn, pageOf(300 + pfn)] as const));
  const build = (incomplete: boolean) =>
    buildKdump({
      path,
      pages: pages(),
      codec: 'zlib',
      dumpLevel: 2,
      vmcoreinfo: core.vmcoreinfoText,
      eraseinfo: 'erase jiffies 8\n',
      ...(incomplete ? { header: { status: FLAG.zlib | INCOMPLETE } } : { incomplete: missing }),
    });

  test('are marked in ELF by its flag, read as zeros, and what was erased is told', async () => {
    build(false);
    const { report } = await runDump({ input: path, output, overwrite: true, format: 'elf' });
    expect(report.missingPages).toBe(missing.length);
    const elf = parseElf(readFileSync(output));
    expect(elf.flags).toBe(1);
    for (const [pfn, bytes] of pages())
      expect(elf.page(pfn)?.equals(missing.includes(pfn) ? ZEROS : bytes)).toBe(true);
    expect(elf.notes.includes('ERASEINFO\0')).toBe(true);
    expect(elf.notes.includes('erase jiffies 8\n')).toBe(true);
  });

  test('are marked in a stream by a second header, and nothing else of it is written twice', async () => {
    build(false);
    const kdump = await streamOf({ input: path, codec: 'zlib' });
    await runDump({ input: path, output, overwrite: true, codec: 'zlib' });
    expect(kdump.file.equals(readFileSync(output))).toBe(true);
    expect(kdump.file.readUInt32LE(424)).toBe(FLAG.zlib | INCOMPLETE);
    const headers = kdump.records.filter(({ offset }) => offset === 0);
    expect(headers).toHaveLength(2);
    expect(writtenTwice(kdump)).toBe(headers[0].size);
    const elf = await streamOf({ input: path, format: 'elf' });
    expect(parseElf(elf.file).flags).toBe(1);
    expect(writtenTwice(elf)).toBe(4);
    for (const format of ['raw', 'lime'] as const) {
      await runDump({ input: path, output, overwrite: true, format });
      expect((await streamOf({ input: path, format })).file.equals(readFileSync(output))).toBe(true);
    }
  });

  test('as the header of the input says, are told by the flag though all that it lists are there', async () => {
    build(true);
    await runDump({ input: path, output, overwrite: true, format: 'elf' });
    expect(parseElf(readFileSync(output)).flags).toBe(1);
    expect(parseElf((await streamOf({ input: path, format: 'elf' })).file).flags).toBe(1);
  });

  test('an ELF core that is incomplete makes dumps of it say so', async () => {
    const path = join(dir, 'unfinished-core');
    const bytes = readFileSync(input);
    // e_flags.
    bytes.writeUInt32LE(1, 48);
    writeFileSync(path, bytes);
    await runDump({ input: path, output, overwrite: true, dumpLevel: 31 });
    expect(parseKdump(output).status & INCOMPLETE).toBe(INCOMPLETE);
    await runDump({ input: path, output, overwrite: true, dumpLevel: 31, format: 'elf' });
    expect(parseElf(readFileSync(output)).flags).toBe(1);
  });
});
