/** Memory of kdump files against the pages that were put in, in every codec, and pages that are damaged. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CODEC_NAMES, type CodecName, type PageCodec } from '../../src/codec/codec.ts';
import { openCodec } from '../../src/codec/makers.ts';
import type { KdumpDumpFile, MemoryReader } from '../../src/read/dump-file.ts';
import { PFNS_PER_RANK } from '../../src/read/kdump-file.ts';
import { createKdumpReader } from '../../src/read/kdump-reader.ts';
import { buildKdump, codecFlags, type KdumpOptions, type PageDescFields } from '../build/kdump.ts';
import { type PageData, pageContent } from '../build/page-content.ts';
import { tempFiles } from './temp-files.ts';

const files = tempFiles();
const PAGE = 4096;
const content = (data: PageData, pfn: number) => pageContent(data, pfn);

function build(options: Omit<KdumpOptions, 'path'>): KdumpDumpFile {
  const path = files.path('kdump');
  buildKdump({ path, ...options });
  return files.open(path) as KdumpDumpFile;
}

const compressBy = (codec: PageCodec) => (page: Uint8Array) => {
  const out = new Uint8Array(codec.outSize(page.length));
  const n = codec.compress(page, out);
  return n === 0 ? page : out.slice(0, n);
};

function loadOne(reader: MemoryReader, pfn: number): Uint8Array | undefined {
  if (reader.load(pfn, 1) !== 1) return undefined;
  return Uint8Array.from(reader.bytes.subarray(reader.start, reader.start + reader.pageSize));
}

const pageOf = fc.constantFrom<PageData>('zero', 'text', 'random');
const dump = fc.uniqueArray(fc.tuple(fc.oneof(fc.nat(40), fc.nat(2 * 4096)), pageOf), {
  minLength: 1,
  maxLength: 30,
  selector: ([pfn]) => pfn,
});

describe.each(CODEC_NAMES)('the reader of kdump pages in %s', (name: CodecName) => {
  it('gives each page as it was, in any order, and nothing where there is no page', async () => {
    const codec = await openCodec(name);
    fc.assert(
      fc.property(dump, fc.boolean(), fc.array(fc.nat(60), { maxLength: 12 }), (given, sharedZero, more) => {
        const pages = new Map(given.map(([pfn, data]) => [pfn, content(data, pfn)]));
        const file = build({ pages, codec: name, compress: compressBy(codec), sharedZero });
        const reader = createKdumpReader(file, [codec]);
        for (const pfn of [...given.map(([p]) => p), ...more]) {
          const want = pages.get(pfn);
          const got = loadOne(reader, pfn);
          expect(got === undefined).toBe(want === undefined);
          if (want && got) expect(Buffer.compare(got, want)).toBe(0);
        }
      }),
      { numRuns: 40 },
    );
    codec.close();
  });
});

describe('the reader of kdump pages', () => {
  const four = new Map([2, 3, 4, 9].map((pfn) => [pfn, content('text', pfn)]));

  it('loads runs up to the first page that is not there, and no more pages than it says', () => {
    const many = new Map(Array.from({ length: 100 }, (_, pfn) => [pfn, content('random', pfn)]));
    const reader = createKdumpReader(build({ pages: new Map([...many].filter(([pfn]) => pfn !== 80)) }), []);
    expect(reader.load(78, 10)).toBe(2);
    expect(reader.load(0, 1000)).toBe(reader.maxPages);
    for (const i of [0, 1, reader.maxPages - 1]) {
      expect(Buffer.compare(reader.bytes.subarray(i * PAGE, (i + 1) * PAGE), many.get(i)!)).toBe(0);
    }
  });

  it('reads bytes across pages, and refuses where a page of them is missing', () => {
    const reader = createKdumpReader(build({ pages: four }), []);
    fc.assert(
      fc.property(fc.nat(11 * PAGE), fc.nat(2 * PAGE), (paddr, length) => {
        const into = new Uint8Array(length);
        const all = Buffer.concat(
          Array.from({ length: 14 }, (_, pfn) => four.get(pfn) ?? Buffer.alloc(PAGE)),
        );
        const first = Math.floor(paddr / PAGE);
        const touched =
          length === 0
            ? []
            : Array.from(
                { length: Math.floor((paddr + length - 1) / PAGE) - first + 1 },
                (_, i) => first + i,
              );
        const there = touched.every((pfn) => four.has(pfn));
        expect(reader.read(paddr, into)).toBe(there);
        if (there) expect(Buffer.compare(into, all.subarray(paddr, paddr + length))).toBe(0);
      }),
    );
  });

  it('leaves what a load gave alone when memory is read', () => {
    const reader = createKdumpReader(build({ pages: four }), []);
    reader.load(2, 1);
    reader.read(9 * PAGE, new Uint8Array(PAGE));
    expect(Buffer.compare(reader.bytes.subarray(0, PAGE), four.get(2)!)).toBe(0);
  });

  it('finds pages on both sides of every border of its tables', () => {
    const borders = [0, 511, 512, 513, 4095, 4096, PFNS_PER_RANK - 1, PFNS_PER_RANK, PFNS_PER_RANK + 512];
    const pages = new Map(borders.map((pfn) => [pfn, content('random', pfn + 1)]));
    for (let pfn = 1000; pfn < 1600; pfn++) pages.set(pfn, content('random', pfn + 1));
    const reader = createKdumpReader(build({ pages }), []);
    const order = [...pages.keys()].sort((a, b) => ((a * 7919) % 997) - ((b * 7919) % 997));
    for (const pfn of order) expect(Buffer.compare(loadOne(reader, pfn)!, pages.get(pfn)!)).toBe(0);
  });

  it('gives nothing for page frames that no file has', () => {
    const reader = createKdumpReader(build({ pages: four }), []);
    for (const pfn of [-1, 10, 2 ** 31, 2 ** 40, 2 ** 53]) expect(reader.load(pfn, 2)).toBe(0);
    expect(reader.read(2 ** 53, new Uint8Array(1))).toBe(false);
  });

  it('reads pages that share their data', () => {
    const zeros = new Map([1, 2, 3].map((pfn) => [pfn, new Uint8Array(PAGE)]));
    const reader = createKdumpReader(build({ pages: new Map([...zeros, [4, content('text', 4)]]) }), []);
    expect(reader.load(1, 4)).toBe(4);
    expect(reader.bytes.subarray(0, 3 * PAGE).every((b) => b === 0)).toBe(true);
    expect(Buffer.compare(reader.bytes.subarray(3 * PAGE, 4 * PAGE), content('text', 4))).toBe(0);
  });

  it('takes a page for missing at which an incomplete dump ended', () => {
    const reader = createKdumpReader(build({ pages: four, incomplete: [4, 9] }), []);
    expect(reader.load(2, 5)).toBe(2);
    expect(reader.load(4, 1)).toBe(0);
  });

  it('takes a page for missing whose codec nobody has', () => {
    const reader = createKdumpReader(build({ pages: four, codec: 'zlib' }), []);
    expect(reader.load(2, 1)).toBe(0);
  });

  it('takes a page for missing whose descriptor leads into the table of descriptors', () => {
    const file = build({
      pages: new Map(Array.from({ length: 400 }, (_, pfn) => [pfn, content('random', pfn)])),
      desc: (pfn) => (pfn === 3 ? { offset: 4096n * 5n } : {}),
    });
    expect(file.parts[0]!.descOffset).toBeLessThanOrEqual(4096 * 5);
    const reader = createKdumpReader(file, []);
    expect(loadOne(reader, 3)).toBeUndefined();
    expect(loadOne(reader, 4)).toBeDefined();
  });

  it('closes its codecs', () => {
    let closed = 0;
    const codec = { name: 'zlib', close: () => closed++ } as unknown as PageCodec;
    createKdumpReader(build({ pages: four }), [codec]).close();
    expect(closed).toBe(1);
  });
});

describe('a page that is damaged', () => {
  const pages = new Map([2, 3, 4].map((pfn) => [pfn, content('text', pfn)]));
  const U63 = 2n ** 63n - 1n;
  type Damage = (desc: PageDescFields) => Partial<PageDescFields>;

  it.each([
    ['a size of 0', () => ({ size: 0 })],
    ['a size of 4 GiB', () => ({ size: 0xffffffff })],
    ['a size larger than a page', () => ({ size: PAGE + 1 })],
    ['a size shorter than its stream', (d) => ({ size: d.size - 1 })],
    ['raw bytes that are fewer than a page', () => ({ flags: 0 })],
    ['two codecs', () => ({ flags: codecFlags.zlib | codecFlags.lzo })],
    ['an unknown codec', () => ({ flags: 0x80000000 })],
    ['another codec than its own', () => ({ flags: codecFlags.snappy })],
    ['an offset of 1', () => ({ offset: 1n })],
    ['an offset in the headers', () => ({ offset: 4096n })],
    ['an offset beyond the file', () => ({ offset: 2n ** 40n })],
    ['an offset of 2^63 - 1', () => ({ offset: U63 })],
    ['a negative offset', () => ({ offset: -1n })],
    ['an offset in mid-stream', (d) => ({ offset: d.offset + 1n })],
  ] satisfies [string, Damage][])('by %s is missing, and its neighbours are not', async (_, damage) => {
    const codecs = [
      await openCodec('zlib'),
      await openCodec('snappy'),
      await openCodec('lzo'),
      await openCodec('zstd'),
    ];
    const file = build({
      pages,
      codec: 'zlib',
      desc: (pfn, desc) => (pfn === 3 ? (damage as Damage)(desc) : {}),
    });
    const reader = createKdumpReader(file, codecs);
    expect(reader.load(2, 3)).toBe(1);
    expect(loadOne(reader, 3)).toBeUndefined();
    expect(reader.read(3 * PAGE, new Uint8Array(1))).toBe(false);
    expect(Buffer.compare(loadOne(reader, 4)!, pages.get(4)!)).toBe(0);
    reader.close();
  });

  it.each(CODEC_NAMES)('in its %s stream is missing or whole, and never more than a page', async (name) => {
    const codec = await openCodec(name);
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(60), fc.nat(255)), { minLength: 1, maxLength: 4 }), (flips) => {
        const file = build({
          pages,
          codec: name,
          compress: compressBy(codec),
          patch: (raw, { data }) => {
            for (const [at, byte] of flips) if (data + at < raw.length) raw[data + at] = byte;
            return undefined;
          },
        });
        const reader = createKdumpReader(file, [codec]);
        expect(reader.load(2, 3)).toBeLessThanOrEqual(3);
        const guard = reader.bytes.subarray(3 * PAGE);
        expect(guard.every((b) => b === 0)).toBe(true);
      }),
      { numRuns: 60 },
    );
    codec.close();
  });

  it('is missing when the file ends in it', () => {
    const file = build({ pages, patch: (raw, { size }) => raw.subarray(0, size - 1) });
    const reader = createKdumpReader(file, []);
    expect(reader.load(2, 3)).toBe(2);
  });
});
