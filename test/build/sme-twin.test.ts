/** The SME twin: as the builder makes such dumps itself, and kept page for page as the dump that it was made of. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inflateSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { parseKdump } from '../program/parse-kdump.ts';
import { trimmed } from '../workers/check-dump.ts';
import { buildEveryKind, KINDS_PFN } from '../workers/every-kind.ts';
import { runDump, scratch } from '../workers/run-dump.ts';
import { PageCipher, SEED } from './cipher.ts';
import { forEachPage, openSource, type PfnRun } from './copy-dump.ts';
import { hasBit } from './expected.ts';
import { isZero } from './physical-pages.ts';
import { makeSmeTwin } from './sme-twin.ts';
import type { VmcoreOptions } from './vmcore-options.ts';

const dir = scratch();
const LEVELS = [0, 1, 2, 4, 8, 16, 31];
const ZEROS = Buffer.alloc(4096);
const sample = (name: string) => fileURLToPath(new URL(`../../samples/${name}`, import.meta.url));
const json = (name: string) => JSON.parse(readFileSync(sample(name), 'utf8'));

const framesIn = (runs: readonly PfnRun[]) =>
  new Set(runs.flatMap(({ pfn, count }) => Array.from({ length: count }, (_, i) => pfn + i)));

async function pagesOf(path: string): Promise<{ pages: Map<number, Buffer>; notes: Uint8Array }> {
  const source = await openSource(path);
  const pages = new Map<number, Buffer>();
  forEachPage(source, (pfn, page) => pages.set(pfn, isZero(page) ? ZEROS : Buffer.from(page)));
  source.close();
  return { pages, notes: source.file.notes };
}

/** Page frames whose pages are not the same in both. */
function differing(one: Map<number, Buffer>, other: Map<number, Buffer>): number[] {
  expect([...one.keys()]).toEqual([...other.keys()]);
  return [...one].filter(([pfn, page]) => !page.equals(other.get(pfn)!)).map(([pfn]) => pfn);
}

/** Both are dumped at each level: the same pages, the same classes but for pages of zeros that are noise in the twin. */
async function expectSameChoice(original: string, twin: string, shared: readonly PfnRun[], mask: bigint) {
  const { pages } = await pagesOf(original);
  const noiseOfZeros = [...framesIn(shared)].filter((pfn) => isZero(pages.get(pfn)!));
  for (const dumpLevel of LEVELS) {
    const [before, after] = [join(dir, 'before'), join(dir, 'after')];
    const one = await runDump({ input: original, output: before, dumpLevel, overwrite: true });
    const other = await runDump({ input: twin, output: after, dumpLevel, overwrite: true });
    const { bitmap2 } = parseKdump(before);
    expect(trimmed(parseKdump(after).bitmap2)).toEqual(trimmed(bitmap2));
    const moved = dumpLevel & 1 ? noiseOfZeros.filter((pfn) => hasBit(bitmap2, pfn)).length : 0;
    const { kernel, zero, ...classes } = one.report.classes;
    expect(other.report.classes).toEqual({ ...classes, kernel: kernel + moved, zero: zero - moved });
    expect(other.report.input).toMatchObject({ smeMask: `0x${mask.toString(16)}` });
  }
}

/** Free pages, pages of the kernel, and some zero pages among them. */
const SHARED: readonly PfnRun[] = [
  { pfn: KINDS_PFN, count: 512 },
  { pfn: KINDS_PFN + 2560, count: 2 },
  { pfn: 7001, count: 3 },
];

