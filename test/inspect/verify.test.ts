/** A dump that is whole has nothing wrong; what is damaged is found, named, and said where. */
import { readFileSync, writeFileSync } from 'node:fs';
import { constants, deflateRawSync, deflateSync, inflateSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SmeltError } from '../../src/errors.ts';
import { verify } from '../../src/inspect/verify.ts';
import { comma } from '../../src/read/file.ts';
import { writeElfCore } from '../build/elf.ts';
import { encodeFlattened, recordsOf } from '../build/flattened.ts';
import { encodeKdump, type KdumpLayout, KdumpSubHeader } from '../build/kdump.ts';
import { pageContent } from '../build/page-content.ts';
import { buildParts } from '../build/split.ts';
import {
  at,
  build,
  CODECS,
  descriptorsOf,
  END_PFN,
  isZero,
  MANY,
  PAGES,
  VMCOREINFO,
} from '../salvage/broken-dumps.ts';
import { errorOf, NEVER, QUIET, requestOf } from './looking.ts';

const PATH = at('verified');
const ALL = PAGES.size;

async function check(bytes: Uint8Array) {
  writeFileSync(PATH, bytes);
  return verify(requestOf(PATH), QUIET, NEVER);
}

/** Kinds of what is wrong, with the number of pages. */
function kindsOf({ findings }: Awaited<ReturnType<typeof check>>) {
  return findings.map(({ kind, pages }) => (pages === undefined ? kind : `${kind} ${pages}`));
}

function damaged(
  codec: (typeof CODECS)[number],
  damage: (file: Buffer, layout: KdumpLayout) => void,
): Buffer {
  const { file, layout } = build(codec);
  const copy = Buffer.from(file);
  damage(copy, layout);
  return copy;
}

describe('a dump that is whole', () => {
  test.each(CODECS)('has nothing wrong, and all its pages are counted (%s)', async (codec) => {
    const report = await check(build(codec).file);
    expect(report).toMatchObject({ whole: true, findings: [], remarks: [], pages: ALL, wholePages: ALL });
    expect(report.storedAs.reduce((sum, { pages }) => sum + pages, 0)).toBe(ALL);
    expect(report.notes).toEqual({ count: 1, sizeBytes: expect.any(Number), cpus: 0, vmcoreinfo: true });
  });

  test('says what proves the bytes of its pages', async () => {
    const proofs = async (codec: (typeof CODECS)[number]) =>
      Object.fromEntries(
        (await check(build(codec).file)).storedAs.map(({ storage, proves }) => [storage, proves]),
      );
    expect(await proofs('zlib')).toEqual({ zlib: 'contents', raw: 'nothing' });
    expect(await proofs('zstd')).toEqual({ zstd: 'form', raw: 'nothing' });
    expect(await proofs('raw')).toEqual({ raw: 'nothing' });
  });

  test('is whole with threads too, flattened, and in parts', async () => {
    const { file } = build('zlib');
    const flat = await check(encodeFlattened(recordsOf(file, 5000)));
    expect(flat).toMatchObject({ whole: true, pages: ALL, input: { flattened: true } });
    const parts = buildParts(
      { path: at('part'), codec: 'zlib', pages: PAGES, vmcoreinfo: VMCOREINFO },
      [300, 800],
    );
    const set = await verify(requestOf(parts[0]!, parts.slice(1)), QUIET, NEVER);
    expect(set).toMatchObject({ whole: true, pages: ALL, findings: [] });
  });

  test('is whole where a page of zeros is shared by many, and where nobody shares one', async () => {
    for (const sharedZero of [true, false])
      expect(await check(build('lzo', { sharedZero }).file)).toMatchObject({ whole: true, pages: ALL });
  });

  test('without VMCOREINFO is whole, which is remarked', async () => {
    const { file } = encodeKdump({ path: '', codec: 'zlib', pages: PAGES });
    const report = await check(file);
    expect(report.remarks.join()).toMatch(/no VMCOREINFO/);
    expect(report.whole).toBe(true);
  });
});

function inflatesTo(packed: Uint8Array, page: Uint8Array): boolean {
  try {
    return inflateSync(packed).equals(page);
  } catch {
    return false;
  }
}

