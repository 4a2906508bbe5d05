/** What scripts call makedumpfile for, beside a dump: --check-params, --mem-usage, --vtop, --show-stats. */
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { JsonReport } from '../../src/cli/json.ts';
import { buildVmcore } from '../build/vmcore.ts';
import { buildEveryKind } from '../workers/every-kind.ts';
import { checkFailure, failureOf, namesIn, reportOf, run, SMELT, scratch, smelt } from './smelt.ts';

const dir = scratch();
const core = join(dir, 'core');
const encrypted = join(dir, 'encrypted');
const out = join(dir, 'out');

beforeAll(() => {
  mkdirSync(out);
  buildEveryKind({ path: core });
  buildVmcore({ path: encrypted, smeMask: 1n << 51n });
});

describe('--check-params', () => {
  test.each([
    '-l --message-level 7 -d 31 vmcore dumpfile',
    '-c -d 31 -f --num-threads=4 --non-cyclic --cyclic-buffer 1024 -b 4 vmcore dumpfile',
    '-F -l --message-level 7 -d 31 vmcore',
    '--split -d 31 vmcore one two',
    '-F -d 31,1 vmcore',
    '--message-lev 0 --dry-ru --num 2 vmcore dumpfile',
    '-F --dry-run -d 31, vmcore',
    '-d ,1,,31 vmcore dumpfile',
    '-E -d 31,1 -L 500M vmcore dumpfile',
    '--dump-dmesg vmcore dumpfile',
    '-F --message-level 8 --dump-dmesg vmcore',
    '-l -d 31 --dump-dmesg vmcore dumpfile',
    '-c --num-threads 2 -L 10M --dump-dmesg vmcore dumpfile',
    '--mem-usage vmcore',
    '-F -l -d 31 -L 1G --mem-usage vmcore',
    '-L 1G --num-threads 2 --reassemble one two dumpfile',
    '-L 1G -d 31 -R dumpfile',
    '--dry-run -d 31 vmcore',
    '--quiet vmcore dumpfile',
  ])('takes `%s`, says nothing, and looks at no file', (line) => {
    const result = run([
      'bash',
      '-c',
      `cd ${out} && exec "$0" "$@"`,
      process.execPath,
      SMELT,
      '--check-params',
      ...line.split(' '),
    ]);
    expect(result).toMatchObject({ status: 0, stdout: '', stderr: '' });
    expect(namesIn(out)).toEqual([]);
  });

  test.each([
    ['-l -d 32 vmcore dumpfile', 'a dump level is a number from 0 to 31'],
    ['-l --mesage-level 7 vmcore dumpfile', 'Did you mean --message-level?'],
    ['--dump vmcore dumpfile', '--dump may be --dump-dmesg or --dump-level Write enough of it to tell.'],
    ['--epp program vmcore dumpfile', '--eppic is an option of makedumpfile that smelt does not have'],
    ['-l vmcore', 'DUMPFILE is missing'],
    ['--quiet --split vmcore a', '--split writes two files or more, and one is named'],
    ['-F --split vmcore a b', '-F writes one stream'],
    ['-E -z vmcore a', '-E stores pages as they are'],
    ['--message-level 32 vmcore dumpfile', 'a whole number from 0 to 31'],
    ['--mem-usage --config rules vmcore', '--config means nothing with --mem-usage'],
    ['--mem-usage', 'VMCORE, and that is missing'],
    ['--dump-dmesg --mem-usage vmcore', '--mem-usage means nothing with --dump-dmesg'],
    ['bench --check-params vmcore', 'is no option of smelt bench'],
  ])('refuses `%s` in one sentence', (line, why) => {
    expect(checkFailure(smelt(...line.split(' '), '--check-params'))).toContain(why);
  });

  test('tells programs', () => {
    expect(JSON.parse(smelt('--json', '--check-params', 'a', 'b').stdout)).toEqual({
      smelt: 1,
      command: 'check-params',
      report: { understood: true },
    });
    expect(failureOf(smelt('--json', '--check-params', 'a')).error.code).toBe('USAGE');
  });
});

test('-v through a link of that name has a first line that scripts read as makedumpfile’s', () => {
  const link = join(dir, 'makedumpfile');
  symlinkSync(SMELT, link);
  const { status, stdout } = run([link, '-v']);
  expect(status).toBe(0);
  expect(stdout).toMatch(/^makedumpfile: version \d+\.\d+\.\d+ \(released on .+\)\nlzo\tenabled\n/);
  expect(stdout).toContain(`This is ${smelt('-v').stdout}`);
});

