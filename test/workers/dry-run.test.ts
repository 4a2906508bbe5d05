import { readdirSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { buildEveryKind, everyKind } from './every-kind.ts';
import { failureOf, runDump, scratch } from './run-dump.ts';

const dir = scratch();
const input = join(dir, 'core');
// A huge page that reaches over the borders of some windows, and enough pages that a sample is one.
buildEveryKind({
  path: input,
  ram: [{ start: 0, end: 192 * 2 ** 20 }],
  pages: [
    ...everyKind('6.1'),
    { pfn: 16_384, kind: 'hugetlb', order: 14, data: 'text' },
    { pfn: 36_864, kind: 'kernel', count: 6000, data: 'text' },
    { pfn: 43_000, kind: 'kernel', count: 3000, data: 'random' },
  ],
});

describe.each([0, 1, 8, 31])('a dry run at level %i', (dumpLevel) => {
  test('finds what a run finds, and is not far off in what it estimates', async () => {
    const asked = { input, dumpLevel, codec: 'zstd' as const };
    const before = readdirSync(dir);
    const { report: dry, warnings } = await runDump({ ...asked, output: undefined, dryRun: true });
    expect(readdirSync(dir)).toEqual(before);
    const { report: real } = await runDump({ ...asked, output: join(dir, `out-${dumpLevel}`) });
    expect(warnings).toEqual([]);
    expect(dry.output).toMatchObject({ path: undefined, estimated: true, dumpLevel });
    expect(real.output.estimated).toBe(false);
    expect(dry.keptPages).toBe(real.keptPages);
    const { kernel: _, zero: _zero, ...sure } = real.classes;
    expect(dry.classes).toMatchObject(sure);
    expect(dry.classes.kernel + dry.classes.zero).toBe(real.classes.kernel + real.classes.zero);
    expect(Math.abs(dry.output.sizeBytes / real.output.sizeBytes - 1)).toBeLessThan(0.25);
  });
});

test('a dry run of few pages looks at all of them', async () => {
  const small = join(dir, 'small');
  buildEveryKind({ path: small, kernel: '6.12' });
  const { report: dry } = await runDump({ input: small, output: undefined, dryRun: true, dumpLevel: 31 });
  const { report: real } = await runDump({ input: small, output: join(dir, 'small.out'), dumpLevel: 31 });
  expect(dry.classes.zero / real.classes.zero).toBeCloseTo(1, 1);
});

test('a dry run counts no page twice where nothing can be classified', async () => {
  const plain = join(dir, 'no-vmcoreinfo');
  buildEveryKind({ path: plain, vmcoreinfo: 'none' });
  const { report: dry } = await runDump({ input: plain, output: undefined, dryRun: true, dumpLevel: 31 });
  const { report: real } = await runDump({ input: plain, output: join(dir, 'plain.out'), dumpLevel: 31 });
  expect(dry.classes.kernel).toBe(real.classes.kernel);
  expect(dry.classes.undecided + dry.classes.zero).toBe(real.classes.undecided + real.classes.zero);
});

test('a dry run of a dump that was cut short says so as a run does', async () => {
  const whole = join(dir, 'whole');
  await runDump({ input, output: whole, dumpLevel: 0 });
  truncateSync(whole, Math.floor(statSync(whole).size / 2));
  const error = await failureOf({ input: whole, output: undefined, dryRun: true, dumpLevel: 31 });
  expect(error.code).toBe('TRUNCATED');
});
