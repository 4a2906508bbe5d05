/** `smelt info` on a screen: the most important first, 80 columns, 24 lines. */
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { COMMANDS } from '../../../src/cli/commands.ts';
import { commandHelp } from '../../../src/cli/help.ts';
import { infoText } from '../../../src/cli/look/info-text.ts';
import type { Screen } from '../../../src/cli/look/look.ts';
import { run } from '../../../src/cli/main.ts';
import type { CpuReport, InfoReport } from '../../../src/inspect/info/report.ts';
import * as looks from '../../../src/inspect/looks.ts';
import { fakeHost, sampleInput } from '../fake-host.ts';

const SAMPLE = join(import.meta.dirname, '../../../samples/x86_64-6.1-small.kdump');
const screen: Screen = { width: 80, isTerminal: false, coloured: false };
const entry = (timeUs: number, text: string) => ({
  timeUs,
  level: 'info' as const,
  facility: 'kern',
  caller: 'T1',
  text,
});
const cpu = (number: number, change: Partial<CpuReport> = {}): CpuReport => ({
  cpu: number,
  rip: 0xffffffff81000010n,
  rsp: 0xffffc90000000ff8n,
  userMode: false,
  place: 'default_idle+0xb',
  pid: 0,
  crashed: false,
  ...change,
});

const report: InfoReport = {
  input: sampleInput(),
  crash: {
    crashed: true,
    timeMs: Date.UTC(2026, 10, 20, 20, 56, 11),
    timeFrom: 'VMCOREINFO',
    uptimeMs: 12_034,
    uptimeFrom: 'timekeeper',
    message: 'Kernel panic - not syncing: Fatal exception',
    firstTrouble: entry(11_965_750, 'BUG: kernel NULL pointer dereference, address: 0000000000000008'),
    cpu: 2,
    pid: 77,
    comm: 'smith',
  },
  kernel: {
    release: '6.1.0',
    version: '#1 SMP',
    machine: 'x86_64',
    nodename: 'forge',
    hardware: 'Anvil 3000',
    commandLine: 'root=/dev/vda1',
    taint: 'WOE',
    kaslrOffset: 0x37800000n,
    physBase: 0,
    pageTableLevels: 4,
    symbols: 100_000,
    symbolsFrom: 'VMCOREINFO',
    btf: true,
  },
  cpus: [cpu(0), cpu(1), cpu(2, { crashed: true, place: 'machine_kexec+0x1ba', pid: 77 }), cpu(3)],
  memory: {
    pageSizeBytes: 4096,
    sizeBytes: 1 << 29,
    pages: 131_072,
    holes: 1,
    holeBytes: 1 << 20,
    firstPaddr: 0,
    endPaddr: (1 << 29) + (1 << 20),
  },
  encryption: undefined,
  file: {
    sizeBytes: 17_900_000,
    parts: 1,
    headerVersion: 6,
    codec: 'zstd',
    incomplete: false,
    storedPages: 22_490,
    leftOutPages: 108_582,
    cutPages: 0,
    missingPages: 0,
    damagedPages: 0,
    atLeast: false,
    dumpLevel: 31,
    eraseInfo: [],
  },
  log: {
    records: 60,
    lostRecords: 0,
    last: Array.from({ length: 50 }, (_, i) => entry(12e6 + i, `line ${i}`)),
  },
  missing: ['108,582 pages left out (level 31): page cache, private page cache, user data, free pages'],
  totalMs: 100,
  peakRssBytes: 1,
  warnings: [],
};

const trace = [
  entry(1_000_000, 'BUG: unable to handle page fault'),
  entry(1_000_001, 'Call Trace:'),
  entry(1_000_002, ' <TASK>'),
  entry(1_000_003, ' panic+0x118/0x2f4'),
  entry(1_000_004, ' ? _printk+0x68/0x83'),
  entry(1_000_005, ' sysrq_handle_crash+0x16/0x20'),
  ...Array.from({ length: 20 }, (_, i) => entry(2_000_000 + i, `R${i}: 0000000000000000`)),
];

describe('the log in `smelt info`', () => {
  const logOf = (crashed: boolean) => {
    const log = { records: trace.length, lostRecords: 0, last: trace };
    return infoText({ ...report, crash: { ...report.crash, crashed }, log }, screen).join('\n');
  };

  test('of a crash begins at its call trace, where that is not among the last lines anyway', () => {
    expect(logOf(true)).toMatch(/log +\[ +1\.000001\] Call Trace:\n.*panic\+0x118.*\n.*sysrq_handle_crash/);
    expect(logOf(true)).not.toMatch(/_printk|<TASK>/);
  });

  test('has the last lines of what did not crash', () => {
    expect(logOf(false)).not.toContain('Call Trace');
    expect(logOf(false)).toMatch(/R19: 0+$/);
  });
});

