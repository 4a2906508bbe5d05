/** Which page frames are kept: kinds x kernels x levels against the builder's truth, lies, damage and random bytes. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CachedMemory } from '../../src/arch/memory.ts';
import { PageTableWalker } from '../../src/arch/page-table.ts';
import { type Carry, WindowClassifier } from '../../src/filter/classify.ts';
import { PAGE_CLASSES, type PageClass } from '../../src/filter/page-class.ts';
import { planWindows, windowSpan } from '../../src/filter/plan.ts';
import type { ReadableMap } from '../../src/filter/struct-pages.ts';
import { MemoryMap } from '../../src/kernel/memory-model.ts';
import { pageRules } from '../../src/kernel/page-rules.ts';
import { Vmcoreinfo } from '../../src/kernel/vmcoreinfo.ts';
import { clearRange, popcount, testBit } from '../../src/read/bitmap.ts';
import type { MemoryReader } from '../../src/read/dump-file.ts';
import { createReader } from '../../src/read/open.ts';
import { existingBits, storedBits } from '../../src/read/stored-pages.ts';
import { type KernelName, kernelNames, kernelProfile } from '../build/kernel-profile.ts';
import type { PageSpec, VmcoreOptions } from '../build/vmcore-options.ts';
import { type OpenedVmcore, openVmcore, x86_64 } from '../kernel/opened.ts';
import { tempFiles } from '../read/temp-files.ts';

const files = tempFiles();
const MiB = 2 ** 20;
const LEVELS = [0, 1, 2, 4, 8, 16, 18, 24, 30, 31];
const DROPPED = ['cache', 'cachePrivate', 'user', 'free', 'hwpoison', 'offline'] as const;
const KERNELS = kernelNames.filter((k) => k !== '4.14');

type Counts = Record<PageClass, number>;

interface Filtered {
  readonly kept: Uint8Array;
  readonly counts: Counts;
  readonly carries: readonly Carry[];
  readonly freeFound: number;
  readonly windows: number;
}

function readableOf({ machine, reader }: OpenedVmcore): ReadableMap | undefined {
  const info = machine.memoryMap;
  if (!info) return undefined;
  const walker = new PageTableWalker(new CachedMemory(reader), x86_64.tableFormat, info.tables);
  return {
    map: new MemoryMap(info.model, walker, info.rules.sizeBytes),
    rules: info.rules,
    image: info.image,
  };
}

/** All windows in order, carries applied at the end, as the dump does it. */
function filter(opened: OpenedVmcore, level: number, { mmap = false, threads = 1 } = {}): Filtered {
  const { file } = opened;
  const reader = createReader(file, mmap, []);
  const classifier = new WindowClassifier(reader, readableOf({ ...opened, reader }), level);
  const plan = planWindows(file, threads);
  const kept = new Uint8Array(Math.ceil(plan.maxMapnr / 8));
  for (let i = 0; i < plan.starts.length; i++) {
    const { pfn, count } = windowSpan(plan, i);
    const existing = new Uint8Array(Math.ceil(count / 8));
    const bits = new Uint8Array(existing.length);
    existingBits(file, pfn, count, existing);
    storedBits(file, pfn, count, existing, bits);
    expect(classifier.classify(pfn, count, bits)).toBeLessThanOrEqual(popcount(existing, count));
    kept.set(bits, pfn / 8);
  }
  for (const { pfn, end, pageClass } of classifier.carries) {
    classifier.classes[pageClass] += clearRange(kept, pfn, Math.min(end, plan.maxMapnr));
  }
  reader.close();
  const counts = Object.fromEntries(PAGE_CLASSES.map((name, i) => [name, classifier.classes[i]])) as Counts;
  const { carries, freeFound } = classifier;
  return { kept, counts, carries, freeFound, windows: plan.starts.length };
}

/** Page frames at which two bitmaps differ: what a person wants to see of a failure. */
const differences = (a: Uint8Array, b: Uint8Array, pfns: number) =>
  Array.from({ length: pfns }, (_, pfn) => pfn)
    .filter((pfn) => testBit(a, pfn) !== testBit(b, pfn))
    .map((pfn) => `${pfn.toString(16)} ${testBit(a, pfn) ? 'kept' : 'dropped'}`)
    .slice(0, 8);