describe('a page that is damaged', () => {
  test('is found, wherever a byte of it changes, and nothing else (zlib)', async () => {
    const { file, layout } = build('zlib');
    const packed = [...descriptorsOf(file, layout)].filter(([, { flags }]) => flags !== 0);
    await fc.assert(
      fc.asyncProperty(
        fc.nat(packed.length - 1),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        async (n, byte, x) => {
          const [pfn, { offset, size }] = packed[n]!;
          const copy = Buffer.from(file);
          copy[offset + (byte % size)]! ^= x;
          const report = await check(copy);
          // A bit that means nothing, in the header of the stream or behind its last code, leaves the page as it was.
          if (inflatesTo(copy.subarray(offset, offset + size), PAGES.get(pfn)!)) {
            expect(report.whole).toBe(true);
            return;
          }
          expect(report).toMatchObject({
            whole: false,
            wholePages: ALL - 1,
            findings: [{ kind: 'notWhole', pages: 1, runs: [{ pfn, count: 1 }], byteOffset: offset }],
          });
        },
      ),
      { numRuns: 4 * MANY },
    );
  });

  test('is counted with all others, and the first ten runs are listed', async () => {
    const { file, layout } = build('zlib');
    const packed = [...descriptorsOf(file, layout)].filter(([, { flags }]) => flags !== 0);
    const copy = Buffer.from(file);
    for (const [, { offset }] of packed) copy[offset] = 0xff;
    const [found] = (await check(copy)).findings;
    expect(found).toMatchObject({ kind: 'notWhole', pages: packed.length });
    expect(found!.runs).toHaveLength(10);
    expect(found!.runs[0]!.pfn).toBe(packed[0]![0]);
  });
});

describe('a descriptor', () => {
  const change = (
    codec: (typeof CODECS)[number],
    write: (file: Buffer, where: number, layout: KdumpLayout) => void,
  ) => damaged(codec, (file, layout) => write(file, layout.descriptorOf.get(77 + 64)!, layout));

  test('that says "missing" means a dump that was not finished', async () => {
    const report = await check(change('zlib', (file, where) => file.fill(0, where, where + 24)));
    expect(kindsOf(report)).toEqual(['neverWritten 1']);
  });

  test('of nonsense is told', async () => {
    const report = await check(change('zlib', (file, where) => file.writeUInt32LE(0, where + 8)));
    expect(kindsOf(report)).toEqual(['badDescriptor 1']);
    const unknown = await check(change('zlib', (file, where) => file.writeUInt32LE(0x40, where + 12)));
    expect(kindsOf(unknown)).toEqual(['badDescriptor 1']);
  });

  test('that leads behind the end is told', async () => {
    const report = await check(
      change('zlib', (file, where) => file.writeBigUInt64LE(BigInt(file.length), where)),
    );
    expect(kindsOf(report)).toEqual(['cutOff 1']);
  });

  test('that leads into the descriptors is told', async () => {
    const spoilt = change('raw', (file, where, layout) =>
      file.writeBigUInt64LE(BigInt(layout.descriptors + 24), where),
    );
    expect(kindsOf(await check(spoilt))).toEqual(['badDescriptor 1']);
  });

  test('that leads into the erase info is told', async () => {
    const { file, layout } = build('raw', { eraseinfo: 'erased\n'.repeat(1000) });
    const copy = Buffer.from(file);
    expect((await check(copy)).whole).toBe(true);
    const where = layout.descriptorOf.get(141)!;
    copy.writeBigUInt64LE(BigInt(file.length - 5000), where);
    expect(kindsOf(await check(copy))).toContain('overlapping 1');
  });

  test('that says another codec of bytes that many pages share is told', async () => {
    const { file, layout } = build('zlib');
    const shared = [...descriptorsOf(file, layout)].filter(([pfn]) => isZero(PAGES.get(pfn)!));
    const copy = Buffer.from(file);
    copy.writeUInt32LE(0x3f000000, shared[5]![1].where + 12);
    expect(kindsOf(await check(copy))).toEqual(['badDescriptor 1']);
  });

  test('that has flags of the page too is told', async () => {
    const report = await check(change('zlib', (file, where) => file.writeUInt8(1, where + 20)));
    expect(report.findings).toMatchObject([{ kind: 'descriptors', pages: 1, runs: [{ count: 1 }] }]);
  });

  test('of a packed page that lies within another packed one is told, though both unpack', async () => {
    const inner = deflateSync(pageContent('text', 9));
    const outer = Buffer.alloc(4096);
    inner.copy(outer);
    const stored = deflateRawSync(inner, { level: 0, finishFlush: constants.Z_SYNC_FLUSH });
    const rest = deflateRawSync(outer.subarray(inner.length));
    const stream = Buffer.concat([Buffer.of(0x78, 0x9c), stored, rest, deflateSync(outer).subarray(-4)]);
    const { file, layout } = build('zlib', {
      pages: new Map([...PAGES, [65, outer], [66, pageContent('text', 9)]]),
      compress: (page) => (outer.equals(page) ? stream : deflateSync(page)),
    });
    expect(await check(file)).toMatchObject({ whole: true });
    const { offset } = descriptorsOf(file, layout).get(65)!;
    file.writeBigUInt64LE(BigInt(file.indexOf(inner, offset)), layout.descriptorOf.get(66)!);
    expect((await check(file)).findings).toMatchObject([
      { kind: 'overlapping', pages: 1, runs: [{ pfn: 65, count: 1 }], byteOffset: offset },
    ]);
  });

  test('of a raw page that leads into another one is told, with the page frames of both', async () => {
    const { file, layout } = build('raw');
    const all = descriptorsOf(file, layout);
    const [pfn, { where, offset }] = [...all].find(
      ([n, each]) => n > 200 && !isZero(PAGES.get(n)!) && each.flags === 0,
    )!;
    const copy = Buffer.from(file);
    copy.writeBigUInt64LE(BigInt(offset - 100), where);
    const [found] = (await check(copy)).findings;
    expect(found!.kind).toBe('overlapping');
    expect(found!.runs.flatMap((run) => Array.from({ length: run.count }, (_, i) => run.pfn + i))).toContain(
      pfn,
    );
  });
});

