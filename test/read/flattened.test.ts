/** Flattened files read in place, against a plain model of what they come to when they are rearranged. */
import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SmeltError } from '../../src/errors.ts';
import { drain } from '../../src/read/drain.ts';
import type { ElfDumpFile } from '../../src/read/dump-file.ts';
import { FlatEntries, ordering } from '../../src/read/flat-index.ts';
import { indexFlattened } from '../../src/read/flattened.ts';
import { createReader, openDump } from '../../src/read/open.ts';
import { openSource, type Source } from '../../src/read/source.ts';
import { writeElfCore } from '../build/elf.ts';
import { encodeFlattened, type FlatRecord, rearranged, recordsOf } from '../build/flattened.ts';
import { encodeKdump } from '../build/kdump.ts';
import { pageContent } from '../build/page-content.ts';
import { expectSmeltError, tempFiles } from './temp-files.ts';

const files = tempFiles();

function withSource<T>(bytes: Uint8Array, work: (source: Source) => T): T {
  const path = files.write(bytes);
  const fd = openSync(path, 'r');
  try {
    const flat = drain(indexFlattened(path, fd, fstatSync(fd).size));
    return work({ path, fd, fileBytes: flat.place.at(-1)!, flat });
  } finally {
    closeSync(fd);
  }
}

const record = fc
  .tuple(fc.nat(300), fc.uint8Array({ maxLength: 120 }))
  .map(([offset, bytes]): FlatRecord => ({ offset, bytes }));
/** Runs of records of one size too, as writers make them. */
const run = fc
  .tuple(fc.nat(200), fc.integer({ min: 1, max: 40 }), fc.uint8Array({ minLength: 1, maxLength: 150 }))
  .map(([from, size, bytes]) =>
    recordsOf(bytes, size).map((r): FlatRecord => ({ offset: from + Number(r.offset), bytes: r.bytes })),
  );
const records = fc
  .array(
    fc.oneof(
      record.map((one) => [one]),
      run,
    ),
    { maxLength: 12 },
  )
  .map((runs) => runs.flat());

