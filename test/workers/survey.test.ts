/** The census as part of a dump and of `smelt sme`, --exclude-shared, and what is refused as ciphertext. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { SmeltError } from '../../src/errors.ts';
import { CensusWalker } from '../../src/sme/census/plan.ts';
import { whyNothingShared } from '../../src/workers/census.ts';
import type { DumpObserver, SmeReport, SmeRequest } from '../../src/workers/report.ts';
import { survey } from '../../src/workers/survey.ts';
import { PagesHeader } from '../../src/write/pages-file.ts';
import { encipher } from '../build/cipher.ts';
import { parseKdump } from '../program/parse-kdump.ts';
import { checkPages } from './check-dump.ts';
import { buildEveryKind, KINDS_PFN } from './every-kind.ts';
import { failureOf, runDump, scratch } from './run-dump.ts';

const dir = scratch();
const MASK = 1n << 51n;

/** Page frames of everyKind: page cache and free memory, whole leaves of the direct map and single pages. */
const SHARED = [
  { pfn: 5120, count: 512 },
  { pfn: KINDS_PFN + 3, count: 1 },
  { pfn: KINDS_PFN + 1100, count: 7 },
  { pfn: 12_345, count: 2 },
];
const sharedPfns = SHARED.flatMap(({ pfn, count }) => Array.from({ length: count }, (_, i) => pfn + i));

const input = join(dir, 'core');
const core = buildEveryKind({ path: input, smeMask: MASK, shared: SHARED });
const totalPages = 16_384;

async function runSurvey(
  asked: Partial<SmeRequest> = {},
  observes: Partial<DumpObserver> = {},
  signal = new AbortController().signal,
): Promise<{ report: SmeReport; warnings: string[] }> {
  const warnings: string[] = [];
  const request: SmeRequest = {
    input,
    threads: 0,
    mmap: undefined,
    smeMask: undefined,
    vmcoreinfoFile: undefined,
    pagesFile: undefined,
    overwrite: false,
    ...asked,
  };
  const observer = {
    onInput: () => {},
    onProgress: () => {},
    onWarning: (text: string) => void warnings.push(text),
    ...observes,
  };
  return { report: await survey(request, observer, signal), warnings };
}

/** The numbers of the set bits. */
function bitsOf(bitmap: Uint8Array): number[] {
  return [...bitmap].flatMap((byte, i) =>
    Array.from({ length: 8 }, (_, bit) => (byte & (1 << bit) ? [i * 8 + bit] : [])).flat(),
  );
}

describe('the census', () => {
  test('names the shared page frames, their ranges and their classes', async () => {
    const { report, warnings } = await runSurvey();
    const { census, verdict, input: about } = report;
    expect(warnings).toEqual([]);
    expect(verdict.outcome).toBe('readable');
    expect(about).toMatchObject({ smeMaskBit: 51, smeMaskFrom: 'vmcoreinfo' });
    expect(census).toMatchObject({ meaning: 'encrypted', bit: 51 });
    expect(census!.pages).toMatchObject({ memory: totalPages, shared: sharedPfns.length, both: 0 });
    expect(census!.pages.encrypted + census!.pages.shared + census!.pages.unmapped).toBe(totalPages);
    expect(census!.shared).toEqual([{ use: undefined, pages: sharedPfns.length }]);
    expect(census!.sharedRanges.map(({ pfn, count }) => ({ pfn, count }))).toEqual(SHARED);
    // One of a free block of 2^10 pages, and seven of a huge page of a process.
    expect(census!.sharedRanges[1]!.classes).toEqual({ free: 1 });
    expect(census!.sharedRanges[2]!.classes).toEqual({ user: 7 });
    expect(census!.sharedRanges[3]!.classes).toEqual({ kernel: 2 });
  });

  test.each([1, 2, 3])('is the same with %i threads', async (threads) => {
    const alone = (await runSurvey()).report.census;
    expect((await runSurvey({ threads })).report.census).toEqual(alone);
  });

  test('writes two bitmaps for other tools', async () => {
    const pagesFile = join(dir, 'pages');
    const { report } = await runSurvey({ pagesFile });
    expect(report.pagesFile).toBe(pagesFile);
    const file = readFileSync(pagesFile);
    const header = PagesHeader.read(file);
    expect(header).toMatchObject({
      signature: 'SMELTPGS',
      version: 1,
      page_size: 4096,
      max_mapnr: 16_384n,
      mask: MASK,
    });
    const bitmap = (at: bigint) => file.subarray(Number(at), Number(at + header.bitmap_size));
    expect(bitsOf(bitmap(header.shared_offset))).toEqual(sharedPfns);
    const encrypted = bitsOf(bitmap(header.encrypted_offset));
    expect(encrypted).toHaveLength(report.census!.pages.encrypted);
    expect(encrypted.filter((pfn) => sharedPfns.includes(pfn))).toEqual([]);
    expect(file.length).toBe(Number(header.shared_offset + header.bitmap_size));
    await expect(runSurvey({ pagesFile })).rejects.toMatchObject({ code: 'TARGET' });
    await expect(runSurvey({ pagesFile: input })).rejects.toMatchObject({ code: 'TARGET' });
  });

  test('is not begun where its bitmaps cannot be kept', async () => {
    const walk = vi.spyOn(CensusWalker.prototype, 'walk');
    const pagesFile = join(dir, 'there-already');
    writeFileSync(pagesFile, 'somebody else’s');
    await expect(runSurvey({ pagesFile })).rejects.toMatchObject({ code: 'TARGET' });
    expect(walk).not.toHaveBeenCalled();
    walk.mockRestore();
    expect(readFileSync(pagesFile, 'utf8')).toBe('somebody else’s');
    expect(existsSync(`${pagesFile}.incomplete`)).toBe(false);
  });

  test('that is interrupted leaves no file', async () => {
    const controller = new AbortController();
    const pagesFile = join(dir, 'interrupted');
    const onProgress = () => controller.abort(new SmeltError('INTERRUPTED', 'interrupted by a test'));
    await expect(runSurvey({ pagesFile }, { onProgress }, controller.signal)).rejects.toMatchObject({
      code: 'INTERRUPTED',
    });
    expect(existsSync(pagesFile) || existsSync(`${pagesFile}.incomplete`)).toBe(false);
  });

  test('is told in short by every dump of a machine whose memory was encrypted, and by no other', async () => {
    const { report, warnings } = await runDump({ input, output: join(dir, 'short'), dumpLevel: 31 });
    expect(warnings).toEqual([]);
    expect(report.census?.pages.shared).toBe(sharedPfns.length);
    expect(report.census?.sharedRanges).toEqual([]);
    const plain = join(dir, 'plain');
    buildEveryKind({ path: plain });
    const other = await runDump({ input: plain, output: join(dir, 'plain.out'), dumpLevel: 31 });
    expect(other.report.census).toBeUndefined();
  });
});

