/** `smelt info`'s engine: what it says of synthetic dumps, whose truth is known, of the sample, of real ones, and of what is left of them. */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { withTask } from '../../src/inspect/info/crash.ts';
import { info } from '../../src/inspect/info/info.ts';
import type { LogTold } from '../../src/inspect/info/log.ts';
import type { CrashReport } from '../../src/inspect/info/report.ts';
import { buildVmcore } from '../build/vmcore.ts';
import type { VmcoreOptions } from '../build/vmcore-options.ts';
import { tempFiles } from '../read/temp-files.ts';
import { REAL_DUMPS } from '../sme/real-dumps.ts';
import { observer, request } from './asked.ts';

const files = tempFiles();
const SAMPLE = join(import.meta.dirname, '../../samples/x86_64-6.1-small.kdump');
const SME_SAMPLE = join(import.meta.dirname, '../../samples/x86_64-6.1-sme.kdump');

const ask = (...paths: [string, ...string[]]) =>
  info(request(...paths), observer(), new AbortController().signal);

function built(options: Omit<VmcoreOptions, 'path'>): string {
  const path = files.path('vmcore');
  buildVmcore({ path, ...options });
  return path;
}

describe('a crash', () => {
  const oops = [
    'Linux version 6.1.0-smelt',
    'Command line: root=/dev/vda1 quiet',
    'DMI: SMBIOS 2.8 present.',
    'DMI: Anvil 3000, BIOS 1.2 01/02/2026',
    'BUG: kernel NULL pointer dereference, address: 0000000000000008',
    'Oops: 0002 [#1] PREEMPT SMP',
    'CPU: 1 PID: 77 Comm: smith Tainted: G        W  OE      6.1.0-smelt #1',
  ];

  it('is told by the time that VMCOREINFO has, its CPU and task by the log', async () => {
    const path = built({ dmesg: oops, logFacility: 0, cpus: 2, overrides: { CRASHTIME: '1795208171' } });
    const { crash, kernel, cpus } = await ask(path);
    expect(crash).toMatchObject({
      crashed: true,
      timeMs: 1_795_208_171_000,
      timeFrom: 'VMCOREINFO',
      uptimeMs: Math.floor(6 * 1234.567),
      uptimeFrom: 'kernel log',
      message: 'BUG: kernel NULL pointer dereference, address: 0000000000000008',
      firstTrouble: { timeUs: 4 * 1_234_567 },
      cpu: 1,
    });
    expect(kernel).toMatchObject({
      release: '6.1.0-smelt',
      hardware: 'Anvil 3000, BIOS 1.2 01/02/2026',
      commandLine: 'root=/dev/vda1 quiet',
      taint: 'WOE',
    });
    expect(cpus.map(({ cpu, crashed }) => [cpu, crashed])).toEqual([
      [0, false],
      [1, true],
    ]);
  });

  it('is told by its panic, whatever came before it', async () => {
    const { crash } = await ask(
      built({ dmesg: [...oops, 'Kernel panic - not syncing: Fatal exception'], logFacility: 0 }),
    );
    expect(crash).toMatchObject({
      crashed: true,
      timeMs: undefined,
      message: 'Kernel panic - not syncing: Fatal exception',
      firstTrouble: { text: oops[4] },
    });
  });

  it('is not claimed by what a program wrote into the log', async () => {
    const dmesg = [...oops, 'Kernel panic - not syncing: I wish'];
    const { crash } = await ask(built({ dmesg, logFacility: 1 }));
    expect(crash).toMatchObject({ crashed: undefined, message: undefined, firstTrouble: undefined });
  });

  it('has no task that the log names on another CPU', () => {
    const crash = { crashed: true, cpu: 1 } as CrashReport;
    const log = (cpu: number) =>
      ({ culprit: { cpu, pid: 77, comm: 'smith', taint: '' } }) as unknown as LogTold;
    expect(withTask(crash, [], log(1))).toMatchObject({ pid: 77, comm: 'smith' });
    expect(withTask(crash, [], log(0))).toMatchObject({ pid: undefined, comm: undefined });
  });

  it('is not claimed where nothing says so', async () => {
    const { crash } = await ask(built({ dmesg: ['all is well'] }));
    expect(crash).toMatchObject({
      crashed: undefined,
      message: undefined,
      firstTrouble: undefined,
      cpu: undefined,
    });
  });
});

