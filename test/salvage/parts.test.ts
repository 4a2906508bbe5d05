/** Split dumps, with parts missing or all of them: salvaged and joined. */
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { KdumpSubHeader } from '../../src/read/kdump-layout.ts';
import { buildKdump, type KdumpOptions } from '../build/kdump.ts';
import { buildParts } from '../build/split.ts';
import { INCOMPLETE, parseKdump } from '../program/parse-kdump.ts';
import { runDump } from '../workers/run-dump.ts';
import {
  at,
  compareWith,
  END_PFN,
  isZero,
  PAGES,
  runReassemble,
  runSalvage,
  salvageOrWhy,
  VMCOREINFO,
} from './broken-dumps.ts';

describe('a split dump', () => {
  const options: KdumpOptions = {
    path: at('part'),
    codec: 'zlib',
    pages: PAGES,
    ram: [{ start: 4, end: END_PFN + 50 }],
    vmcoreinfo: VMCOREINFO,
    maxMapnr: END_PFN + 50,
  };
  const within = (from: number, end: number) =>
    [...PAGES.keys()].filter((pfn) => pfn >= from && pfn < end).length;

  it('with parts missing gives the pages of those that are there', async () => {
    const [one, , three] = buildParts(options, [400, 900]);
    const report = await runSalvage({ input: three!, moreParts: [one!], output: at('some') });
    const there = within(0, 400) + within(900, 5000);
    expect(compareWith(at('some'), PAGES)).toEqual({ wrong: [], right: there });
    expect(report.lost).toMatchObject({ otherPart: PAGES.size - there });
    expect(report.damage.join()).toContain('400 to 899 are in parts that were not given');
    expect(parseKdump(at('some')).split).toBe(0);
  });

  it('gives the pages of one part whose data begins where it would in the whole dump', async () => {
    buildKdump({ ...options, path: at('whole') });
    const parts = [at('laid.1'), at('laid.2'), at('laid.3')] as const;
    const [output, ...moreOutputs] = parts;
    await runDump({ input: at('whole'), output, moreOutputs, overwrite: true, codec: 'zlib', dumpLevel: 0 });
    for (const part of parts) {
      const { start_pfn_64: from, end_pfn_64: end } = KdumpSubHeader.read(readFileSync(part), 4096);
      const there = within(Number(from), Number(end));
      const report = await runSalvage({ input: part, output: at('some') });
      expect(report).toMatchObject({ savedPages: there, lost: { otherPart: PAGES.size - there } });
      expect(compareWith(at('some'), PAGES)).toEqual({ wrong: [], right: there });
    }
  });

  it('with a part that has no pages is whole', async () => {
    const [one, two, three] = buildParts({ ...options, header: { tv_sec: 1n } }, [END_PFN, END_PFN + 20]);
    const report = await runSalvage({ input: two!, moreParts: [three!, one!], output: at('some') });
    expect(report).toMatchObject({ savedPages: PAGES.size, lostPages: 0, damage: [] });
    expect(compareWith(at('some'), PAGES)).toEqual({ wrong: [], right: PAGES.size });
    const alone = await salvageOrWhy({ input: two!, output: at('none') });
    expect(alone).toMatchObject({ code: 'CORRUPT', message: expect.stringContaining('is there and whole') });
  });

  it('of which one part is cut gives the rest', async () => {
    const [one, two] = buildParts(options, [650]);
    const whole = readFileSync(two!);
    writeFileSync(two!, whole.subarray(0, whole.length - 50_000));
    const report = await runSalvage({ input: one!, moreParts: [two!], output: at('most') });
    const { wrong, right } = compareWith(at('most'), PAGES);
    expect(wrong).toEqual([]);
    expect(right).toBeGreaterThan(within(0, 650));
    expect(report.lost.cutOff).toBe(PAGES.size - right);
  });

  it('of parts that do not belong together is refused', async () => {
    const [one] = buildParts(options, [650]);
    const pages = new Map([...PAGES].slice(3));
    const [, other] = buildParts({ ...options, path: at('other'), pages }, [650]);
    const error = await salvageOrWhy({ input: one!, moreParts: [other!], output: at('none') });
    expect(error).toMatchObject({ code: 'PARTS' });
    expect(await salvageOrWhy({ input: one!, moreParts: [one!], output: at('none') })).toMatchObject({
      code: 'PARTS',
    });
  });

  /** Parts of two dumps of a machine, with the same bitmap: what their headers say, and what becomes of the second part's. */
  const twoDumps = (
    first: Partial<KdumpOptions>,
    second: Partial<KdumpOptions>,
    damage: (part: Buffer) => void,
  ): [string, string] => {
    const [one] = buildParts({ ...options, ...first }, [650]);
    const [, two] = buildParts({ ...options, path: at('other'), ...second }, [650]);
    const bytes = readFileSync(two!);
    damage(bytes);
    writeFileSync(two!, bytes);
    return [one!, two!];
  };
  const of = (sec: number, crash = sec): Partial<KdumpOptions> => ({
    header: { tv_sec: BigInt(sec) },
    vmcoreinfo: `${VMCOREINFO}CRASHTIME=${crash}\n`,
  });
  const inSubHeader = (part: Buffer) => part.fill(0, 4096, 4096 + 8).writeInt32LE(99, 4096 + 8);
  const inSizes = (part: Buffer) => part.writeInt32LE(77, 432);
  const inMainHeader = (part: Buffer) => part.fill(0, 0, 4096);
  const withoutNotes = (part: Buffer) => part.fill(0, 4096 + 104, 8192);

  it.each([
    ['the time, where the sub header is damaged', of(1, 5), of(2, 5), inSubHeader],
    ['the time, where the notes are gone', of(1, 5), of(2, 5), withoutNotes],
    ['the notes, where the main header is gone', of(5, 1), of(5, 2), inMainHeader],
    ['the kernel, where the sizes are damaged', of(1), { ...of(1), release: '5.10.0' }, inSizes],
  ])('of two dumps that differ in %s, is refused', async (_, first, second, damage) => {
    const [one, two] = twoDumps(first, second, damage);
    const asked = { input: one, moreParts: [two], output: at('none') };
    expect(await salvageOrWhy(asked)).toMatchObject({
      code: 'PARTS',
      message: expect.stringMatching(/is of another dump .*, or damaged: the .* differ/),
    });
  });

  it.each([
    ['the time', of(1), withoutNotes, false],
    ['the notes', of(1), inMainHeader, false],
    ['nothing', of(1), (part: Buffer) => part.fill(0, 0, 4096).fill(0, 4096 + 104, 8192), true],
  ] as const)('whose header is damaged is known by %s', async (_, head, damage, isUnknown) => {
    const [one, two] = twoDumps(head, head, damage);
    const report = await runSalvage({ input: one, moreParts: [two], output: at('known') });
    expect(compareWith(at('known'), PAGES)).toEqual({ wrong: [], right: PAGES.size });
    expect(report.damage.some((what) => what.includes('is of the same dump'))).toBe(isUnknown);
  });

  it('is not known to be of one dump by a time that nobody wrote', async () => {
    const [one, two] = twoDumps({ header: { tv_sec: 0n } }, { header: { tv_sec: 0n } }, () => {});
    const report = await runSalvage({ input: one, moreParts: [two], output: at('known') });
    expect(report.damage.join()).toContain('is of the same dump');
    const [, timed] = twoDumps({ header: { tv_sec: 0n } }, { header: { tv_sec: 7n } }, () => {});
    expect(await salvageOrWhy({ input: one, moreParts: [timed], output: at('none') })).toMatchObject({
      code: 'PARTS',
    });
  });

  it('that is whole is joined by --reassemble, in any order, to the same pages', async () => {
    const [one, two, three] = buildParts({ ...options, eraseinfo: 'erase x 8\n' }, [400, 900]);
    const report = await runReassemble(three!, [one!, two!], at('joined'));
    expect(report).toMatchObject({ pages: PAGES.size, missingPages: 0 });
    expect(compareWith(at('joined'), PAGES)).toEqual({ wrong: [], right: PAGES.size });
    const dump = parseKdump(at('joined'));
    expect(dump).toMatchObject({ split: 0, eraseinfo: 'erase x 8\n', vmcoreinfo: VMCOREINFO });
    expect(dump.status).toBe(1);
    // One page of zeros for all parts.
    const zeros = [...dump.descriptors.values()].filter(({ pfn }) => isZero(PAGES.get(pfn)!));
    expect(new Set(zeros.map(({ offset }) => offset)).size).toBe(1);
    await expect(runReassemble(three!, [one!], at('x'))).rejects.toMatchObject({ code: 'PARTS' });
    await expect(runReassemble(at('joined'), [], at('x'))).rejects.toMatchObject({
      code: 'PARTS',
      message: expect.stringContaining('is a whole dump'),
    });
  });

  it('with a part that says it is incomplete stays so when it is joined', async () => {
    const some = [...PAGES.keys()].slice(0, 20);
    const [one, two] = buildParts({ ...options, incomplete: some }, [650]);
    const report = await runReassemble(one!, [two!], at('joined'));
    expect(report.missingPages).toBe(20);
    expect(report.warnings.join()).toContain('20 pages could not be read');
    expect(parseKdump(at('joined')).status & INCOMPLETE).toBe(INCOMPLETE);
  });
});