describe('a census that fails', () => {
  afterEach(() => void vi.restoreAllMocks());

  test('takes nothing from the dump', async () => {
    vi.spyOn(CensusWalker.prototype, 'walk').mockImplementation(() => {
      throw new RangeError('no more memory for a bitmap');
    });
    const output = join(dir, 'failed-census.out');
    const { report, warnings } = await runDump({ input, output, dumpLevel: 31 });
    expect(warnings).toEqual([
      expect.stringMatching(/^which pages were encrypted is not told: .*no more memory for a bitmap/),
    ]);
    expect(report.census).toBeUndefined();
    checkPages(parseKdump(output), core, core.expected.kept(31));
    await expect(runSurvey()).rejects.toThrow('no more memory');
  });
});

describe('--exclude-shared', () => {
  const levels = Array.from({ length: 32 }, (_, level) => level);
  test.each(levels)('leaves out what was shared, and nothing else, at level %i', async (dumpLevel) => {
    const output = join(dir, `out.${dumpLevel}`);
    const { report, warnings } = await runDump({ input, output, dumpLevel, excludeShared: true });
    expect(warnings).toEqual([]);
    const kept = core.expected.kept(dumpLevel).slice();
    let shared = 0;
    for (const pfn of sharedPfns) {
      if ((kept[pfn >>> 3]! & (1 << (pfn & 7))) === 0) continue;
      kept[pfn >>> 3]! &= ~(1 << (pfn & 7));
      shared++;
    }
    expect(shared).toBeGreaterThan(500);
    expect(report.classes.shared).toBe(shared);
    const { kept: _kept, ...counts } = core.expected.counts(dumpLevel);
    const { cache, cachePrivate, user, free, hwpoison, offline } = counts;
    expect(report.classes).toMatchObject({
      cache,
      cachePrivate,
      user,
      free,
      hwpoison,
      offline,
      undecided: 0,
    });
    expect(Object.values(report.classes).reduce((sum, pages) => sum + pages)).toBe(report.totalPages);
    checkPages(parseKdump(output), core, kept);
  });

  test.each([1, 31])('is estimated by a dry run at level %i as well', async (dumpLevel) => {
    const run = { input, dumpLevel, excludeShared: true };
    const real = (await runDump({ ...run, output: join(dir, `real.${dumpLevel}`) })).report;
    const dry = (await runDump({ ...run, output: undefined, dryRun: true })).report;
    expect(dry.keptPages).toBe(real.keptPages);
    expect(dry.classes.shared).toBe(real.classes.shared);
  });

  test('takes nothing of what is left out into the sample of a dry run', async () => {
    const noise = { pfn: 10_752, count: 2048 };
    const noisy = join(dir, 'noisy');
    const pages = [{ ...noise, kind: 'kernel' as const, data: 'random' as const }];
    buildEveryKind({ path: noisy, pages, smeMask: MASK, shared: [noise] });
    const run = { input: noisy, dumpLevel: 31, codec: 'zstd' as const, excludeShared: true };
    const real = (await runDump({ ...run, output: `${noisy}.out` })).report;
    const dry = (await runDump({ ...run, output: undefined, dryRun: true })).report;
    expect(real.classes.shared).toBe(noise.count);
    expect(Math.abs(dry.dataBytes / real.dataBytes - 1)).toBeLessThan(0.3);
  });

  test('leaves nothing out by a census that is not whole', () => {
    const census = { meaning: 'encrypted', pages: { encrypted: 100, shared: 10 } };
    const why = (leftOut: number) => whyNothingShared({ census, report: { leftOut } } as never);
    expect(why(1)).toBe('some page frames had to be left out of the census');
    expect(why(0)).toBeUndefined();
  });

  test.each([false, true])('does not hide that no struct page is found; --strict %s', async (strict) => {
    const lost = join(dir, `lost.${strict}`);
    const overrides = { 'SYMBOL(mem_section)': 'ffffc90000000000' };
    buildEveryKind({ path: lost, smeMask: MASK, shared: SHARED, overrides });
    const run = { input: lost, output: `${lost}.out`, dumpLevel: 31, excludeShared: true, strict };
    if (strict) {
      expect(await failureOf(run)).toMatchObject({ code: 'UNDECIDABLE' });
      return;
    }
    const { report, warnings } = await runDump(run);
    expect(warnings).toEqual([expect.stringMatching(/^the memory map cannot be read \(no struct page/)]);
    expect(report.output.dumpLevel).toBe(1);
    expect(report.classes.shared).toBe(sharedPfns.length);
  });

  test('says so where there is nothing to leave out', async () => {
    const plain = join(dir, 'not-encrypted');
    const builtPlain = buildEveryKind({ path: plain });
    const output = join(dir, 'not-encrypted.out');
    const { report, warnings } = await runDump({ input: plain, output, dumpLevel: 31, excludeShared: true });
    expect(warnings).toEqual(['--exclude-shared leaves nothing out: no page table has an encryption bit']);
    expect(report.classes.shared).toBe(0);
    checkPages(parseKdump(output), builtPlain, builtPlain.expected.kept(31));
  });

  test('believes no mask by which most memory would be shared', async () => {
    const plain = join(dir, 'wrong-mask');
    const builtPlain = buildEveryKind({ path: plain });
    const output = join(dir, 'wrong-mask.out');
    const run = { input: plain, dumpLevel: 31, excludeShared: true, smeMask: MASK };
    const { report, warnings } = await runDump({ ...run, output });
    expect(warnings.join('\n')).toMatch(
      /--sme-mask says bit 51, but .* shows no encryption bit.*leave it out/,
    );
    expect(warnings.join('\n')).toMatch(/leaves nothing out: no page table has an encryption bit/);
    expect(report.classes.shared).toBe(0);
    expect(report.census?.technology).toBeUndefined();
    checkPages(parseKdump(output), builtPlain, builtPlain.expected.kept(31));
  });

  test('keeps the sums right where no struct page can be read', async () => {
    const broken = join(dir, 'no-memmap');
    // The tables and the kernel's name are there, but struct page is not described.
    buildEveryKind({ path: broken, smeMask: MASK, shared: SHARED, overrides: { 'SIZE(page)': undefined } });
    const { report } = await runDump({
      input: broken,
      output: join(dir, 'no-memmap.out'),
      dumpLevel: 31,
      excludeShared: true,
    });
    expect(report.classes.shared).toBe(sharedPfns.length);
    expect(Object.values(report.classes).every((pages) => pages >= 0)).toBe(true);
    expect(Object.values(report.classes).reduce((sum, pages) => sum + pages)).toBe(report.totalPages);
  });
});

describe('a machine with a huge page larger than a window, and struct pages that make no sense', () => {
  /** Of 64 MiB; and blocks whose order cannot be, of zeros or of text. */
  const HUGE = 16_384;
  const bad = (pfn: number, count: number, data?: 'text') => ({
    pfn,
    count,
    kind: 'buddy' as const,
    order: 0,
    raw: { private: 99n },
    claims: [],
    ...(data === undefined ? {} : { data }),
  });
  const pages = [
    { pfn: HUGE, kind: 'hugetlb' as const, order: 14, data: 'text' as const },
    bad(10_000, 40),
    bad(10_100, 5, 'text'),
    bad(10_200, 8),
  ];
  const shared = [
    { pfn: 10_198, count: 12 },
    { pfn: HUGE + 9_000, count: 7 },
  ];
  const huge = join(dir, 'huge');
  const ram = [{ start: 0, end: 160 * 2 ** 20 }];
  const built = buildEveryKind({ path: huge, pages, ram, smeMask: MASK, shared, directLeaf: '4k' });

  test.each([0, 1, 2, 4])('is counted the same with windows for %i threads', async (threads) => {
    const output = join(dir, `huge.${threads}`);
    const run = { input: huge, threads, dumpLevel: 31, excludeShared: true };
    const { report } = await runDump({ ...run, output });
    const { shared: sharedPages, user, undecided, kernel } = report.classes;
    // Eight of the twelve are bad ones; those of the huge page go with it.
    expect({ sharedPages, user, undecided }).toEqual({ sharedPages: 12, user: 2 ** 14, undecided: 5 });
    expect(kernel).toBeGreaterThan(0);
    expect(Object.values(report.classes).reduce((sum, some) => sum + some)).toBe(report.totalPages);
    const kept = built.expected.kept(31).slice();
    for (let pfn = 10_198; pfn < 10_210; pfn++) kept[pfn >>> 3]! &= ~(1 << (pfn & 7));
    checkPages(parseKdump(output), built, kept);

    const dry = await runDump({ ...run, output: undefined, dryRun: true });
    expect(dry.report.keptPages).toBe(report.keptPages);
    expect({ ...dry.report.classes, zero: 0, kernel: 0, undecided: 0 }).toEqual({
      ...report.classes,
      zero: 0,
      kernel: 0,
      undecided: 0,
    });
    expect(Object.values(dry.report.classes).every((some) => some >= 0)).toBe(true);
  });

  test('has its shared ranges told by what their pages are, wherever their block begins', async () => {
    const { census } = (await runSurvey({ input: huge })).report;
    expect(census?.sharedRangeCount).toBe(2);
    expect(census?.sharedRanges).toEqual([
      { ...shared[0], use: undefined, classes: { kernel: 4, undecided: 8 } },
      { ...shared[1], use: undefined, classes: { user: 7 } },
    ]);
  });
});

test('a shared range over a border of 1 GiB is told with what lies on both sides', async () => {
  const gib = 2 ** 18;
  const border = join(dir, 'border');
  buildEveryKind({
    path: border,
    ram: [
      { start: 0, end: 64 * 2 ** 20 },
      { start: 2 ** 30 - 2 ** 23, end: 2 ** 30 + 2 ** 23 },
    ],
    pages: [
      { pfn: gib - 1024, kind: 'buddy', order: 10 },
      { pfn: gib, kind: 'anon', count: 300 },
    ],
    smeMask: MASK,
    shared: [{ pfn: gib - 100, count: 350 }],
    directLeaf: '4k',
  });
  const { census } = (await runSurvey({ input: border })).report;
  expect(census?.sharedRanges).toEqual([
    { pfn: gib - 100, count: 350, use: undefined, classes: { free: 100, user: 250 } },
  ]);
});

describe('ciphertext', () => {
  test.each(['on-off', 'off-on', 'guest-from-host'] as const)(
    'of the kind %s is not written',
    async (situation) => {
      // Memory as a kernel has it: few pages of zeros are left of a dump that is full of text.
      const full = join(dir, `full.${situation}`);
      const pages = [{ pfn: 10_752, count: 4096, kind: 'cache' as const, data: 'text' as const }];
      buildEveryKind({
        path: full,
        pages,
        ...(situation === 'off-on' ? {} : { smeMask: MASK, shared: SHARED }),
      });
      const enciphered = join(dir, situation);
      await encipher({ from: full, to: enciphered, situation });
      const output = join(dir, `${situation}.out`);
      const error = await failureOf({ input: enciphered, output, dumpLevel: 31 });
      expect(error).toMatchObject({ code: 'CIPHERTEXT', exitCode: 1 });
      expect(error.message).toContain('ciphertext');
      expect(error.hint).toMatch(/worth nothing.*--allow-ciphertext/s);
      expect(existsSync(output) || existsSync(`${output}.incomplete`)).toBe(false);

      const { report, warnings } = await runDump({
        input: enciphered,
        output,
        dumpLevel: 31,
        allowCiphertext: true,
      });
      expect(report.verdict.outcome).toBe('ciphertext');
      expect(warnings.join()).toContain('the memory map cannot be read');
      expect(warnings.join()).toContain('the memory in it is ciphertext');
      expect(report.keptPages).toBe(totalPages);

      const surveyed = await runSurvey({ input: enciphered });
      expect(surveyed.report.verdict.outcome).toBe('ciphertext');
      expect(surveyed.report.census).toBeUndefined();
      expect(surveyed.report.noCensus).toEqual({ why: 'the memory is not readable', hint: undefined });
      expect(surveyed.warnings).toEqual([]);
    },
  );
});
