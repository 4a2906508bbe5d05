import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { VmcoreOptions } from '../build/vmcore-options.ts';
import { parseKdump } from '../program/parse-kdump.ts';
import { checkLayout, checkPages, trimmed } from './check-dump.ts';
import { buildEveryKind } from './every-kind.ts';
import { failureOf, runDump, scratch } from './run-dump.ts';

const dir = scratch();

describe('everything but pages of zeros is dumped, with a warning, when', () => {
  const cases: Record<string, Partial<VmcoreOptions>> = {
    'there is no VMCOREINFO at all': { vmcoreinfo: 'none' },
    'VMCOREINFO does not say where the page tables are': {
      overrides: { 'SYMBOL(swapper_pg_dir)': undefined, 'SYMBOL(init_top_pgt)': undefined },
    },
    'the page tables are elsewhere': { overrides: { 'SYMBOL(init_top_pgt)': 'ffffffff81000000' } },
    'the page tables lie outside the memory': { overrides: { 'SYMBOL(init_top_pgt)': 'ffffffffb1000000' } },
    'VMCOREINFO has no mem_section': { overrides: { 'SYMBOL(mem_section)': undefined } },
    'mem_section is elsewhere': { overrides: { 'SYMBOL(mem_section)': 'ffff888000000000' } },
    'mem_section leads nowhere': { overrides: { 'SYMBOL(mem_section)': 'ffffc90000000000' } },
    'VMCOREINFO does not describe struct page': { overrides: { 'SIZE(page)': undefined } },
    'the size of struct page is nonsense': { overrides: { 'SIZE(page)': '0' } },
    'VMCOREINFO is of another kernel': { overrides: { OSRELEASE: '6.1.0-other' } },
  };
  test.each(Object.entries(cases))('%s; --strict refuses', async (name, options) => {
    const input = join(dir, name.replaceAll(/\W/g, '-'));
    const core = buildEveryKind({ path: input, ...options });
    const output = `${input}.out`;
    const asked = { input, output, dumpLevel: 31, codec: 'zstd' } as const;
    const error = await failureOf({ ...asked, strict: true });
    expect(error).toMatchObject({ code: 'UNDECIDABLE', exitCode: 1 });
    expect(error.message).toContain('the memory map cannot be read');
    expect(existsSync(output) || existsSync(`${output}.incomplete`)).toBe(false);

    const { report, warnings } = await runDump(asked);
    expect(warnings).toEqual([
      expect.stringMatching(
        /^the memory map cannot be read \(.+\): everything but pages of zeros is dumped$/,
      ),
    ]);
    expect(report.warnings).toEqual(warnings);
    const dump = parseKdump(output);
    const all = core.expected.ram;
    checkPages(dump, core, all);
    checkLayout(dump, 0x20);
    expect(trimmed(dump.bitmap1)).toEqual(trimmed(all));
    // What was not left out must not be claimed, or the dump could not be filtered later.
    expect(report.output.dumpLevel).toBe(1);
    expect(dump.file.readInt32LE(4096 + 8)).toBe(1);
    const { zero, undecided, ...rest } = report.classes;
    expect(zero).toBeGreaterThan(1000);
    expect(undecided).toBe(16384 - zero);
    expect(Object.values(rest).every((n) => n === 0)).toBe(true);
  });
});

describe('the count of free pages', () => {
  const free = { pfn: 8192, kind: 'buddy', order: 10, count: 2 } as const; // 2048 pages
  const build = (name: string, freePages?: number[]) =>
    buildEveryKind({ path: join(dir, name), pages: [free], freePages: freePages ?? [0, 2048] }).path;

  test.each([
    { name: 'is the kernel’s', counted: 2048, warns: false },
    { name: 'is 1 % below', counted: 2068, warns: false },
    { name: 'is 1 % above', counted: 2028, warns: false },
    { name: 'is more than 1 % below', counted: 2070, warns: true },
    { name: 'is more than 1 % above', counted: 2027, warns: true },
    { name: 'is far from the kernel’s', counted: 12345678, warns: true },
    { name: 'is not 0 where the kernel’s is', counted: 0, warns: true },
  ])('$name: warns $warns', async ({ counted, warns }) => {
    const input = build(`free-${counted}`, [0, counted]);
    const ask = (dumpLevel: number) => runDump({ input, output: `${input}.${dumpLevel}`, dumpLevel });
    const { report, warnings } = await ask(31);
    expect(report.kernelFreePages).toBe(counted);
    expect(report.classes.free).toBe(2048);
    const sentence = `2,048 free pages were found and the kernel counted ${counted.toLocaleString('en-US')}:`;
    expect(warnings).toEqual(warns ? [expect.stringContaining(sentence)] : []);
    // Where free pages are kept nobody looks for them.
    expect((await ask(15)).warnings).toEqual([]);
    // They are gone from a dump of this dump, and nothing can be said.
    const again = await runDump({ input: `${input}.31`, output: `${input}.again` });
    expect(again.warnings).toEqual([]);
  });
});

describe('a kernel', () => {
  test('older than 4.19 is refused, but for levels 0 and 1', async () => {
    const input = join(dir, 'old');
    const core = buildEveryKind({ path: input, kernel: '4.14', pages: [] });
    expect(await failureOf({ input, output: `${input}.out`, dumpLevel: 31 })).toMatchObject({
      code: 'UNSUPPORTED',
    });
    const output = `${input}.1`;
    await runDump({ input, output, dumpLevel: 1 });
    checkPages(parseKdump(output), core, core.expected.kept(1));
  });

  test('newer than 7.3 is filtered with a warning', async () => {
    const input = join(dir, 'new');
    const core = buildEveryKind({ path: input, kernel: '7.3', release: '7.4.0-smelt' });
    const { warnings } = await runDump({ input, output: `${input}.out`, dumpLevel: 31 });
    expect(warnings).toEqual([expect.stringContaining('Linux 7.4.0-smelt is newer than any')]);
    checkPages(parseKdump(`${input}.out`), core, core.expected.kept(31));
  });
});