function expectTruth(opened: OpenedVmcore, level: number, options?: Parameters<typeof filter>[2]): Filtered {
  const { expected } = opened.built;
  const got = filter(opened, level, options);
  expect(differences(got.kept, expected.kept(level), expected.maxPfn), `level ${level}`).toEqual([]);
  const counts = expected.counts(level);
  for (const name of DROPPED) expect(`${name} ${got.counts[name]}`).toBe(`${name} ${counts[name]}`);
  expect(popcount(got.kept)).toBe(counts.kept);
  return got;
}

/** Every kind that the kernel has, above the image. */
function kindsOf(kernel: KernelName): PageSpec[] {
  const { types } = kernelProfile(kernel);
  return [
    { pfn: 0x2000, kind: 'buddy', order: 10, count: 3 },
    { pfn: 0x2c00, kind: 'buddy', order: 3, count: 4 },
    { pfn: 0x2c20, kind: 'buddy', order: 0, count: 5 },
    { pfn: 0x3000, kind: 'cache', count: 100 },
    { pfn: 0x3080, kind: 'cache', order: 4, count: 2 },
    { pfn: 0x3100, kind: 'anon', count: 100 },
    { pfn: 0x3200, kind: 'cachePrivate', count: 77 },
    { pfn: 0x3280, kind: 'cachePrivate', order: 2, count: 3 },
    { pfn: 0x3400, kind: 'thp', count: 2 },
    { pfn: 0x3800, kind: 'hugetlb' },
    { pfn: 0x3a00, kind: 'hwpoison', count: 3 },
    ...(types.offline === undefined ? [] : [{ pfn: 0x3a10, kind: 'offline', count: 5 } as const]),
    { pfn: 0x3a20, kind: 'slab', order: 3, count: 2 },
    { pfn: 0x3a30, kind: 'slab', count: 3 },
    { pfn: 0x3a40, kind: 'compound' },
    { pfn: 0x3a50, kind: 'swapcache', count: 7 },
    { pfn: 0x3a60, kind: 'ksm' },
    { pfn: 0x3a70, kind: 'orphanTail' },
    { pfn: 0x3a71, kind: 'movable' },
    ...(types.table === undefined ? [] : [{ pfn: 0x3a72, kind: 'table' } as const]),
    ...(types.guard === undefined ? [] : [{ pfn: 0x3a73, kind: 'guard' } as const]),
    { pfn: 0x3a80, kind: 'cache', hwpoison: true },
    { pfn: 0x3a82, kind: 'anon', waiters: true },
    { pfn: 0x3a83, kind: 'cache', waiters: true },
    { pfn: 0x3a88, kind: 'buddy', order: 2, waiters: true },
    { pfn: 0x3a90, kind: 'kernel', count: 9 },
    ...(types.unaccepted === undefined ? [] : [{ pfn: 0x4000, kind: 'unaccepted', count: 2 } as const]),
  ];
}
const ram = [{ start: 0, end: 96 * MiB }];

describe.each(KERNELS)('the page frames of Linux %s', (kernel) => {
  const opened = openVmcore(files, { kernel, ram, pages: kindsOf(kernel), fill: 'kernel' });

  it.each(LEVELS)('are dropped and counted as they should be at level %i', (level) => {
    const { counts } = expectTruth(opened, level);
    expect(counts.undecided).toBe(0);
  });

  it('are the same through the sliding window, and cut into other windows', () => {
    expectTruth(opened, 31, { mmap: true });
    const { windows } = expectTruth(opened, 31, { threads: 8 });
    expect(windows).toBeGreaterThan(5);
  });
});

