/** Split dumps, with parts missing or all of them: salvaged and joined. */
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { KdumpOptions } from '../build/kdump.ts';
import { buildParts } from '../build/split.ts';
import { INCOMPLETE, parseKdump } from '../program/parse-kdump.ts';
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
