/** Split dumps: all parts together read as the whole dump, and what does not belong together is told. */
import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SmeltError } from '../../src/errors.ts';
import type { KdumpDumpFile } from '../../src/read/dump-file.ts';
import { closeDump, createReader, openDump, openingDump } from '../../src/read/open.ts';
import { writeElfCore } from '../build/elf.ts';
import { encodeFlattened, recordsOf } from '../build/flattened.ts';
import { buildKdump, type KdumpOptions } from '../build/kdump.ts';
import { type PageData, pageContent } from '../build/page-content.ts';
import { buildParts } from '../build/split.ts';
import { expectSmeltError, tempFiles } from './temp-files.ts';

const files = tempFiles();
const MAX_MAPNR = 80;
const openFds = () => readdirSync('/proc/self/fd').length;

function withDump<T>(paths: readonly string[], work: (file: KdumpDumpFile) => T): T {
  const file = openDump(paths[0]!, ...paths.slice(1));
  try {
    return work(file as KdumpDumpFile);
  } finally {
    closeDump(file);
  }
}

/** Each page frame's bytes, or that it is not there. */
function pagesOf(file: KdumpDumpFile): (string | undefined)[] {
  const reader = createReader(file, false, []);
  const pages = Array.from({ length: file.maxMapnr }, (_, pfn) =>
    reader.load(pfn, 1) === 1
      ? reader.bytes.toString('latin1', reader.start, reader.start + file.pageSize)
      : undefined,
  );
  reader.close();
  return pages;
}

const kinds: PageData[] = ['zero', 'text', 'random'];
const some = new Map([1, 2, 20, 21, 40, 60, 61, 79].map((pfn, i) => [pfn, pageContent(kinds[i % 3]!, pfn)]));
const options = (change: Partial<KdumpOptions> = {}): KdumpOptions => ({
  path: files.path('part'),
  pages: some,
  maxMapnr: MAX_MAPNR,
  dumpLevel: 1,
  vmcoreinfo: 'OSRELEASE=6.1.0\n',
  ...change,
});
const parts = (...bounds: number[]) => buildParts(options(), bounds);
const changed = (change: Partial<KdumpOptions>, index: number, ...bounds: number[]) =>
  buildParts(options(change), bounds)[index]!;

describe('a split dump', () => {
  it('has the pages of the whole one, wherever it is split, in whatever order its parts are given, flattened or not', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.tuple(fc.nat(MAX_MAPNR - 1), fc.constantFrom(...kinds)), {
          maxLength: 20,
          minLength: 1,
          selector: ([pfn]) => pfn,
        }),
        fc.array(fc.nat(MAX_MAPNR), { maxLength: 4 }),
        fc.infiniteStream(fc.nat()),
        fc.constantFrom(2 as const, 6 as const),
        (given, bounds, random, version) => {
          const pages = new Map(given.map(([pfn, data]) => [pfn, pageContent(data, pfn)]));
          const o = options({ pages, version });
          buildKdump(o);
          const set = buildParts(
            o,
            bounds.toSorted((a, b) => a - b),
          ).map((path, i) =>
            i === 1 ? files.write(encodeFlattened(recordsOf(readFileSync(path), 600, 64).reverse())) : path,
          );
          const order = set.map((path) => ({ path, at: random.next().value! })).sort((a, b) => a.at - b.at);
          const want = withDump([o.path], pagesOf);
          withDump(
            order.map(({ path }) => path),
            (file) => {
              expect(pagesOf(file)).toEqual(want);
              expect(file.split).toBe(true);
            },
          );
        },
      ),
      { numRuns: 60 },
    );
  });

  it('counts pages beyond the first entry of the rank table', () => {
    const far = 2 ** 18;
    const pages = new Map(
      [5, far - 1, far, far + 70, 3 * far].map((pfn) => [pfn, pageContent('random', pfn)]),
    );
    const o = options({ pages, maxMapnr: 3 * far + 9 });
    for (const bounds of [[far], [far + 1, 2 * far], [6, 3 * far]]) {
      withDump(buildParts(o, bounds), (file) => {
        const reader = createReader(file, false, []);
        for (const [pfn, page] of pages) {
          expect(reader.load(pfn, 1)).toBe(1);
          expect(reader.bytes.compare(page, 0, 4096, reader.start, reader.start + 4096)).toBe(0);
        }
        reader.close();
      });
    }
  });

  it('is compared with its other parts in steps', () => {
    // Two bitmaps of 2 MiB.
    const o = options({ pages: new Map([[5, pageContent('text', 5)]]), maxMapnr: 2 ** 24 });
    const [a, b] = buildParts(o, [2 ** 23]);
    const opening = openingDump(a!, b!);
    let steps = 0;
    let last = opening.next();
    for (; !last.done; last = opening.next()) steps++;
    closeDump(last.value);
    expect(steps).toBeGreaterThanOrEqual(4);
  });

  it('is closed where nobody wants it any more', () => {
    const [a, b] = parts(40);
    const before = openFds();
    const opening = openingDump(a!, b!);
    opening.next();
    const enough = new Error('enough');
    expect(() => opening.throw(enough)).toThrow(enough);
    expect(openFds()).toBe(before);
  });

  it('is whole in one part where the others have nothing', () => {
    const [all, empty] = parts(MAX_MAPNR);
    withDump([all!], (file) =>
      expect(pagesOf(file).filter((page) => page !== undefined).length).toBe(some.size),
    );
    withDump([empty!, all!], (file) => expect(file.parts.length).toBe(2));
  });

  it('is incomplete where one part is, and tells what was erased in any', () => {
    const [first] = parts(30);
    const second = changed({ incomplete: [40] }, 1, 30);
    withDump([first!, second], (file) => expect(file.incomplete).toBe(true));
    const erased = buildParts(options({ eraseinfo: 'erase a 8\n' }), [30]);
    withDump(erased, ({ eraseInfo }) => expect(Buffer.from(eraseInfo).toString()).toBe('erase a 8\n'));
    const other = changed({ eraseinfo: 'erase b 4\n' }, 1, 30);
    withDump([erased[0]!, other], ({ eraseInfo }) =>
      expect(Buffer.from(eraseInfo).toString()).toBe('erase a 8\nerase b 4\n'),
    );
  });

  it('counts pages as cut off that lie behind the end of their own part', () => {
    const [first, second] = parts(30);
    const cut = files.write(readFileSync(second!).subarray(0, -100));
    withDump([first!, cut], (file) => {
      const reader = createReader(file, false, []);
      expect(reader.load(2, 1)).toBe(1);
      expect(reader.load(60, 1)).toBe(1);
      expect(reader.load(79, 1)).toBe(0);
      expect(reader.cutPages).toBe(1);
      reader.close();
    });
  });
});