const quirks: [string, Omit<VmcoreOptions, 'path'>][] = [
  ['FLATMEM', { memoryModel: 'flatmem' }],
  ['SPARSEMEM without vmemmap', { memoryModel: 'sparsemem' }],
  ['struct pages on scattered pages', { leaf: '4k' }],
  ['five levels and encryption bit 51', { levels: 5, smeMask: 1n << 51n }],
  ['encryption bit 47', { smeMask: 1n << 47n, leaf: '4k' }],
  ['KASLR', { kernelOffset: 0x400000n }],
  ['free blocks everywhere', { fill: 'buddy' }],
  ['segments at odd places of the file', { elf: { unaligned: 0x838, unsorted: true, phoff: 192 } }],
  ['an overlapping segment of the image', { elf: { overlap: true } }],
  ['memory that the file does not have', { elf: { pfileszShort: 40 } }],
  [
    'memory that begins and ends in mid-page',
    {
      ram: [
        { start: 0x1000, end: 0x9fc00 },
        { start: 0x100000, end: 90 * MiB + 0x123 },
      ],
    },
  ],
];

describe.each(quirks)('a dump with %s', (_, options) => {
  const opened = openVmcore(files, { ram, pages: kindsOf('6.1'), ...options });

  it.each([0, 8, 16, 31])('is filtered as it should be at level %i', (level) => {
    expectTruth(opened, level);
    expectTruth(opened, level, { mmap: true, threads: 8 });
  });
});

describe('the kernel image', () => {
  it('is kept although its struct pages say that it is page cache', () => {
    const opened = openVmcore(files, { ram, lyingImagePages: [0, 3, 7, 20] });
    const { kept } = expectTruth(opened, 31);
    for (const index of [0, 3, 7, 20]) expect(testBit(kept, 0x1000 + index)).toBe(true);
  });

  it('loses its poisoned pages, which must not be touched', () => {
    const opened = openVmcore(files, { ram });
    const map = readableOf(opened)!;
    for (const by of ['symbols', 'mapping'] as const) {
      const image = { by, ranges: [{ pfn: 0x2100, end: 0x2200 }] };
      const spec = openVmcore(files, {
        ram,
        pages: [{ pfn: 0x2100, kind: 'cache', count: 9, hwpoison: true }],
      });
      const readable = { ...readableOf(spec)!, image };
      const bits = new Uint8Array(64).fill(0xff);
      const classifier = new WindowClassifier(spec.reader, readable, 31);
      classifier.classify(0x2100, 512, bits);
      // By its mapping alone, a page without PG_reserved is not the image's: then it is page cache.
      expect([bits[0], bits[1] & 1]).toEqual([0, 0]);
    }
    expect(map.image?.by).toBe('mapping');
  });

  it('cuts a block that a damaged struct page before it claims over it', () => {
    const pages: PageSpec[] = [{ pfn: 0x2000, kind: 'thp', count: 1 }];
    const opened = openVmcore(files, { ram, pages });
    const image = { by: 'symbols', ranges: [{ pfn: 0x2080, end: 0x2100 }] } as const;
    const bits = new Uint8Array(64).fill(0xff);
    new WindowClassifier(opened.reader, { ...readableOf(opened)!, image }, 31).classify(0x2000, 512, bits);
    expect(popcount(bits, 0x80)).toBe(0);
    expect(popcount(bits.subarray(0x10, 0x20))).toBe(0x80);
  });
});

describe('a struct page that makes no sense', () => {
  it.each([11, 12, 64, 0x7fffffff, 0xffffffff])(
    'by a free block’s order of %i is undecided and kept',
    (order) => {
      const bad: PageSpec = {
        pfn: 0x2000,
        kind: 'buddy',
        order: 0,
        raw: { private: BigInt(order) },
        claims: [],
      };
      const { kept, counts } = expectTruth(openVmcore(files, { ram, pages: [bad] }), 31);
      expect(testBit(kept, 0x2000)).toBe(true);
      expect(counts).toMatchObject({ undecided: 1, free: 0 });
    },
  );

  it('by a free block that is not aligned to its order is undecided and kept', () => {
    const bad: PageSpec = { pfn: 0x2004, kind: 'buddy', order: 0, raw: { private: 3n }, claims: [] };
    const { counts } = expectTruth(openVmcore(files, { ram, pages: [bad] }), 16);
    expect(counts.undecided).toBe(1);
  });

  it('is not looked at for free blocks where those are kept anyway', () => {
    const bad: PageSpec = { pfn: 0x2000, kind: 'buddy', order: 0, raw: { private: 99n }, claims: [] };
    expect(expectTruth(openVmcore(files, { ram, pages: [bad] }), 15).counts.undecided).toBe(0);
  });

  it('by an order in the lower half of private and something in the upper is undecided and kept', () => {
    const bad: PageSpec = {
      pfn: 0x2000,
      kind: 'buddy',
      order: 0,
      raw: { private: 0x1_0000_0003n },
      claims: [],
    };
    expectTruth(openVmcore(files, { ram, pages: [bad] }), 16);
  });
});