describe('what is in the file', () => {
  it('is counted by the headers of an ELF file', async () => {
    const ram = [
      { start: 0, end: 32 << 20 },
      { start: 48 << 20, end: 64 << 20 },
    ];
    const { memory, file, missing } = await ask(built({ ram, elf: { pfileszShort: 16 } }));
    expect(memory).toEqual({
      pageSizeBytes: 4096,
      sizeBytes: 48 << 20,
      pages: 12_288,
      holes: 1,
      holeBytes: 16 << 20,
      firstPaddr: 0,
      endPaddr: 64 << 20,
    });
    expect(file).toMatchObject({
      storedPages: 12_272,
      leftOutPages: 16,
      incomplete: false,
      codec: undefined,
    });
    expect(missing).toContain('16 pages that the dump describes and has no bytes of');
  });

  it('is counted by the bitmaps of a kdump-compressed file', async () => {
    const { file, missing } = await ask(SAMPLE);
    expect(file).toMatchObject({
      headerVersion: 6,
      codec: 'zlib',
      parts: 1,
      storedPages: 21_504,
      leftOutPages: 0,
      cutPages: 0,
      sizeBytes: readFileSync(SAMPLE).length,
    });
    expect(missing).toEqual([]);
  });
});

describe('the sample', () => {
  it('says what ran, by its own clock', async () => {
    const { crash, kernel, cpus, log, encryption } = await ask(SAMPLE);
    expect(crash).toMatchObject({
      crashed: false,
      timeFrom: 'timekeeper',
      uptimeFrom: 'timekeeper',
      uptimeMs: 8362,
    });
    expect(new Date(crash.timeMs!).toISOString()).toBe('2026-11-20T22:55:22.308Z');
    expect(log!.last.at(-1)!.timeUs! / 1000).toBeLessThan(crash.uptimeMs!);
    expect(kernel).toMatchObject({
      version: '#1 SMP PREEMPT_DYNAMIC Debian 6.1.192-2 (2026-11-16)',
      nodename: '(none)',
      taint: '',
      symbols: 87_347,
      btf: true,
    });
    expect(kernel.commandLine).toMatch(/^console=ttyS0 panic=1 .*ipv6.disable=1$/);
    expect(cpus.map(({ place, pid }) => [place, pid])).toEqual([
      ['native_safe_halt+0xb', undefined],
      ['native_safe_halt+0xb', undefined],
    ]);
    expect(log).toMatchObject({ records: 373, lostRecords: 0 });
    expect(log!.last.length).toBe(50);
    expect(encryption).toBeUndefined();
  });

  it('says the same of the one whose memory was encrypted, and how', async () => {
    const [plain, masked] = [await ask(SAMPLE), await ask(SME_SAMPLE)];
    expect(masked.encryption).toEqual({ maskBit: 51, technology: { features: ['SME'], from: 'sev_status' } });
    expect(masked.crash).toEqual(plain.crash);
    expect(masked.cpus).toEqual(plain.cpus);
    expect(masked.log).toEqual(plain.log);
  });

  it('is told as far as it goes where it was cut short', async () => {
    const bytes = readFileSync(SAMPLE);
    const path = files.write(bytes.subarray(0, Math.floor(bytes.length * 0.7)));
    const { missing, file, kernel } = await ask(path);
    expect(file.cutPages).toBeGreaterThan(0);
    expect(kernel.release).toBe('6.1.0-56-cloud-amd64');
    expect(missing[0]).toMatch(
      /^[\d,]+ pages are cut off: the file ends before them; `smelt salvage --dry-run /,
    );
    // Not even the descriptors.
    const stub = files.write(bytes.subarray(0, 200_000));
    await expect(ask(stub)).rejects.toMatchObject({
      code: 'TRUNCATED',
      hint: expect.stringContaining('nothing of what is there can be saved'),
    });
  });

  it('is told, or refused with a sentence, whatever bytes of it are others', async () => {
    const bytes = readFileSync(SAMPLE);
    const early = fc.integer({ min: 0, max: 40_000 });
    const anywhere = fc.integer({ min: 0, max: bytes.length - 1 });
    const change = fc.tuple(fc.oneof(early, anywhere), fc.integer({ min: 0, max: 255 }));
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 40 }), async (changes) => {
        const copy = Buffer.from(bytes);
        for (const [at, value] of changes) copy[at] = value;
        const path = files.path('damaged');
        writeFileSync(path, copy);
        const outcome = await ask(path).then(
          () => 'told',
          (error: { name: string; code?: string }) => `${error.name} ${error.code === 'INTERNAL'}`,
        );
        expect(['told', 'SmeltError false']).toContain(outcome);
      }),
      { numRuns: 15 },
    );
  });
});

describe('a dump that says little', () => {
  it('because it was cut short is told with what was cut off', async () => {
    const path = built({});
    const bytes = readFileSync(path);
    const { missing, file } = await ask(files.write(bytes.subarray(0, bytes.length - (4 << 20))));
    expect(missing[0]).toMatch(/^program header \d+ says its data end at byte/);
    expect(missing[1]).toMatch(/^1,024 pages are cut off; `smelt salvage --dry-run /);
    expect(file).toMatchObject({ storedPages: 16_384 - 1024, leftOutPages: 0, cutPages: 1024 });
  });

  it('of its kernel is told by its headers and notes', async () => {
    const { crash, cpus, missing, log } = await ask(
      built({ vmcoreinfo: 'none', cpus: 3, ram: [{ start: 0, end: 24 << 20 }] }),
    );
    expect(crash).toMatchObject({ crashed: undefined, timeMs: undefined, uptimeMs: undefined });
    expect(cpus.length).toBe(3);
    expect(log).toBeUndefined();
    expect(missing[0]).toBe('VMCOREINFO: without it nothing of the kernel can be found');
  });

  it('of another architecture, too', async () => {
    const path = built({ ram: [{ start: 0, end: 24 << 20 }] });
    const bytes = readFileSync(path);
    // e_machine: EM_AARCH64
    bytes.writeUInt16LE(183, 18);
    const { kernel, input, log, cpus, missing } = await ask(files.write(bytes));
    expect(kernel).toMatchObject({ release: '6.1.0-smelt', machine: 'aarch64' });
    expect(input.architecture).toBe('aarch64');
    expect(log).toBeUndefined();
    expect(cpus).toEqual([]);
    expect(missing.join('; ')).toMatch(/dump of aarch64, which is not supported/);
  });

  it('of an old kernel is told with its log', async () => {
    const { kernel, log, missing } = await ask(built({ kernel: '4.14', dmesg: ['one', 'two'] }));
    expect(kernel.release).toBe('4.14.0-smelt');
    expect(log).toMatchObject({ records: 2 });
    expect(missing.join('; ')).toMatch(/Linux 4.14.0-smelt is older than what smelt knows/);
  });

  it('ends when it is asked to', async () => {
    await expect(info(request(SAMPLE), observer(), AbortSignal.abort())).rejects.toMatchObject({
      code: 'INTERRUPTED',
    });
  });

  it('is refused where it is none', async () => {
    await expect(ask(files.write('no dump'))).rejects.toMatchObject({ code: 'NOT_A_DUMP' });
  });
});