describe('--mem-usage', () => {
  test('shows makedumpfile’s table of what a dump at level 31 leaves out', () => {
    const { classes, totalPages } = reportOf(
      smelt('--json', '-d', '31', '-f', core, join(out, '..', 'dump')),
    );
    const { status, stdout, stderr } = smelt('--mem-usage', core);
    expect(status).toBe(0);
    expect(stderr).toMatch(/ELF, .*Linux 6\.1\.0-smelt/);
    const rows = Object.fromEntries(
      [...stdout.matchAll(/^([A-Z_]+)\t+(\d+) *\t(?:yes|no)\t/gm)].map(([, name, pages]) => [
        name,
        Number(pages),
      ]),
    );
    expect(rows).toEqual({
      ZERO: classes.zero,
      NON_PRI_CACHE: classes.cache,
      PRI_CACHE: classes.cachePrivate,
      USER: classes.user,
      FREE: classes.free,
      HWPOISON: classes.hwpoison,
      OFFLINE: classes.offline,
      KERN_DATA: classes.kernel,
    });
    const lines = stdout.split('\n');
    expect(lines[0]).toBe('TYPE\t\tPAGES\t\t\tEXCLUDABLE\tDESCRIPTION');
    expect(lines[1]).toBe('-'.repeat(70));
    expect(lines).toContain(`ZERO\t\t${String(classes.zero).padEnd(16)}\tyes\t\tPages filled with zero`);
    expect(lines.slice(-4, -1)).toEqual([
      'page size:\t\t4096',
      `Total pages on system:\t${totalPages}`,
      `Total size on system:\t${totalPages * 4096} Byte`,
    ]);
  });

  test('takes all parts of a split dump, and says so of one', () => {
    const parts = ['p1', 'p2', 'p3'].map((name) => join(dir, name));
    expect(smelt('--quiet', '-z', '--split', core, ...parts).status).toBe(0);
    const table = (...paths: string[]) => smelt('--quiet', '--mem-usage', ...paths);
    const whole = join(dir, 'whole');
    expect(smelt('--quiet', '-z', core, whole).status).toBe(0);
    expect(table(...parts)).toEqual(table(whole));
    expect(checkFailure(table(parts[1]!))).toMatch(
      /Give all parts of the dump, in any order, where this one was/,
    );
  });

  test('tells programs the same', () => {
    const { stdout } = smelt('--json', '--quiet', '--mem-usage', core);
    const { command, report } = JSON.parse(stdout) as JsonReport<'mem-usage'>;
    expect(command).toBe('mem-usage');
    const sum = Object.values(report.classes).reduce((all, pages) => all + pages, 0);
    expect(sum).toBe(report.totalPages);
  });

  test.each([
    ['a file that is not there', 'none', 'no such file'],
    ['no dump', 'text', 'is not a dump'],
  ])('fails in one sentence for %s', (_, name, why) => {
    writeFileSync(join(dir, 'text'), 'text');
    expect(checkFailure(smelt('--mem-usage', join(dir, name)))).toContain(why);
  });
});

describe('--vtop', () => {
  test('shows the walk on standard error, at any message level, and goes on', () => {
    const text = reportOf(
      smelt('--json', '-f', '--quiet', '--vtop', '0xffffffff81000000', encrypted, join(dir, 'dump')),
    );
    expect(text.keptPages).toBeGreaterThan(0);
    const { paddr, steps } = text.vtop as unknown as {
      paddr: number;
      steps: { encrypted: boolean; rawEntry: string }[];
    };
    expect(steps.at(-1)?.encrypted).toBe(true);
    const { status, stdout, stderr } = smelt(
      ...['-f', '--message-level', '0', '--vtop', '0xffffffff81000000', encrypted, join(dir, 'dump')],
    );
    expect({ status, stdout }).toEqual({ status: 0, stdout: '' });
    expect(stderr).toMatch(/^Translating virtual address ffffffff81000000 to physical address\.\n {2}PGD : /);
    expect(stderr).toMatch(new RegExp(`=> +${steps.at(-1)!.rawEntry.slice(2)} {2}PRESENT`));
    expect(stderr).toMatch(/^ {2}P.. : .*, encrypted$/m);
    expect(stderr).toMatch(
      new RegExp(`^VIRTUAL {11}PHYSICAL\nffffffff81000000 {2}${paddr.toString(16)} `, 'm'),
    );
  });

  test('says why where an address leads nowhere, and goes on', () => {
    const { status, stderr } = smelt('--dry-run', '--vtop', '0x1000', core);
    expect(status).toBe(0);
    expect(stderr).toContain('            1000  none: the PGD entry is not present\n');
    buildVmcore({ path: join(dir, 'none'), vmcoreinfo: 'none' });
    expect(smelt('--dry-run', '--vtop', '0x1000', join(dir, 'none')).stderr).toContain(
      'none: VMCOREINFO does not say where the page tables are',
    );
  });
});

test('--show-stats adds up as makedumpfile does', () => {
  const { stdout } = smelt('--quiet', '--show-stats', '-f', '-d', '31', core, join(dir, 'dump'));
  const pages = (name: string) => Number(new RegExp(`^ *${name} *: (0x[0-9a-f]{16})$`, 'm').exec(stdout)![1]);
  const kinds = ['Pages filled with zero', 'Non-private cache pages', 'Private cache pages'];
  const excluded = [...kinds, 'User process data pages', 'Free pages', 'Hwpoison pages', 'Offline pages'];
  // What else is asked for has standard output.
  const json = smelt('--json', '--show-stats', '-f', '-d', '31', core, join(dir, 'dump'));
  expect(reportOf(json).holePages).toBe(pages('Memory Hole'));
  expect(json.stderr).toContain('\nTotal pages     : 0x');
  const stream = smelt('--dry-run', '-F', '--show-stats', '-d', '31', core);
  expect(stream.stdout).toBe('');
  expect(stream.stderr).toContain('\nTotal pages     : 0x');
  expect(excluded.reduce((sum, name) => sum + pages(name), 0)).toBe(pages('Excluded pages'));
  expect(pages('Excluded pages') + pages('Remaining pages')).toBe(pages('Original pages'));
  expect(pages('Original pages') + pages('Memory Hole')).toBe(pages('Total pages'));
  // Source: what makedumpfile 1.7.2 prints, but for its cache.
  expect(stdout.replaceAll(/0x[0-9a-f]{16}|\d+/g, 'N')).toBe(`
Original pages  : N
  Excluded pages   : N
    Pages filled with zero  : N
    Non-private cache pages : N
    Private cache pages     : N
    User process data pages : N
    Free pages              : N
    Hwpoison pages          : N
    Offline pages           : N
  Remaining pages  : N
  (The number of pages is reduced to N%.)
Memory Hole     : N
--------------------------------------------------
Total pages     : N
Write bytes     : N

`);
});
