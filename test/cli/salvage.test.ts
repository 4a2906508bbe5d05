/** `smelt salvage` and `smelt --reassemble`: their command lines, and what a person and a program are told. */
import { describe, expect, test } from 'vitest';
import { COMMANDS } from '../../src/cli/commands.ts';
import { commandHelp } from '../../src/cli/help.ts';
import { run } from '../../src/cli/main.ts';
import { parseReassemble } from '../../src/cli/reassemble-args.ts';
import { parseSalvage } from '../../src/cli/salvage-args.ts';
import { salvageText } from '../../src/cli/salvage-text.ts';
import { tokenise } from '../../src/cli/tokens.ts';
import { SmeltError } from '../../src/errors.ts';
import type { ReassembleReport, SalvageReport } from '../../src/workers/report.ts';
import { expectSmeltError } from '../read/temp-files.ts';
import { fakeHost, sampleInput } from './fake-host.ts';

const salvageOf = (line: string) => parseSalvage(tokenise(line.split(' ')));
const joinOf = (line: string) => parseReassemble(tokenise(line.split(' ')));

describe('the command line of smelt salvage', () => {
  test('has what is broken, and where what is whole goes', () => {
    expect(salvageOf('broken out')).toMatchObject({
      input: 'broken',
      moreParts: undefined,
      output: 'out',
      dryRun: false,
      codec: undefined,
      overwrite: false,
    });
    expect(salvageOf('-zf --num-threads 3 p1 p2 out')).toMatchObject({
      input: 'p1',
      moreParts: ['p2'],
      output: 'out',
      codec: 'zstd',
      overwrite: true,
      threads: 3,
    });
    expect(salvageOf('--dry-run broken')).toMatchObject({ input: 'broken', output: undefined, dryRun: true });
  });

  test.each([
    ['broken  out', 'the name of a file is empty'],
    ['broken', 'DUMPFILE, and that is missing'],
    ['a a out', 'a is named twice'],
    ['- out', 'not from a stream'],
    ['--dry-run --require-encrypted-target broken', 'needs DUMPFILE'],
    ['-d 31 broken out', '--dump-level is no option of smelt salvage'],
    ['--to elf broken out', '--to is no option of smelt salvage'],
    ['--compression-level 3 broken out', 'no compression is asked for'],
  ])('%j is refused', (line, why) => {
    expectSmeltError(() => salvageOf(line), 'USAGE', why);
  });

  test('is explained on a screen of 80 columns, with examples that work', () => {
    const help = commandHelp(COMMANDS.find(({ name }) => name === 'salvage')!);
    expect(help).toMatch(/^[ -~\n]{1,}$/);
    expect(Math.max(...help.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
    const examples = [...help.matchAll(/^ {2}smelt salvage (.*?) {2,}/gm)].map((match) => match[1]!);
    expect(examples.length).toBe(3);
    for (const example of examples) expect(salvageOf(example).input).not.toBe('');
  });
});

const report: SalvageReport = {
  input: sampleInput(),
  damage: ['it has no notes, or they are damaged'],
  lostBefore: 0,
  output: { path: 'out', sizeBytes: 12_345_678, incomplete: true, codec: undefined, codecMaker: undefined },
  claimedPages: 20_000,
  savedPages: 15_000,
  lostPages: 5000,
  lost: {
    neverWritten: 0,
    cutOff: 4900,
    badDescriptor: 0,
    notWhole: 100,
    overlapping: 0,
    unreadable: 0,
    noCodec: 0,
    otherPart: 0,
  },
  lostRanges: 12,
  firstLost: { pfn: 0x10, count: 1 },
  lastLost: { pfn: 0x5000, count: 0x100 },
  cpus: 2,
  log: { records: 379, lostRecords: 0 },
  noLog: undefined,
  targetProtection: undefined,
  threads: 2,
  phases: [{ phase: 'gather', pages: 20_000, ms: 200 }],
  totalMs: 700,
  peakRssBytes: 90 * 2 ** 20,
  warnings: [],
};

describe('smelt salvage', () => {
  test('tells what was saved and what was lost', async () => {
    const host = fakeHost({ salvage: async () => report });
    expect(await run(['salvage', 'broken', 'out'], host)).toBe(0);
    expect(`\n${host.stderr.text}`).toMatchInlineSnapshot(`
      "
      dump incomplete: out
        12.3 MB of 4.0 GiB of RAM, 0.7 s

        damage    it has no notes, or they are damaged
        saved     15,000 pages  58.6 MiB  75.0 % of what the dump had
        lost      5,000 pages  19.5 MiB
                  cut off: 4,900
                  do not unpack: 100
                  page frames 0x10 first, 0x5000 to 0x50ff last, in 12 runs
        notes     VMCOREINFO, registers of 2 CPUs
        log       whole, 379 records
        gather    20,000 pages in 0.2 s, 410 MB/s
        run       2 threads, at most 90.0 MiB of memory
      "
    `);
    expect(host.stdout.text).toBe('');
  });

  test('tells a program the same', async () => {
    const host = fakeHost({ salvage: async () => report });
    expect(await run(['salvage', 'broken', 'out', '--json', '--quiet'], host)).toBe(0);
    expect(host.stderr.text).toBe('');
    expect(JSON.parse(host.stdout.text)).toMatchObject({
      command: 'salvage',
      report: { savedPages: 15_000, lost: { cutOff: 4900, notWhole: 100 }, firstLost: { pfn: 16 } },
    });
  });

  test('fails where nothing was saved', async () => {
    const host = fakeHost({
      salvage: async () => {
        throw new SmeltError('TRUNCATED', 'broken: none of its 3 pages is there', { hint: 'Copy it again.' });
      },
    });
    expect(await run(['salvage', 'broken', 'out'], host)).toBe(1);
    expect(host.stderr.text).toBe('smelt: broken: none of its 3 pages is there\n       Copy it again.\n');
  });

  test.each([
    [
      {
        output: { ...report.output, incomplete: false },
        lostPages: 0,
        lost: { ...report.lost, cutOff: 0, notWhole: 0 },
        firstLost: undefined,
        lastLost: undefined,
      },
      /dump complete: out\n(.*\n)+ {2}lost {6}nothing\n/,
    ],
    [
      { output: { ...report.output, path: undefined } },
      /^dry run: nothing was written\n {2}it would be 12\.3 MB/,
    ],
    [{ lostRanges: 1, lastLost: report.firstLost }, /page frames 0x10\n/],
    [
      { cpus: 0, log: undefined, noLog: 'the kernel log cannot be found' },
      /no registers\n {2}log {7}the kernel log cannot be found\n/,
    ],
    [{ log: { records: 1, lostRecords: 4 } }, /1 record can be read, at least 4 are lost/],
    [
      { output: { ...report.output, codec: 'zstd', codecMaker: 'libzstd 1.5.4 (native)' } },
      /codec {5}zstd, libzstd 1\.5\.4 \(native\)/,
    ],
    [{ damage: ['evil \x1b[2J'] }, /evil \\x1b\[2J/],
  ] as const)('has words for it (%#)', (change, words) => {
    const lines = salvageText({ ...report, ...change } as SalvageReport);
    expect(lines.join('\n')).toMatch(words);
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(80);
  });
});

describe('the command line of smelt --reassemble', () => {
  test('has the parts, and the file that they become', () => {
    expect(joinOf('--reassemble p1 p2 p3 out')).toMatchObject({
      input: 'p1',
      moreParts: ['p2', 'p3'],
      output: 'out',
      overwrite: false,
    });
    expect(joinOf('p1 p2 out --reassemble -f --message-level 7')).toMatchObject({ overwrite: true });
    expect(joinOf('--reassemble -L 1G --work-dir /tmp -b 4 p1 p2 out').unheeded).toEqual([]);
    expect(joinOf('--reassemble -c -d 31 p1 p2 out').unheeded).toEqual([
      '-d changes nothing: --reassemble writes every page as it is',
      '-c changes nothing: --reassemble writes every page as it is',
    ]);
  });

  test.each([
    ['--reassemble', 'no files are given'],
    ['--reassemble p1', 'one file is given'],
    ['--reassemble p1 p1 out', 'p1 is named twice'],
    ['--reassemble - out', 'no streams'],
    ['--reassemble -E p1 p2 out', '-E means nothing with --reassemble'],
    ['--reassemble --config rules p1 p2 out', '--config means nothing with --reassemble'],
    ['--reassemble --split p1 p2 out', '--split means nothing with --reassemble'],
  ])('%j is refused', (line, why) => {
    const error = expectSmeltError(() => joinOf(line), 'USAGE', why);
    expect(error.hint).toBe('`smelt --reassemble PART1 PART2 … DUMPFILE`.');
  });

  test('tells what it wrote', async () => {
    const joined: ReassembleReport = {
      input: { ...sampleInput(), moreParts: ['p2'] },
      output: { path: 'out', sizeBytes: 1_000_000_000 },
      pages: 1_048_576,
      missingPages: 0,
      targetProtection: undefined,
      threads: 2,
      phases: [],
      totalMs: 2000,
      peakRssBytes: 1,
      warnings: [],
    };
    const host = fakeHost({ reassemble: async () => joined });
    expect(await run(['--reassemble', 'p1', 'p2', 'out'], host)).toBe(0);
    expect(host.stderr.text).toBe(
      'dump complete: out\n  1.0 GB out of 2 parts, 1,048,576 pages, 2.0 s, 500 MB/s\n',
    );
    const json = fakeHost({ reassemble: async () => ({ ...joined, missingPages: 3 }) });
    expect(await run(['--reassemble', 'p1', 'p2', 'out', '--json'], json)).toBe(0);
    expect(json.stderr.text).toContain('dump incomplete: out');
    expect(JSON.parse(json.stdout.text)).toMatchObject({
      command: 'reassemble',
      report: { missingPages: 3 },
    });
  });

  test('is checked and not run with --check-params', async () => {
    const host = fakeHost();
    expect(await run(['--reassemble', '--check-params', 'p1', 'p2', 'out'], host)).toBe(0);
    const wrong = fakeHost();
    expect(await run(['--reassemble', '--check-params', 'p1'], wrong)).toBe(1);
  });
});