/** What crash 8.0.2 says: DATE and UPTIME. Its UPTIME of Linux 6.12 (00:03:48) is wrong: the log ends at 13.6 s. */
const TRUTH: Readonly<Record<string, { date: string; uptime?: string }>> = {
  '6.1-4level': { date: '2026-11-20T20:46:42', uptime: '00:00:16' },
  '6.1-proc-vmcore': { date: '2026-11-20T20:56:11', uptime: '00:00:12' },
  '6.12-la57': { date: '2026-11-20T21:35:59' },
};

describe.each(REAL_DUMPS.filter(({ name }) => name !== '6.1-small'))('the real dump $name', (dump) => {
  const { name, path, missing: isMissing, procVmcore } = dump;

  test.skipIf(isMissing)('is told as the kernel and crash tell it', async () => {
    const { crash, cpus, kernel, log, missing } = await ask(path);
    const text = execFileSync('grep', ['-aom1', 'Linux version [^ ]*', path], { encoding: 'latin1' });
    expect(text).toContain(kernel.release);
    expect(cpus.length).toBe(2);
    expect(log!.lostRecords).toBe(0);
    const truth = TRUTH[name];
    if (truth !== undefined) expect(new Date(crash.timeMs!).toISOString().slice(0, 19)).toBe(truth.date);
    if (truth?.uptime !== undefined) {
      const seconds = Number(truth.uptime.slice(6));
      expect(Math.abs(crash.uptimeMs! / 1000 - seconds)).toBeLessThan(1);
    }
    expect(log!.last.at(-1)!.timeUs!).toBeLessThanOrEqual(crash.uptimeMs! * 1000 + 999);
    if (procVmcore) {
      expect(crash).toMatchObject({
        crashed: true,
        timeFrom: 'VMCOREINFO',
        message: 'Kernel panic - not syncing: sysrq triggered crash',
        firstTrouble: { text: 'sysrq: Trigger a crash' },
        cpu: 1,
        pid: 1,
        comm: 'init',
      });
      expect(cpus.map(({ place }) => place)).toEqual(['native_safe_halt+0xb', '__crash_kexec+0x11a']);
      expect(missing).toEqual([]);
    } else {
      expect(crash.crashed).toBe(false);
      expect(crash.message).toBeUndefined();
    }
  });
});