describe('a flattened file', () => {
  it('reads as what it is rearranged to, whatever the order, the overlaps and the gaps of its records', () => {
    fc.assert(
      fc.property(records, fc.array(fc.tuple(fc.nat(450), fc.nat(450)), { maxLength: 8 }), (given, reads) => {
        const model = rearranged(given);
        withSource(encodeFlattened(given), (source) => {
          expect(source.fileBytes).toBe(model.length);
          const read = openSource(source);
          for (const [from, length] of [[0, model.length] as const, ...reads]) {
            const into = Buffer.alloc(length + 2, 0xaa);
            const n = read(into, 1, length, from);
            const want = model.subarray(from, from + length);
            expect(n).toBe(want.length);
            expect(into.subarray(1, 1 + n).equals(want)).toBe(true);
            expect([into[0], into.at(-1)]).toEqual([0xaa, 0xaa]);
          }
        });
      }),
      { numRuns: 400 },
    );
  });

  it('keeps its index in memory that threads share, and one entry for records of one size in a row', () => {
    const bytes = Buffer.alloc(100_000, 7);
    withSource(encodeFlattened(recordsOf(bytes, 1000)), ({ flat }) => {
      expect(flat!.place).toEqual(Float64Array.of(0, 100_000));
      expect(flat!.recordBytes[0]).toBe(1000);
      for (const column of [flat!.place, flat!.byteOffset, flat!.recordBytes])
        expect(column.buffer).toBeInstanceOf(SharedArrayBuffer);
    });
    // Two streams by turns, as page descriptors and page data are written.
    const mixed = Array.from({ length: 50 }, (_, i) => [
      { offset: 5000 + i * 64, bytes: Buffer.alloc(64, i) },
      { offset: i * 24, bytes: Buffer.alloc(24, i) },
    ]).flat();
    withSource(encodeFlattened(mixed), ({ flat }) => expect(flat!.place.length).toBe(102));
  });

  it('may have bytes behind its end mark, which belong to somebody else', () => {
    const flat = Buffer.concat([
      encodeFlattened([{ offset: 0, bytes: Buffer.from('abc') }]),
      Buffer.alloc(50, 1),
    ]);
    withSource(flat, ({ fileBytes }) => expect(fileBytes).toBe(3));
  });

  it('that is cut while it is read gives what is there', () => {
    const bytes = Buffer.alloc(3000, 5);
    withSource(encodeFlattened(recordsOf(bytes, 100)), (source) => {
      const other = openSync(files.write(readFileSync(source.path).subarray(0, 4096 + 116 * 10)), 'r');
      const into = Buffer.alloc(3000);
      expect(openSource({ ...source, fd: other })(into, 0, 3000, 0)).toBe(1000);
      closeSync(other);
    });
  });

  it('is put in order in steps, however many records it has and whatever their order', () => {
    // Each of 7 bytes, from the last to the first, and half of them again where they overlap with two others.
    const COUNT = 200_000;
    const entries = new FlatEntries();
    for (let i = COUNT - 1; i >= 0; i--) entries.addRecord(i * 7, 7, 10_000 + i * 100);
    for (let i = 0; i < COUNT; i += 2) entries.addRecord(i * 7 + 3, 7, 10 ** 9 + i * 100);
    const work = ordering(entries);
    let steps = 0;
    let last = work.next();
    for (; !last.done; last = work.next()) steps++;
    expect(steps).toBeGreaterThan(20);
    const { place, byteOffset } = last.value;
    expect(place.length).toBe(COUNT * 1.5 + 1);
    expect(Array.from(place.subarray(0, 5))).toEqual([0, 3, 10, 14, 17]);
    expect(Array.from(byteOffset.subarray(0, 4))).toEqual([10_000, 10 ** 9, 10_103, 10_200]);
    // The last record is covered up to its third byte.
    expect(Array.from(place.subarray(-2))).toEqual([(COUNT - 2) * 7 + 10, COUNT * 7]);
  });

  it('is looked up from while its records are read', () => {
    const bytes = Buffer.alloc(20_000, 1);
    const path = files.write(encodeFlattened(recordsOf(bytes, 1)));
    const fd = openSync(path, 'r');
    const work = indexFlattened(path, fd, fstatSync(fd).size);
    let steps = 0;
    while (!work.next().done) steps++;
    expect(steps).toBeGreaterThanOrEqual(4);
    closeSync(fd);
  });

  it('has no more records than its limits say', () => {
    const path = files.write(encodeFlattened(recordsOf(Buffer.alloc(100), 10)));
    const fd = openSync(path, 'r');
    const open = (limits: { records: number; entries: number }) =>
      drain(indexFlattened(path, fd, fstatSync(fd).size, limits));
    expect(open({ records: 10, entries: 1 }).place.at(-1)).toBe(100);
    for (const limits of [
      { records: 9, entries: 10 },
      { records: 100, entries: 0 },
    ]) {
      const error = expectSmeltError(() => open(limits), 'UNSUPPORTED', path, /flattened in more than/);
      expect(error.hint).toContain('smelt -R');
    }
    closeSync(fd);
  });
});

describe('a dump inside a flattened file', () => {
  it('is an ELF file that is read and never mapped', () => {
    const data = Buffer.from(pageContent('random', 3));
    const path = files.path('elf');
    writeElfCore(path, { loads: [{ paddr: 0x10000, memsz: 4096, data }] });
    const flat = files.write(encodeFlattened(recordsOf(readFileSync(path), 700, 64, 1)));
    const [plain, flattened] = [files.open(path), files.open(flat)] as [ElfDumpFile, ElfDumpFile];
    expect({ ...flattened, path, fd: plain.fd, flat: undefined }).toEqual(plain);
    const reader = createReader(flattened, true, []);
    expect(reader.mapped).toBe(false);
    expect(reader.load(16, 1)).toBe(1);
    expect(reader.bytes.subarray(reader.start, reader.start + 4096).equals(data)).toBe(true);
    reader.close();
  });

  it('is a kdump file whose header was written again at the end', () => {
    const pages = new Map([2, 3, 40].map((pfn) => [pfn, pageContent('text', pfn)]));
    const { file } = encodeKdump({ path: '', pages, codec: 'zlib' });
    const first = Buffer.from(file.subarray(0, 8192));
    first.fill(0xff, 4096 + 8, 4096 + 12);
    const pieces = recordsOf(file, 333).reverse();
    const records = [{ offset: 0, bytes: first }, ...pieces];
    const opened = files.open(files.write(encodeFlattened(records)));
    const reader = createReader(opened, false, []);
    expect(opened).toMatchObject({ format: 'kdump', fileBytes: file.length, dumpLevel: 0 });
    expect(reader.load(2, 1)).toBe(0);
    reader.close();
  });

  it.each([
    ['nothing', [], /is flattened and empty/],
    [
      'text',
      [{ offset: 0, bytes: Buffer.from('hello') }],
      /is flattened, and what is in it is not a dump: it begins with 68 65/,
    ],
    [
      'another flattened file',
      [{ offset: 0, bytes: encodeFlattened([]) }],
      /is flattened, and what is in it is not a dump: it begins with 6d 61/,
    ],
  ])('is missing where it holds %s', (_, records, words) => {
    const path = files.write(encodeFlattened(records));
    expectSmeltError(() => openDump(path), 'NOT_A_DUMP', path, words);
  });
});