describe.each([
  { bit: 47n, levels: 4, kernel: '5.10', shared: [SHARED[0]] },
  { bit: 51n, levels: 4, kernel: '6.1', directLeaf: '4k', leaf: '4k', shared: SHARED },
  {
    bit: 47n,
    levels: 5,
    kernel: '6.12',
    directLeaf: '4k',
    kernelOffset: 0x1e000000n,
    physBase: -0x1e000000n,
    shared: SHARED,
  },
  { bit: 51n, levels: 5, kernel: '7.3', shared: [] },
] as const)(
  'the SME twin of a dump of Linux $kernel with $levels levels, bit $bit',
  ({ bit, shared, ...rest }) => {
    const ram = [{ start: 0, end: 48 * 2 ** 20 }];
    const options: Partial<VmcoreOptions> = { ...rest, ram, qemuNote: true };
    const mask = 1n << bit;
    const name = `${rest.kernel}-${bit}`;
    const [from, to, direct] = ['from', 'to', 'direct'].map((what) => join(dir, `${name}.${what}`));

    test('is what the builder makes of the same machine with that mask, and noise in shared pages', async () => {
      buildEveryKind({ ...options, path: from });
      buildEveryKind({ ...options, path: direct, smeMask: mask, shared });
      const twin = await makeSmeTwin({ from, to, mask, shared });
      expect(twin).toMatchObject({ shared, vmcoreinfoCopies: 2 });
      const [original, made, expected] = [await pagesOf(from), await pagesOf(to), await pagesOf(direct)];
      expect(Buffer.from(made.notes)).toEqual(Buffer.from(expected.notes));
      const frames = framesIn(shared);
      expect(differing(made.pages, expected.pages)).toEqual([...frames].sort((a, b) => a - b));
      const cipher = new PageCipher(SEED);
      for (const pfn of frames) {
        const page = Buffer.from(made.pages.get(pfn)!);
        cipher.encipher(pfn, page);
        expect(page.equals(original.pages.get(pfn)!)).toBe(true);
      }
    });

    test('keeps the same pages at every level', () => expectSameChoice(from, to, shared, mask));

    test('cannot be read with another mask', async () => {
      const other = 1n << (98n - bit);
      const { report, warnings } = await runDump({
        input: to,
        output: `${to}.other`,
        dumpLevel: 31,
        smeMask: other,
      });
      expect(report.classes).toMatchObject({ free: 0, user: 0, cache: 0 });
      expect(warnings).toContainEqual(expect.stringContaining('the memory map cannot be read'));
    });
  },
);

test('a part of a large leaf cannot be shared, nor a page table, and a twin has no twin', async () => {
  const from = join(dir, 'errors.from');
  const to = join(dir, 'errors.to');
  const built = buildEveryKind({ path: from });
  const twin = (shared: readonly PfnRun[], input = from, output = to) =>
    makeSmeTwin({ from: input, to: output, mask: 1n << 51n, shared });
  await expect(twin([{ pfn: KINDS_PFN, count: 511 }])).rejects.toThrow(/one leaf in the direct map/);
  const table = Math.floor(built.tables.pgdPaddr / 4096 / 512) * 512;
  await expect(twin([{ pfn: table, count: 512 }])).rejects.toThrow(/it is a page table/);
  await twin([]);
  await expect(twin([], to, `${to}.again`)).rejects.toThrow(/mask already/);
});

describe('the SME sample', () => {
  const input = sample('x86_64-6.1-sme.kdump');
  const { smeTwin } = json('x86_64-6.1-sme.json');

  test('is the twin of the other sample, to the byte', async () => {
    const [from, to] = [sample('x86_64-6.1-small.kdump'), join(dir, 'sample.twin')];
    const twin = await makeSmeTwin({ from, to, mask: 1n << 51n });
    const [original, copy, stored] = [await pagesOf(from), await pagesOf(to), await pagesOf(input)];
    expect(differing(copy.pages, stored.pages)).toEqual([]);
    expect(Buffer.from(stored.notes)).toEqual(Buffer.from(copy.notes));
    expect(smeTwin).toMatchObject(twin);
    // init_top_pgt, the real-mode trampoline's, and those of twelve processes; 2 MiB, and single pages.
    expect(twin.roots).toHaveLength(14);
    expect(twin.shared.map(({ count }) => count)).toEqual([512, 1, 1, 1, 1, 1, 1, 1, 1]);
    const changed = differing(original.pages, copy.pages);
    expect(changed).toHaveLength(twin.tables + framesIn(twin.shared).size + twin.vmcoreinfoCopies);
  });

  // What makedumpfile keeps of the other sample is what smelt keeps of it: test/peers/truth.py.
  test.each(LEVELS)('keeps at level %i what makedumpfile keeps of the other one', async (dumpLevel) => {
    const truth = json('x86_64-6.1-small.json').levels[dumpLevel];
    const output = join(dir, `sample.${dumpLevel}`);
    const { report } = await runDump({ input, output, dumpLevel, codec: 'lzo' });
    const kept = inflateSync(Buffer.from(truth.bitmap2ZlibBase64, 'base64'));
    expect(trimmed(parseKdump(output).bitmap2)).toEqual(trimmed(kept));
    const { zero, cache, cachePrivate, user, free } = truth.pages;
    // The free pages that are shared were zero; where they are dropped as free nobody counts them as zero.
    const noise = dumpLevel === 1 ? smeTwin.shared[0].count : 0;
    expect(report.classes).toMatchObject({
      zero: zero - noise,
      cache,
      cachePrivate,
      user,
      free,
      undecided: 0,
    });
  });
});