describe('struct pages that were never set up', () => {
  it.each([0, 31])('are all ones, undecided, and kept at level %i', (level) => {
    const opened = openVmcore(files, { ram, pages: [{ pfn: 0x2000, kind: 'kernel' }] });
    const { kept, counts } = filterPatched(opened, 0x2000, Buffer.alloc(64, 0xff), level);
    expect(testBit(kept, 0x2000)).toBe(true);
    expect(counts).toMatchObject({ undecided: 1, hwpoison: 0 });
  });
});

describe('what is dropped at every level', () => {
  it('is offline and poisoned memory', () => {
    const pages: PageSpec[] = [
      { pfn: 0x2000, kind: 'offline', count: 3 },
      { pfn: 0x2010, kind: 'hwpoison', count: 2 },
      { pfn: 0x2020, kind: 'anon', hwpoison: true },
    ];
    const { counts } = expectTruth(openVmcore(files, { ram, pages, kernel: '6.12' }), 0);
    expect(counts).toMatchObject({ offline: 3, hwpoison: 3 });
  });

  it('is a poisoned tail page inside a compound page that is kept', () => {
    const opened = openVmcore(files, { ram, pages: [{ pfn: 0x2000, kind: 'compound', order: 3 }] });
    const tail = structPagesOf(opened, 0x2005);
    tail.writeInt32LE(tail.readInt32LE(0) | (1 << kernelProfile('6.1').bits.hwpoison), 0);
    const { kept, counts } = filterPatched(opened, 0x2005, tail, 31);
    expect(counts.hwpoison).toBe(1);
    for (let pfn = 0x2000; pfn < 0x2008; pfn++) expect(testBit(kept, pfn)).toBe(pfn !== 0x2005);
  });
});

describe('a page with waiters (bit 7) where PG_slab is no longer exported', () => {
  it.each(['6.11', '6.12', '7.3'] as const)('is what it is without them on Linux %s', (kernel) => {
    const pages: PageSpec[] = [
      { pfn: 0x2000, kind: 'anon', waiters: true },
      { pfn: 0x2001, kind: 'cache', waiters: true },
    ];
    const opened = openVmcore(files, { ram, pages, kernel });
    expect(testBit(expectTruth(opened, 2).kept, 0x2000)).toBe(true);
    expect(testBit(expectTruth(opened, 8).kept, 0x2000)).toBe(false);
  });
});

describe('a compound page larger than a window', () => {
  const pages: PageSpec[] = [{ pfn: 2 ** 18, kind: 'hugetlb', order: 18 }];
  const big = openVmcore(files, { ram: [{ start: 0, end: 2 * 2 ** 30 + 64 * MiB }], pages });

  it('hands over what lies beyond the window, and is dropped whole', () => {
    const { carries, counts, windows } = expectTruth(big, 8, { threads: 8 });
    expect(windows).toBeGreaterThan(100);
    expect(carries).toHaveLength(1);
    expect(carries[0].end).toBe(2 ** 19);
    expect(carries[0].pfn).toBeGreaterThan(2 ** 18);
    expect(counts.user).toBe(2 ** 18);
  });

  it('is kept whole where users’ pages are kept', () => {
    expect(expectTruth(big, 23, { threads: 8 }).carries).toEqual([]);
  });
});