describe('bitmaps and headers', () => {
  test('a page that only the second bitmap has is told', async () => {
    const spoilt = damaged('zlib', (file, { bitmap1 }) => {
      file[bitmap1 + (705 >>> 3)]! &= ~(1 << (705 & 7));
    });
    const report = await check(spoilt);
    expect(report.findings).toMatchObject([{ kind: 'bitmaps', pages: 1, runs: [{ pfn: 705, count: 1 }] }]);
  });

  test('a bit that is lost in the second bitmap is found: descriptors no longer belong to their pages', async () => {
    const spoilt = damaged('zlib', (file, { bitmap2 }) => {
      file[bitmap2 + (141 >>> 3)]! &= ~(1 << (141 & 7));
    });
    expect(kindsOf(await check(spoilt))).toContain('descriptors');
  });

  test('a bit too many in the second bitmap is found', async () => {
    const spoilt = damaged('zlib', (file, { bitmap2 }) => {
      file[bitmap2 + (550 >>> 3)]! |= 1 << (550 & 7);
    });
    expect((await check(spoilt)).whole).toBe(false);
  });

  test.each([
    ['max_mapnr and max_mapnr_64 differ', { header: { max_mapnr: 5 } }, 'header'],
    ['status has two codecs', { header: { status: 0x21 } }, 'header'],
    ['status has a bit that nobody knows', { header: { status: 0x8001 } }, 'header'],
    ['the dump says that it is incomplete', { header: { status: 0x9 } }, 'incomplete'],
    ['VMCOREINFO is elsewhere', { subHeader: { offset_vmcoreinfo: 4096n } }, 'vmcoreinfo'],
    ['the notes are where the bitmaps are', { subHeader: { offset_note: 8192n } }, 'header'],
  ])('%s', async (_, change, kind) => {
    const report = await check(build('zlib', change).file);
    expect(report.whole).toBe(false);
    expect(report.findings.map((found) => found.kind)).toContain(kind);
  });

  test('a second bitmap without a page is told, where there are pages', async () => {
    const spoilt = damaged('zlib', (file, { bitmap2, descriptors }) => file.fill(0, bitmap2, descriptors));
    expect(kindsOf(await check(spoilt))).toEqual(['descriptors']);
  });

  test.each(['bitmap1', 'bitmap2'] as const)(
    'a bit behind the last page frame is told (%s)',
    async (which) => {
      const spoilt = damaged('zlib', (file, layout) => {
        file[layout[which] + 4000] = 0x10;
      });
      expect((await check(spoilt)).findings).toMatchObject([
        {
          kind: 'bitmaps',
          what: `a bitmap has page frames behind the last one, ${(END_PFN + 49).toLocaleString('en-US')}`,
        },
      ]);
    },
  );

  test.each([
    ['release', 65 * 2, 'another', /kernel is "another/],
    ['nodename', 65 + 60, 'x', /nodename does not end/],
  ])('%s that is not what it was is told', async (_, inUtsname, text, what) => {
    const copy = Buffer.from(build('zlib').file);
    copy.write(text, 12 + inUtsname);
    const { findings } = await check(copy);
    expect(findings).toMatchObject([{ kind: 'header', what: expect.stringMatching(what) }]);
  });

  test('phys_base is remarked where it is not that of VMCOREINFO: QEMU does not always know it', async () => {
    const remarksOf = async (base: bigint) => {
      const vmcoreinfo = `${VMCOREINFO}NUMBER(phys_base)=16777216\n`;
      const { whole, remarks } = await check(
        build('zlib', { vmcoreinfo, subHeader: { phys_base: base } }).file,
      );
      expect(whole).toBe(true);
      return remarks;
    };
    expect(await remarksOf(0x1000000n)).toEqual([]);
    expect(await remarksOf(0x78n)).toEqual(['phys_base is 0x78, and VMCOREINFO says 0x1000000']);
  });

  test('bytes behind the end mark of a flattened dump are remarked', async () => {
    const flat = encodeFlattened(recordsOf(build('zlib').file, 5000));
    const report = await check(Buffer.concat([flat, Buffer.alloc(1234, 7)]));
    expect(report.whole).toBe(true);
    expect(report.remarks.join()).toMatch(/1,234 bytes behind the end mark/);
  });

  test('notes that do not end where they should are told', async () => {
    const spoilt = damaged('zlib', (file, { notes }) => file.writeUInt32LE(0x00ffffff, notes + 4));
    expect(kindsOf(await check(spoilt))).toContain('notes');
  });
});

describe('a file that is cut', () => {
  test.each([0.3, 0.7, 0.99])('has what is missing counted, at %s of its length', async (share) => {
    const { file } = build('zlib');
    const report = await check(file.subarray(0, Math.floor(file.length * share)));
    expect(report.whole).toBe(false);
    expect(report.pages).toBe(ALL);
    expect(report.wholePages).toBeLessThan(ALL);
    expect(kindsOf(report)).toContain(`cutOff ${ALL - report.wholePages}`);
  });

  test('flattened is told so, and its pages are looked at all the same', async () => {
    const flat = encodeFlattened(recordsOf(build('zlib').file, 5000));
    const report = await check(flat.subarray(0, flat.length - 20));
    const cut = ALL - report.wholePages;
    expect(report.findings).toMatchObject([{ kind: 'cutOff', pages: cut }]);
    expect(report.findings[0]!.what).toBe(
      `${cut} page${cut === 1 ? ' is' : 's are'} cut off: the stream ends at byte ${comma(flat.length - 20)}, in a record and without its end mark: it was cut, or never finished`,
    );
    expect(report.wholePages).toBeGreaterThan(0);
  });

  test('flattened within its descriptors has none that was never finished, and is one thing', async () => {
    const { file, layout } = build('zlib');
    const records = recordsOf(file, 240);
    const upTo = records.filter(({ offset }) => Number(offset) < layout.descriptors + 50 * 24);
    const data = records.filter(({ offset }) => Number(offset) >= layout.data);
    const report = await check(encodeFlattened([...upTo, ...data], { endMark: false }));
    expect(kindsOf(report)).toEqual([`cutOff ${ALL - report.wholePages}`]);
    expect(report.findings[0]!.what).toMatch(/, without its end mark: it was cut, or never finished$/);
    expect(report.wholePages).toBeGreaterThanOrEqual(40);
    expect(report.wholePages).toBeLessThanOrEqual(60);
  });

  test('flattened without its end mark, but no page, is told once', async () => {
    const report = await check(encodeFlattened(recordsOf(build('zlib').file, 5000), { endMark: false }));
    expect(report.wholePages).toBe(ALL);
    expect(report.findings).toMatchObject([{ kind: 'truncated' }]);
  });

  test('before its descriptors is refused, in words', async () => {
    const error = await errorOf(check(build('zlib').file.subarray(0, 9000)));
    expect(error.code).toBe('TRUNCATED');
  });

  test('ELF has the pages that are not in the file told', async () => {
    const path = at('core.elf');
    writeElfCore(path, { loads: [{ paddr: 0, memsz: 64 * 4096, data: Buffer.alloc(64 * 4096, 7) }] });
    const bytes = readFileSync(path);
    expect(await check(bytes)).toMatchObject({
      whole: true,
      pages: 64,
      storedAs: [{ storage: 'memory', pages: 64 }],
    });
    const cut = await check(bytes.subarray(0, bytes.length - 4096 * 3));
    expect(cut).toMatchObject({ whole: false, wholePages: 61 });
    expect(cut.pages).toBe(64);
    expect(cut.findings).toMatchObject([{ kind: 'cutOff', pages: 3, runs: [{ pfn: 61, count: 3 }] }]);
    expect(cut.findings[0]!.what).toMatch(
      /^3 pages are cut off: program header \d says its data end at byte /,
    );
  });
});

describe('parts of a split dump', () => {
  const parts = () =>
    buildParts({ path: at('p'), codec: 'zlib', pages: PAGES, vmcoreinfo: VMCOREINFO }, [300, 800]);

  test('one alone is looked at as the part that it is', async () => {
    const [, second] = parts();
    const report = await verify(requestOf(second!), QUIET, NEVER);
    expect(report.whole).toBe(true);
    expect(report.remarks.join()).toMatch(/one part of a split dump/);
    expect(report.pages).toBe([...PAGES.keys()].filter((pfn) => pfn >= 300 && pfn < 800).length);
  });

  test('some of which are missing are told', async () => {
    const [first, , third] = parts();
    const report = await verify(requestOf(first!, [third!]), QUIET, NEVER);
    expect(report.findings[0]).toMatchObject({ kind: 'parts' });
  });

  test('have the file named that is damaged', async () => {
    const [first, second, third] = parts();
    const bytes = readFileSync(second!);
    bytes.fill(0xff, bytes.length - 20);
    writeFileSync(second!, bytes);
    const report = await verify(requestOf(first!, [second!, third!]), QUIET, NEVER);
    expect(report.findings).toMatchObject([{ kind: 'notWhole', pages: 1, path: second }]);
  });
});

describe('whatever the bytes are', () => {
  test('it ends, with a report or a sentence', async () => {
    const { file, layout } = build('zlib');
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(layout.data - 1), fc.nat(255)), { minLength: 1, maxLength: 40 }),
        async (changes) => {
          const copy = Buffer.from(file);
          for (const [place, value] of changes) copy[place] = value;
          const report = await check(copy).catch((error: unknown) => {
            if (error instanceof SmeltError && error.code !== 'INTERNAL') return undefined;
            throw error;
          });
          for (const { what } of report?.findings ?? []) expect(what).not.toMatch(/NaN|undefined|\.$|\n/);
        },
      ),
      { numRuns: 4 * MANY },
    );
  });

  test('sizes and places of 2^60 in the sub header are told, and not believed', async () => {
    for (const field of [
      'offset_note',
      'size_note',
      'offset_eraseinfo',
      'size_eraseinfo',
      'size_vmcoreinfo',
    ] as const) {
      const spoilt = damaged('zlib', (file, { subHeader }) => {
        const fields = KdumpSubHeader.read(file, subHeader);
        KdumpSubHeader.write(file, { ...fields, offset_eraseinfo: 9000n, [field]: 2n ** 60n }, subHeader);
      });
      const report = await check(spoilt).catch((error: unknown) => error as SmeltError);
      expect(report instanceof SmeltError ? report.code : report.whole).not.toBe(true);
    }
  });

  test('it stops when it is told to', async () => {
    writeFileSync(PATH, build('zlib').file);
    const stopped = new AbortController();
    stopped.abort(new SmeltError('INTERRUPTED', 'stopped'));
    expect((await errorOf(verify(requestOf(PATH), QUIET, stopped.signal))).code).toBe('INTERRUPTED');
  });
});