describe('a flattened file that lies', () => {
  const whole: FlatRecord[] = [{ offset: 0, bytes: Buffer.alloc(100, 1) }];
  const bad = (lie: FlatRecord) => encodeFlattened([...whole, lie]);
  const nothing = new Uint8Array();

  it.each([
    ['of another type', encodeFlattened(whole, { type: 2n }), 'CORRUPT', /expected 1 and 1, saw 2 and 1/],
    [
      'of another version',
      encodeFlattened(whole, { version: 0n }),
      'CORRUPT',
      /expected 1 and 1, saw 1 and 0/,
    ],
    [
      'with a negative offset',
      bad({ offset: -2, bytes: nothing }),
      'CORRUPT',
      /the record at byte 4,212 .*byte -2/,
    ],
    ['with half an end mark', bad({ offset: -1, bytes: nothing }), 'CORRUPT', /the record at byte 4,212/],
    ['with the other half', bad({ offset: 5, bytes: nothing, size: -1n }), 'CORRUPT', /-1 bytes for byte 5/],
    ['with a negative size', bad({ offset: 0, bytes: nothing, size: -(2n ** 63n) }), 'CORRUPT', /4,212/],
    ['with an offset that no file has', bad({ offset: 2n ** 63n - 1n, bytes: nothing }), 'CORRUPT', /whole/],
    [
      'with a sum that overflows',
      bad({ offset: 2n ** 62n, bytes: nothing, size: 2n ** 62n }),
      'CORRUPT',
      /4,212/,
    ],
    [
      'with a place above what memory can have',
      bad({ offset: 2n ** 50n, bytes: Buffer.of(1) }),
      'CORRUPT',
      /4,212/,
    ],
    [
      'with a record beyond its end',
      bad({ offset: 0, bytes: nothing, size: 2n ** 40n }),
      'TRUNCATED',
      /at byte 4,212 ends at byte 1,099,511,632,004 but there are/,
    ],
    [
      'without its end mark',
      encodeFlattened(whole, { endMark: false }),
      'TRUNCATED',
      /ends at byte 4,212, and its records are whole up to byte 4,212/,
    ],
    ['cut in the end mark', encodeFlattened(whole).subarray(0, -1), 'TRUNCATED', /without its end mark/],
    ['cut in a record', encodeFlattened(whole).subarray(0, 4150), 'TRUNCATED', /the record at byte 4,096/],
    ['cut in its header', encodeFlattened(whole).subarray(0, 40), 'TRUNCATED', /without its end mark/],
    ['that is a name alone', Buffer.from('makedumpfile'), 'TRUNCATED', /without its end mark/],
  ] as const)('%s ends in a sentence', (_, bytes, code, words) => {
    const path = files.write(bytes);
    const error = expectSmeltError(() => openDump(path), code, path, words);
    if (code === 'TRUNCATED') expect(error.hint).toContain('smelt salvage');
  });

  it('is refused or read, at whatever byte it is cut and whatever bytes are flipped', () => {
    const pages = new Map([2, 3, 40].map((pfn) => [pfn, pageContent('text', pfn)]));
    const { file } = encodeKdump({ path: '', pages, codec: 'zlib', vmcoreinfo: 'OSRELEASE=6.1.0\n' });
    const good = encodeFlattened(recordsOf(file, 4096, 500, 64));
    fc.assert(
      fc.property(
        fc.nat(good.length),
        fc.array(fc.tuple(fc.oneof(fc.nat(good.length - 1), fc.nat(60)), fc.nat(255)), { maxLength: 6 }),
        (length, flips) => {
          const bytes = Buffer.from(flips.length > 0 ? good : good.subarray(0, length));
          for (const [at, value] of flips) bytes[at] = value;
          try {
            const opened = files.open(files.write(bytes));
            const reader = createReader(opened, false, []);
            for (let pfn = 0; pfn < 64; pfn++) reader.load(pfn, 1);
            reader.close();
          } catch (error) {
            expect(error).toBeInstanceOf(SmeltError);
          }
        },
      ),
      { numRuns: 400 },
    );
  });
});