describe('a memory map that cannot be read', () => {
  it('makes all pages undecided, and all are kept', () => {
    const opened = openVmcore(files, { ram, overrides: { 'SIZE(page)': undefined } });
    const { kept, counts } = filter(opened, 31);
    expect(counts.undecided).toBe(96 * 256);
    expect(popcount(kept)).toBe(96 * 256);
  });

  it('in part makes those pages undecided', () => {
    const opened = openVmcore(files, { ram, pages: [{ pfn: 0x2000, kind: 'cache', count: 4096 }] });
    const hidden = 0x2400;
    const chunk = opened.built.tables.memmapChunks[0];
    const at = Math.floor((chunk.pieces[0] + hidden * 64) / 4096);
    const reader = withoutPage(opened.reader, at);
    const bits = new Uint8Array(512).fill(0xff);
    const classifier = new WindowClassifier(reader, readableOf(opened), 31);
    expect(classifier.classify(0x2000, 4096, bits)).toBe(64);
    expect(classifier.classes[PAGE_CLASSES.indexOf('undecided')]).toBe(64);
    expect(testBit(bits, 0x3ff)).toBe(false);
    expect([0x400, 0x43f].map((bit) => testBit(bits, bit))).toEqual([true, true]);
    expect(testBit(bits, 0x440)).toBe(false);
  });
});

describe('struct pages of random bytes', () => {
  // One section of struct pages on random pages, behind FLATMEM at a direct address.
  const PAGES = 2048;
  const WINDOW_PFN = 4096;

  it.each(['5.10', '6.1', '6.4', '6.6', '6.12', '7.3'] as const)(
    'never throw, never reach outside of the window, and add up (Linux %s)',
    (kernel) => {
      const rules = pageRules(new Vmcoreinfo(openVmcore(files, { kernel }).built.vmcoreinfoText))!;
      const { types, bits: flags } = kernelProfile(kernel);
      const telling = [
        ...Object.values(types),
        -1,
        0,
        ...Object.values(flags).map((bit) => 1 << bit),
        0x40 | (1 << flags.lru),
      ];
      fc.assert(
        fc.property(
          fc.array(
            fc.tuple(fc.nat(PAGES * 16 - 1), fc.oneof(fc.constantFrom(...telling), fc.integer(), fc.nat(20))),
            {
              maxLength: 400,
            },
          ),
          fc.integer(),
          fc.nat(31),
          fc.constantFrom(64, 56, 128),
          fc.option(
            fc.tuple(fc.nat(PAGES), fc.nat(PAGES), fc.constantFrom('symbols' as const, 'mapping' as const)),
          ),
          (words, base, level, sizeBytes, imageRange) => {
            const memory = Buffer.alloc(PAGES * 128);
            memory.fill(Buffer.from(Int32Array.of(base, 0, -1, 7).buffer));
            for (const [at, word] of words) memory.writeInt32LE(word | 0, at * 4);
            const reader = bufferReader(memory);
            const map = oneMap(sizeBytes, memory.length);
            const image = imageRange && {
              by: imageRange[2],
              ranges: [
                {
                  pfn: WINDOW_PFN + Math.min(imageRange[0], imageRange[1]),
                  end: WINDOW_PFN + Math.max(imageRange[0], imageRange[1]),
                },
              ],
            };
            const readable = { map, rules: { ...rules, sizeBytes }, image: image ?? undefined };
            const count = 1500;
            const guarded = new Uint8Array(PAGES / 8 + 64).fill(0xff);
            const bits = guarded.subarray(32, 32 + Math.ceil(count / 8));
            const classifier = new WindowClassifier(reader, readable, level);
            const kept = classifier.classify(WINDOW_PFN, count, bits);
            const dropped = DROPPED.reduce(
              (sum, name) => sum + classifier.classes[PAGE_CLASSES.indexOf(name)],
              0,
            );
            expect(kept).toBe(popcount(bits, count));
            expect(kept + dropped).toBe(count);
            expect(classifier.classes[PAGE_CLASSES.indexOf('undecided')]).toBeLessThanOrEqual(kept);
            const outside = [...guarded.subarray(0, 32), ...guarded.subarray(32 + bits.length)];
            expect(outside.every((b) => b === 0xff)).toBe(true);
            expect(bits[bits.length - 1] & 0xf0).toBe(0xf0);
            for (const { pfn, end } of classifier.carries) {
              expect(pfn).toBe(WINDOW_PFN + count);
              expect(end).toBeGreaterThan(pfn);
            }
            if (image?.by === 'symbols') {
              const poisoned = classifier.classes[PAGE_CLASSES.indexOf('hwpoison')];
              const { pfn, end } = image.ranges[0];
              const inImage = Math.max(0, Math.min(end, WINDOW_PFN + count) - pfn);
              let keptInImage = 0;
              for (let p = pfn; p < pfn + inImage; p++) if (testBit(bits, p - WINDOW_PFN)) keptInImage++;
              expect(inImage - keptInImage).toBeLessThanOrEqual(poisoned);
            }
          },
        ),
        { numRuns: 150 },
      );
    },
  );

  it('classify only page frames that the input has', () => {
    const rules = pageRules(new Vmcoreinfo(openVmcore(files).built.vmcoreinfoText))!;
    const memory = Buffer.alloc(PAGES * 64);
    for (let i = 0; i < PAGES; i++) memory.writeUInt32LE(rules.PG_lru, i * 64);
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 64, maxLength: 64 }), (bits) => {
        const before = popcount(bits);
        const classifier = new WindowClassifier(
          bufferReader(memory),
          { map: oneMap(64, memory.length), rules, image: undefined },
          2,
        );
        expect(classifier.classify(WINDOW_PFN, 512, bits)).toBe(0);
        expect(classifier.classes[PAGE_CLASSES.indexOf('cache')]).toBe(before);
      }),
    );
  });

  function bufferReader(memory: Buffer): MemoryReader {
    const pages = memory.length / 4096;
    return {
      pageSize: 4096,
      mapped: false,
      cutPages: 0,
      maxPages: 5,
      bytes: memory,
      get start() {
        return at;
      },
      load(pfn, count) {
        at = pfn * 4096;
        return pfn >= pages ? 0 : Math.min(count, 5, pages - pfn);
      },
      read: () => false,
      close() {},
    };
  }
  let at = 0;

  /** Struct pages one behind the other from address 0 on. */
  function oneMap(sizeBytes: number, length: number): MemoryMap {
    return {
      *pieces(pfn: number, count: number) {
        const there = Math.min(count, Math.floor(length / sizeBytes));
        yield { pfn, count: there, paddr: 0 };
        if (there < count) yield { pfn: pfn + there, count: count - there, paddr: undefined };
      },
    } as unknown as MemoryMap;
  }
});

