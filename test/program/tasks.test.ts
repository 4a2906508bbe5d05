/** ps, bt and mods through the real program, on the samples and, where they are at hand, on the larger dumps. */
import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import type { JsonReport, Reports } from '../../src/cli/json.ts';
import { checkFailure, failureOf, SMELT, smelt, smeltAfter } from './smelt.ts';

const SAMPLE = fileURLToPath(new URL('../../samples/x86_64-6.1-small.kdump', import.meta.url));
const SME_SAMPLE = fileURLToPath(new URL('../../samples/x86_64-6.1-sme.kdump', import.meta.url));
const FIXTURES = join(process.env.SMELT_CACHE ?? join(homedir(), '.cache/smelt'), 'fixtures');
const fixture = (name: string) => join(FIXTURES, `${name}.elf`);

function answer<C extends keyof Reports>(command: C, ...args: readonly string[]): Reports[C] {
  const { stdout, status, stderr } = smelt(command, ...args, '--json');
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: exit ${status}: ${stdout}${stderr}`);
  const parsed = JSON.parse(stdout) as JsonReport<C>;
  expect(parsed).toMatchObject({ smelt: 1, command });
  return parsed.report;
}

/** The functions of each stack. */
const functionsOf = ({ stacks }: Reports['bt']) => stacks.map(({ frames }) => frames.map(({ name }) => name));

describe('ps', () => {
  test.each([SAMPLE, SME_SAMPLE])('lists the tasks of a sample, encrypted or not: %s', (sample) => {
    const { tasks, cpus } = answer('ps', sample);
    expect(cpus).toEqual([0, 1]);
    expect(tasks.slice(0, 4)).toMatchObject([
      { pid: 0, ppid: 0, comm: 'swapper/0', cpu: 0, isRunning: true, isKernelThread: true, memory: null },
      { pid: 0, ppid: 0, comm: 'swapper/1', cpu: 1, isRunning: true },
      { pid: 1, ppid: 0, state: 'IN', isKernelThread: false, memory: { virtualBytes: expect.any(Number) } },
      { pid: 2, ppid: 0, comm: 'kthreadd', isKernelThread: true },
    ]);
    expect(tasks.map(({ pid }) => pid)).toEqual(tasks.map(({ pid }) => pid).toSorted((a, b) => a - b));
    expect(new Set(tasks.map(({ vaddr }) => vaddr)).size).toBe(tasks.length);
  });

  test('shows them in columns of at most 80 characters', () => {
    // The first line is as many as the path needs.
    const { stdout, status } = smeltAfter(`cd '${dirname(SAMPLE)}'`, 'ps', basename(SAMPLE));
    const lines = stdout.trimEnd().split('\n');
    const [first, legend, blank, head, ...rows] = lines;
    expect(status).toBe(0);
    expect(first).toMatch(/small\.kdump {2}Linux 6\.1\.0-56-cloud-amd64 x86_64, \d+ tasks, 2 CPUs$/);
    expect(legend).toContain('a CPU ran it');
    expect(blank).toBe('');
    expect(head).toMatch(/^ +PID +PPID +CPU +TASK +ST +%MEM +VSZ +RSS +COMM$/);
    expect(rows[0]).toMatch(/^> +0 +0 +0 {2}[0-9a-f]{16} {2}RU +\[swapper\/0\]$/);
    for (const row of [head!, ...rows]) expect(row.length).toBeLessThanOrEqual(80);
  });
});

describe('bt', () => {
  test('shows what each CPU ran, to the end of its stack', () => {
    const { stacks, panicCpu } = answer('bt', '--all', SAMPLE);
    expect(panicCpu).toBeNull();
    expect(stacks).toHaveLength(2);
    for (const { problem, frames } of stacks) {
      expect(problem).toBeNull();
      expect(frames.at(-1)!.name).toBe('secondary_startup_64_no_verify');
      expect(frames.map(({ name }) => name)).toContain('do_idle');
    }
  });

  test('follows the stack of every task that has one, without a guess', () => {
    const report = answer('bt', '--tasks', SAMPLE);
    expect(report.stacks.length).toBe(answer('ps', SAMPLE).tasks.length);
    // A zombie gave its stack back.
    const doubtful = report.stacks.filter(({ problem }) => problem !== null);
    expect(doubtful.map(({ task }) => task?.state)).toEqual(['ZO']);
    expect(functionsOf(report).filter((names) => names.includes(undefined as never))).toEqual([]);
  });

  test('says the same of a dump that was filtered to level 31', () => {
    const dir = mkdtempSync(join(tmpdir(), 'smelt-tasks-'));
    afterAll(() => rmSync(dir, { recursive: true, force: true }));
    const filtered = join(dir, 'd31');
    expect(smelt('-z', '-d', '31', SAMPLE, filtered).status).toBe(0);
    expect(answer('bt', '--tasks', filtered).stacks).toEqual(answer('bt', '--tasks', SAMPLE).stacks);
    expect(answer('ps', filtered).tasks).toEqual(answer('ps', SAMPLE).tasks);
    expect(answer('mods', filtered).modules).toEqual(answer('mods', SAMPLE).modules);
  });

  test('of a PID, of a CPU, and of what is neither', () => {
    const [one] = answer('bt', SAMPLE, '1').stacks;
    expect(one!.task).toMatchObject({ pid: 1, isRunning: false });
    expect(one!.frames[0]!.name).toBe('__schedule');
    expect(answer('bt', SAMPLE, 'cpu1').stacks).toEqual(answer('bt', SAMPLE, '--cpu', '1').stacks);
    expect(answer('bt', SAMPLE, '0').stacks).toHaveLength(2);
    expect(checkFailure(smelt('bt', SAMPLE, '99999'))).toContain('there is no task of PID 99999');
    expect(checkFailure(smelt('bt', SAMPLE, 'cpu7'))).toContain('nothing says what CPU 7 ran');
    expect(checkFailure(smelt('bt', SAMPLE, 'swapper'))).toContain('there is no task of the name swapper');
    expect(checkFailure(smelt('bt', SAMPLE, '0x10'))).toContain('is no PID, and no CPU, TASK or COMM');
    expect(checkFailure(smelt('bt', SAMPLE, '1', '--all'))).toContain('ask for different stacks');
    expect(failureOf(smelt('bt', SAMPLE, '99999', '--json')).error.code).toBe('NO_TASK');
  });
});

test('mods shows modules, and which of them need others', () => {
  const { modules } = answer('mods', SAMPLE);
  expect(modules.length).toBeGreaterThan(0);
  for (const { memory, base, state } of modules) {
    expect(state).toBe('live');
    expect(memory[0]!.vaddr).toBe(base);
  }
  expect(modules.some(({ usedBy, useCount }) => usedBy!.length > 0 && useCount! >= usedBy!.length)).toBe(
    true,
  );
});

test('symbols has those of modules too, by name and by address', () => {
  const { symbols } = answer('symbols', SAMPLE, 'virt*_probe');
  const own = symbols.find(({ module }) => module === 'virtio_blk')!;
  expect(own).toMatchObject({ name: 'virtblk_probe', type: 't' });
  const at = { name: own.name, vaddr: own.vaddr, offset: 0, module: 'virtio_blk' };
  expect(answer('symbols', SAMPLE, String(own.vaddr)).at).toMatchObject(at);
  expect(smelt('symbols', SAMPLE, 'virtblk_probe').stdout).toMatch(
    /^[0-9a-f]{16} t virtblk_probe \[virtio_blk\]\n$/,
  );
});

describe('a module whose table leads nowhere', () => {
  const dir = mkdtempSync(join(tmpdir(), 'smelt-'));
  afterAll(() => rmSync(dir, { recursive: true }));
  const spoilt = join(dir, 'spoilt');
  /** Of `list` and `kallsyms` in this kernel's struct module. */
  const LIST_AT = 8;
  const KALLSYMS_AT = 544;

  test('is told by symbols, and symbols of all others are there', () => {
    expect(smelt('-E', '--quiet', SAMPLE, spoilt).status).toBe(0);
    const own = answer('mods', SAMPLE).modules.find(({ name }) => name === 'virtio_blk')!;
    const bytes = readFileSync(spoilt);
    const read = spawnSync(SMELT, ['read', '--raw', SAMPLE, String(own.vaddr), '1024']);
    const at = bytes.indexOf(read.stdout);
    expect(at).toBeGreaterThan(0);
    const whole = answer('symbols', spoilt, 'virt*');
    expect(whole.warnings).toEqual([]);
    bytes.writeBigUInt64LE(0xffff999999990000n, at + KALLSYMS_AT);
    writeFileSync(spoilt, bytes);
    const { symbols, warnings } = answer('symbols', spoilt, 'virt*');
    expect(symbols).toEqual(whole.symbols.filter(({ module }) => module !== 'virtio_blk'));
    expect(symbols.length).toBeLessThan(whole.symbols.length);
    const gap = 'the symbols of virtio_blk are not all known: their table is damaged or not in the dump';
    expect(warnings).toEqual([gap]);
    const { stderr, status } = smelt('symbols', spoilt, 'init_task');
    expect([status, stderr.replace(/\s+/g, ' ')]).toEqual([0, `warning: ${gap} `]);
    // And where the list of modules is torn, bt says so too.
    bytes.writeBigUInt64LE(0xffff999999990000n, at + LIST_AT);
    writeFileSync(spoilt, bytes);
    const torn = expect.stringContaining('the list of modules is torn');
    expect(answer('bt', spoilt, '--all').warnings).toContainEqual(torn);
    expect(answer('symbols', spoilt, 'init_task').warnings).toContainEqual(torn);
  });
});

const panic = fixture('x86_64-6.1-proc-vmcore');
test.skipIf(!existsSync(panic))(`bt of a panic is what crash says (${panic})`, () => {
  expect(answer('bt', panic).panicCpu).toBe(1);
  expect(functionsOf(answer('bt', panic))).toEqual([
    [
      ...['machine_kexec', '__crash_kexec', 'panic', 'sysrq_handle_crash', '__handle_sysrq.cold'],
      ...['write_sysrq_trigger', 'proc_reg_write', 'vfs_write', 'ksys_write', 'do_syscall_64'],
      'entry_SYSCALL_64_after_hwframe',
    ],
  ]);
  const nmi = answer('bt', panic, 'cpu0').stacks[0]!.frames;
  expect(nmi.slice(0, 5).map(({ name, stack }) => `${name} ${stack}`)).toEqual([
    'crash_nmi_callback NMI',
    'default_do_nmi NMI',
    'exc_nmi NMI',
    'end_repeat_nmi NMI',
    'native_safe_halt task',
  ]);
});

test.skipIf(!existsSync(panic))(`ps and bt of what salvage saved of it agree with info (${panic})`, () => {
  const dir = mkdtempSync(join(tmpdir(), 'smelt-tasks-'));
  afterAll(() => rmSync(dir, { recursive: true, force: true }));
  const [cut, saved] = [join(dir, 'cut'), join(dir, 'saved')] as const;
  copyFileSync(panic, cut);
  truncateSync(cut, 200_000_000);
  expect(smelt('salvage', '-z', cut, saved).status).toBe(0);
  const { crash } = answer('info', saved);
  expect(crash).toMatchObject({ cpu: 1, pid: 1, comm: 'init' });
  expect(functionsOf(answer('bt', saved))).toEqual(functionsOf(answer('bt', panic)));
  for (const which of [[], ['1'], ['cpu1'], ['init']]) {
    const [one] = answer('bt', saved, ...which).stacks;
    expect(one!.task).toMatchObject({ pid: 1, cpu: 1, isRunning: true, ranBy: 'stack pointer' });
    expect(one!.frames.filter(({ isGuess }) => isGuess)).toEqual([]);
  }
  expect(answer('bt', saved, '--all').stacks.map(({ cpu, task }) => [cpu, task?.comm])).toEqual([
    [0, 'swapper/0'],
    [1, 'init'],
  ]);
  const { tasks, warnings } = answer('ps', saved);
  expect(tasks.filter(({ isRunning }) => isRunning).map(({ pid }) => pid)).toEqual([0, 1]);
  expect(warnings.length).toBe(2);
  expect(warnings[1]).toMatch(/^the threads of 9 tasks are not all known, first of the task at 0x/);
});

const kernels = ['x86_64-5.10-4level', 'x86_64-6.1-4level', 'x86_64-6.12-la57', 'x86_64-7.3-la57'];
describe.each(kernels)('%s', (name) => {
  test.skipIf(!existsSync(fixture(name)))('has no stack that has to be guessed', () => {
    const { stacks, warnings } = answer('bt', fixture(name), '--tasks');
    expect(stacks.length).toBeGreaterThan(50);
    expect(stacks.filter(({ problem }) => problem !== null)).toEqual([]);
    // What VMCOREINFO does not say is said to have been searched for.
    expect(warnings.length).toBe(name.includes('5.10') ? 1 : 0);
  });
});