describe('the screen of smelt info', () => {
  test('says that all pages are there only where all were looked at', () => {
    const file = { ...report.file, storedPages: report.memory.pages, leftOutPages: 0 };
    const shown = (change: Partial<typeof file>) =>
      infoText({ ...report, file: { ...file, ...change } }, screen).join('\n');
    expect(shown({})).toContain('all pages are in it');
    expect(shown({ atLeast: true })).toMatch(/131,072 pages are in it, by its\s+bitmap/);
    expect(shown({ storedPages: 131_071, cutPages: 1 })).toContain('131,071 pages are in it\n');
    expect(shown({ incomplete: true })).toContain('131,072 pages are in it\n');
  });

  test('says what crashed, when and why, then what ran, then what is in the file', () => {
    const lines = infoText(report, screen);
    expect(lines.length).toBeLessThanOrEqual(23);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
    expect(`\n${lines.slice(1).join('\n')}\n`).toMatchInlineSnapshot(`
      "
          encrypted memory (bit 51)

        crashed   2026-11-20 20:56:11 UTC, 12.0 s after boot
        message   Kernel panic - not syncing: Fatal exception
        trouble   first [   11.965750] BUG: kernel NULL pointer dereference, address:
                  0000000000000008
        on        CPU 2, smith (PID 77), machine_kexec+0x1ba
        kernel    6.1.0 #1 SMP, tainted WOE
        machine   forge, x86_64, Anvil 3000
        booted    with root=/dev/vda1
        mapped    5-level paging, KASLR offset 0x37800000
        CPUs      4: 0-1+3 default_idle+0xb, 2 machine_kexec+0x1ba
        memory    512.0 MiB in 131,072 pages of 4.0 KiB, up to 513.0 MiB, 1 hole of
                  1.0 MiB
        file      17.9 MB, version 6, zstd, 22,490 pages are in it
        missing   108,582 pages left out (level 31): page cache, private page cache,
                  user data, free pages

        log       [   12.000046] line 46
                  [   12.000047] line 47
                  [   12.000048] line 48
                  [   12.000049] line 49
      "
    `);
  });

  test('says of a machine that ran on that it did', () => {
    const crash = {
      ...report.crash,
      crashed: false,
      message: undefined,
      firstTrouble: undefined,
      cpu: undefined,
    };
    const text = infoText({ ...report, crash }, screen).join('\n');
    expect(text).toContain('  running   2026-11-20 20:56:11 UTC, 12.0 s after boot: it had not crashed\n');
    expect(text).not.toContain('message');
  });

  test('says what is not known that it is not, and how long it ran at least', () => {
    const crash = {
      ...report.crash,
      crashed: undefined,
      timeMs: undefined,
      uptimeFrom: 'kernel log' as const,
    };
    expect(infoText({ ...report, crash }, screen).join('\n')).toContain(
      '  stopped   at least 12.0 s after boot; nothing says whether it crashed',
    );
    const long = { ...report.crash, uptimeMs: 86_400_000 * 400 + 3_600_000 * 5 };
    expect(infoText({ ...report, crash: long }, screen).join('\n')).toContain('400 days 5 h after boot');
  });

  test('names the places of many CPUs together', () => {
    const cpus = Array.from({ length: 512 }, (_, number) => cpu(number));
    cpus[7] = cpu(7, { userMode: true });
    cpus[9] = cpu(9, { place: undefined });
    expect(
      infoText({ ...report, cpus }, screen)
        .join('\n')
        .replaceAll(/\s+/g, ' '),
    ).toContain('CPUs 512: 0-6+8+10-511 default_idle+0xb, 7 in a program, 9 at 0xffffffff81000010');
    const apart = cpus.map((each, index) => ({ ...each, userMode: false, place: `function_${index}` }));
    expect(
      infoText({ ...report, cpus: apart }, screen)
        .join('\n')
        .replaceAll(/\s+/g, ' '),
    ).toContain('4 function_4, and 507 other places (--json)');
  });

  test('has no character of the dump that would steer a terminal', () => {
    const evil = '\x1b[2J\r\u202e';
    const nasty: InfoReport = {
      ...report,
      crash: { ...report.crash, message: evil, comm: evil, firstTrouble: entry(1, evil) },
      kernel: {
        ...report.kernel,
        version: evil,
        nodename: evil,
        hardware: evil,
        commandLine: evil,
        taint: evil,
      },
      cpus: [cpu(0, { place: evil })],
      log: { records: 1, lostRecords: 0, last: [entry(1, evil)] },
      missing: [evil],
    };
    expect(infoText(nasty, screen).join('\n')).not.toMatch(/(?!\n)[\p{Cc}\u202e]/u);
  });

  test('has colours only where they are wanted', () => {
    expect(infoText(report, { ...screen, coloured: true }).join('\n')).toContain(
      '\x1b[1;31m  crashed   \x1b[0m',
    );
    expect(infoText(report, screen).join('\n')).not.toContain('\x1b');
  });
});

describe('smelt info', () => {
  test('shows a dump, and gives programs all of it', async () => {
    const host = fakeHost({ looks });
    expect(await run(['info', SAMPLE], host)).toBe(0);
    expect(host.stdout.text).toMatch(/\n {2}running {3}2026-11-20 22:55:22 UTC, 8.4 s after boot/);
    const forProgram = fakeHost({ looks });
    expect(await run(['info', '--json', SAMPLE], forProgram)).toBe(0);
    const { smelt, command, report: told } = JSON.parse(forProgram.stdout.text);
    expect([smelt, command]).toEqual([1, 'info']);
    expect(Object.keys(told).sort()).toEqual(Object.keys(report).sort());
    for (const part of ['crash', 'kernel', 'memory', 'file'] as const)
      expect(Object.keys(told[part]).sort()).toEqual(Object.keys(report[part]).sort());
    expect(told.kernel.kaslrOffset).toBe('0x30000000');
  });

  test('is explained on a screen of 80 columns', () => {
    const lines = commandHelp(COMMANDS.find(({ name }) => name === 'info')!).split('\n');
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
    expect(lines.length).toBeLessThanOrEqual(25);
  });

  test('says what is wrong with what is no dump', async () => {
    const host = fakeHost({ looks });
    expect(await run(['info', import.meta.filename], host)).toBe(1);
    expect(host.stderr.text).toMatch(/^smelt: .*info.test.ts:\s+is not a dump/);
  });
});