/** The 64 bytes of a struct page, as the builder wrote them. */
function structPagesOf({ built, reader }: OpenedVmcore, pfn: number): Buffer {
  const bytes = Buffer.alloc(64);
  expect(reader.read(built.tables.memmapChunks[0].pieces[0] + pfn * 64, bytes)).toBe(true);
  return bytes;
}

/** Filters the first section with one struct page replaced. */
function filterPatched(opened: OpenedVmcore, pfn: number, struct: Buffer, level: number) {
  const at = opened.built.tables.memmapChunks[0].pieces[0] + pfn * 64;
  const inner = opened.reader;
  const reader: MemoryReader = Object.create(inner, {
    bytes: { get: () => inner.bytes },
    start: { get: () => inner.start },
    load: {
      value: (from: number, count: number) => {
        const n = inner.load(from, count);
        const inLoad = at - from * 4096;
        if (inLoad >= 0 && inLoad + 64 <= n * 4096) struct.copy(inner.bytes, inner.start + inLoad);
        return n;
      },
    },
  });
  const classifier = new WindowClassifier(reader, readableOf(opened), level);
  const kept = new Uint8Array(32768 / 8).fill(0xff);
  classifier.classify(0, 96 * 256, kept);
  const counts = Object.fromEntries(PAGE_CLASSES.map((name, i) => [name, classifier.classes[i]])) as Counts;
  return { kept, counts };
}

/** A reader that has not one page frame. */
function withoutPage(inner: MemoryReader, pfn: number): MemoryReader {
  return Object.create(inner, {
    bytes: { get: () => inner.bytes },
    start: { get: () => inner.start },
    load: {
      value: (from: number, count: number) => {
        if (from === pfn) return 0;
        return inner.load(from, from < pfn ? Math.min(count, pfn - from) : count);
      },
    },
  });
}
