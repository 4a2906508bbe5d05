/** Two dumps page by page: what differs, what only one has, of which class it is, and what is no difference. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SmeltError } from '../../src/errors.ts';
import { diff } from '../../src/inspect/diff.ts';
import { writeElfCore } from '../build/elf.ts';
import { encodeFlattened, recordsOf } from '../build/flattened.ts';
import { buildKdump, type KdumpOptions } from '../build/kdump.ts';
import { pageContent } from '../build/page-content.ts';
import { buildParts } from '../build/split.ts';
import { tempFiles } from '../read/temp-files.ts';
import { runDump, scratch } from '../workers/run-dump.ts';
import { errorOf, NEVER, QUIET, requestOf } from './looking.ts';

const SAMPLE = join(import.meta.dirname, '../../samples/x86_64-6.1-small.kdump');
const files = tempFiles();
const dir = scratch();

function pagesOf(pfns: Iterable<number>, spoilt: readonly number[] = []): Map<number, Uint8Array> {
  const bad = new Set(spoilt);
  return new Map(
    [...pfns].map((pfn) => {
      const page = Buffer.from(pageContent(pfn % 5 === 0 ? 'zero' : pfn % 2 === 0 ? 'random' : 'text', pfn));
      if (bad.has(pfn)) page[4095]! ^= 1;
      return [pfn, page];
    }),
  );
}

function kdump(pages: ReadonlyMap<number, Uint8Array>, change: Partial<KdumpOptions> = {}): string {
  const path = files.path('kdump');
  buildKdump({ path, codec: 'zlib', pages, ...change });
  return path;
}

const compare = (a: string, others: readonly string[] | string, exact = false, signal = NEVER) =>
  diff({ ...requestOf(a), others: [others].flat(), exact }, QUIET, signal);

const range = (from: number, end: number) => Array.from({ length: end - from }, (_, i) => from + i);

describe('two dumps with the same pages', () => {
  test('may be of different kernels, which is said', async () => {
    const pages = pagesOf(range(3, 50));
    const of = (release: string) => kdump(pages, { release, vmcoreinfo: `OSRELEASE=${release}\n` });
    const { same, warnings } = await compare(of('6.1.0'), of('6.12.3'));
    expect(same).toBe(true);
    expect(warnings).toEqual([
      'they are dumps of different kernels: A of Linux 6.1.0 of x86_64, B of Linux 6.12.3 of x86_64',
    ]);
    expect((await compare(of('6.1.0'), of('6.1.0'))).warnings).toEqual([]);
  });

  test.each(['raw', 'zlib'] as const)(
    'are the same, however they are packed (zlib and %s)',
    async (codec) => {
      const pages = pagesOf(range(3, 500));
      const report = await compare(kdump(pages), kdump(pages, { codec }), true);
      expect(report).toMatchObject({ same: true, identicalPages: 497, differ: { pages: 0, runs: [] } });
      expect(report.onlyA.pages + report.onlyB.pages + report.unreadable.pages).toBe(0);
    },
  );

  test('are the same as ELF, flattened and split, in any pair', async () => {
    const pages = pagesOf(range(0, 300));
    const plain = kdump(pages);
    const flat = files.write(encodeFlattened(recordsOf(readFileSync(plain), 3000)));
    const elf = files.path('elf');
    writeElfCore(elf, { loads: [{ paddr: 0, memsz: 300 * 4096, data: Buffer.concat([...pages.values()]) }] });
    const parts = buildParts({ path: files.path('part'), codec: 'zlib', pages }, [100, 200]);
    for (const [first, ...others] of [
      [plain, flat],
      [elf, plain],
      [flat, elf],
      [...parts, plain],
      [plain, ...parts],
      [...parts, ...parts],
    ])
      expect(await compare(first!, others, true)).toMatchObject({ same: true, identicalPages: 300 });
  });
});

describe('pages that differ', () => {
  test('are found, whatever the dumps are, and nothing else is', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(fc.nat(399), { maxLength: 30 }),
        fc.uniqueArray(fc.nat(399), { maxLength: 30 }),
        fc.uniqueArray(fc.nat(399), { maxLength: 30 }),
        fc.constantFrom('raw', 'zlib'),
        async (spoilt, missingA, missingB, codec) => {
          const has = (missing: readonly number[]) => range(0, 400).filter((pfn) => !missing.includes(pfn));
          const a = kdump(pagesOf(has(missingA)), { maxMapnr: 400 });
          const b = kdump(pagesOf(has(missingB), spoilt), { codec, maxMapnr: 400 });
          const report = await compare(a, b);
          const both = has([...missingA, ...missingB]);
          const differ = both.filter((pfn) => spoilt.includes(pfn));
          const lone = (here: readonly number[], there: readonly number[]) =>
            has(here).filter((pfn) => there.includes(pfn)).length;
          expect(report.same).toBe(differ.length === 0);
          expect(report.identicalPages).toBe(both.length - differ.length);
          expect(report.differ.pages).toBe(differ.length);
          expect(report.onlyA.pages).toBe(lone(missingA, missingB));
          expect(report.onlyB.pages).toBe(lone(missingB, missingA));
          const first = report.differ.runs.flatMap(({ pfn, count }) => range(pfn, pfn + count));
          expect(first).toEqual(differ.sort((x, y) => x - y).slice(0, first.length));
          expect(report.differ.runs.length).toBeLessThanOrEqual(10);
        },
      ),
      { numRuns: 25 },
    );
  });

  test('of a dump of thousands are listed up to ten runs, and all counted', async () => {
    const odd = range(0, 3000).filter((pfn) => pfn % 3 === 1);
    const report = await compare(kdump(pagesOf(range(0, 3000))), kdump(pagesOf(range(0, 3000), odd)));
    expect(report.differ.pages).toBe(odd.length);
    expect(report.differ.runs).toEqual(odd.slice(0, 10).map((pfn) => ({ pfn, count: 1 })));
  });

  test('are none where one dump says that a page is missing: only the other has it', async () => {
    const pages = pagesOf(range(0, 50));
    const report = await compare(kdump(pages), kdump(pages, { incomplete: [7, 8] }));
    expect(report).toMatchObject({ same: true, onlyA: { pages: 2, runs: [{ pfn: 7, count: 2 }] } });
  });

  test('cannot be told of a page that does not unpack, and that is a difference', async () => {
    const pages = pagesOf(range(0, 50));
    const damaged = kdump(pages, { desc: (pfn, { size }) => (pfn === 9 ? { size: size - 3 } : {}) });
    const report = await compare(kdump(pages, { codec: 'raw' }), damaged);
    expect(report).toMatchObject({ same: false, unreadable: { pages: 1, runs: [{ pfn: 9, count: 1 }] } });
  });
});

describe('a dump that was filtered', () => {
  test('is the same as its source, and what it lacks is told by class', async () => {
    const output = join(dir, 'small');
    const { report } = await runDump({ input: SAMPLE, output, dumpLevel: 31, codec: 'zstd' });
    const found = await compare(SAMPLE, output);
    const { zero: _, kernel, ...dropped } = report.classes;
    expect(found).toMatchObject({ same: true, differ: { pages: 0 }, onlyB: { pages: 0 } });
    expect(found.identicalPages).toBe(report.keptPages);
    const some = Object.fromEntries(Object.entries(dropped).filter(([, pages]) => pages > 0));
    expect(found.onlyA.classes).toEqual(some);
    expect(kernel).toBeGreaterThan(0);
    const back = await compare(output, SAMPLE);
    expect(back.onlyB.classes).toEqual(some);
  });

  test('is another dump with --exact', async () => {
    const pages = pagesOf(range(0, 50));
    const fewer = pagesOf(range(10, 50));
    expect(await compare(kdump(pages), kdump(fewer), true)).toMatchObject({ same: false });
    expect(await compare(kdump(pages), kdump(fewer), false)).toMatchObject({ same: true });
  });

  test('has classes only where a memory map can be read', async () => {
    const report = await compare(kdump(pagesOf(range(0, 50))), kdump(pagesOf(range(10, 50))));
    expect(report.onlyA).toEqual({ pages: 10, classes: undefined, runs: [{ pfn: 0, count: 10 }] });
  });
});

describe('what cannot be compared', () => {
  test('is refused: pages of other sizes, parts that lack others', async () => {
    const large = kdump(new Map([[1, new Uint8Array(65536)]]), { blockSize: 65536 });
    expect((await errorOf(compare(kdump(pagesOf([1])), large))).code).toBe('UNSUPPORTED');
    const [first] = buildParts(
      { path: files.path('part'), codec: 'zlib', pages: pagesOf(range(0, 90)) },
      [40],
    );
    const plain = kdump(pagesOf(range(0, 90)));
    expect((await errorOf(compare(first!, plain))).code).toBe('PARTS');
    expect((await errorOf(compare(plain, [plain, plain]))).code).toBe('PARTS');
  });

  test('ends when it is told to', async () => {
    const stopped = new AbortController();
    stopped.abort(new SmeltError('INTERRUPTED', 'stopped'));
    const path = kdump(pagesOf(range(0, 90)));
    expect((await errorOf(compare(path, path, false, stopped.signal))).code).toBe('INTERRUPTED');
  });

  test('ends, whatever the bytes of one of them are', async () => {
    const plain = kdump(pagesOf(range(0, 90)));
    const bytes = readFileSync(plain);
    const broken = files.path('broken');
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { minLength: 1 }),
        async (changes) => {
          const copy = Buffer.from(bytes);
          for (const [place, value] of changes) copy[place] = value;
          writeFileSync(broken, copy);
          await compare(plain, broken).catch((error: unknown) => {
            if (!(error instanceof SmeltError) || error.code === 'INTERNAL') throw error;
          });
        },
      ),
      { numRuns: 60 },
    );
  });
});