describe('parts that are no dump together', () => {
  const refused = (paths: readonly string[], ...words: RegExp[]) =>
    expectSmeltError(() => withDump(paths, () => {}), 'PARTS', ...words);

  it('lack page frames', () => {
    const [a, b, c] = parts(20, 40);
    const one = refused([b!], /is one part of a split dump, and page frames 0 to 19, 40 to 79 are in others/);
    expect(one.hint).toContain('PART1 PART2');
    refused([c!, a!], /of which page frames 20 to 39 are in none of the parts given/);
    refused([a!, b!], /page frames 40 to 79 are in none/);
    refused(
      parts(10, 20, 30, 40, 50, 60, 70).filter((_, i) => i % 2 === 1),
      /0 to 9, 20 to 29, 40 to 49 and more are in none/,
    );
  });

  it('have the same page frames', () => {
    const [a, b] = parts(40);
    refused([a!, b!, b!], /\.2: has page frames 40 to 79, and so has .*\.2$/);
    refused([a!, changed({}, 1, 30)], /has page frames 30 to 39, and so has/);
  });

  it.each<[string, Partial<KdumpOptions>, RegExp]>([
    ['kernel', { release: '6.1.1' }, /utsname differs/],
    ['level', { dumpLevel: 3 }, /dump_level differs/],
    ['codec', { codec: 'zlib' }, /status differs/],
    ['number of pages', { maxMapnr: 100 }, /max_mapnr differs/],
    ['log', { vmcoreinfo: 'OSRELEASE=6.1.1\n' }, /the notes differ/],
    [
      'set of pages',
      { pages: new Map([...some].slice(1)), ram: [{ start: 1, end: 2 }] },
      /the bitmaps differ/,
    ],
  ])('are of another %s', (_, change, words) => {
    const [a] = parts(40);
    refused([a!, changed(change, 1, 40)], /is of another dump than/, words);
  });

  it('are whole dumps, or of another format', () => {
    const [a, b] = parts(40);
    const o = options();
    buildKdump(o);
    refused([o.path, a!, b!], /is a whole dump, and no part of a split one/);
    const elf = files.path('elf');
    writeElfCore(elf, { loads: [{ paddr: 0, memsz: 4096 }] });
    refused([a!, elf], new RegExp(`^${elf}: is a whole dump`));
  });

  it('are all closed again', () => {
    const [a, b, c] = parts(20, 40);
    const before = openFds();
    refused([a!, c!], /none of the parts/);
    expectSmeltError(() => openDump(a!, b!, '/no/such/file'), 'INPUT_OPEN');
    withDump([a!, b!, c!], () => {});
    expect(openFds()).toBe(before);
  });
});

describe('a part with flipped bytes', () => {
  it('is refused or read', () => {
    const [a, b] = parts(40).map((path) => readFileSync(path));
    const where = fc.oneof(fc.nat(463), fc.integer({ min: 4096, max: 4200 }), fc.nat(b!.length - 1));
    fc.assert(
      fc.property(
        fc.array(fc.tuple(where, fc.nat(255)), { maxLength: 5 }),
        fc.nat(b!.length),
        fc.boolean(),
        (flips, length, isCut) => {
          const bytes = Buffer.from(isCut ? b!.subarray(0, length) : b!);
          for (const [at, value] of flips) if (at < bytes.length) bytes[at] = value;
          try {
            withDump([files.write(a!), files.write(bytes)], pagesOf);
          } catch (error) {
            expect(error).toBeInstanceOf(SmeltError);
          }
        },
      ),
      { numRuns: 200 },
    );
  });
});
