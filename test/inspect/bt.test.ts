/** `smelt bt`'s engine on the real sample: a task whose stack is gone, and CPUs that nothing is known of. */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Where } from '../../src/inspect/address.ts';
import { type BtRequest, bt } from '../../src/inspect/bt.ts';
import { withKernel } from '../../src/inspect/looking.ts';
import { ps } from '../../src/inspect/ps.ts';
import { vtop } from '../../src/inspect/vtop.ts';
import { ranByNotes } from '../../src/kernel/tasks/ran-by-notes.ts';
import { listTasks } from '../../src/kernel/tasks/task-list.ts';
import { aboutThreads } from '../../src/kernel/tasks/threads.ts';
import { OrcTables } from '../../src/kernel/unwind/orc.ts';
import { notedIn } from '../../src/kernel/unwind/starts.ts';
import { stackOfCpu } from '../../src/kernel/unwind/task-stack.ts';
import { parseNotes } from '../../src/read/notes.ts';
import { tempFiles } from '../read/temp-files.ts';
import { errorOf, NEVER, QUIET, requestOf } from './looking.ts';

const files = tempFiles();
const ROOT = join(import.meta.dirname, '../..');
const SAMPLE = join(ROOT, 'samples/x86_64-6.1-small.kdump');

const ask = (input: string, which: BtRequest['which']) => bt({ ...requestOf(input), which }, QUIET, NEVER);

/** The sample as an ELF file, with other bytes where a symbol or an address is. */
async function changed(symbol: string | bigint, bytes: Uint8Array): Promise<string> {
  const path = files.path('vmcore');
  execFileSync(join(ROOT, 'bin/smelt'), ['-E', '-f', '-d', '0', SAMPLE, path], { stdio: 'pipe' });
  const where: Where =
    typeof symbol === 'bigint'
      ? { kind: 'address', value: symbol }
      : { kind: 'symbol', name: symbol, offset: 0 };
  const { walk } = await vtop({ ...requestOf(path), where }, QUIET, NEVER);
  const file = readFileSync(path);
  const headers = Number(file.readBigUInt64LE(32));
  for (let at = headers; at < headers + 56 * file.readUInt16LE(56); at += 56) {
    const [offset, paddr, size] = [8, 24, 32].map((field) => Number(file.readBigUInt64LE(at + field)));
    if (file.readUInt32LE(at) === 1 && walk.paddr! >= paddr! && walk.paddr! < paddr! + size!)
      file.set(bytes, offset! + walk.paddr! - paddr!);
  }
  writeFileSync(path, file);
  return path;
}

describe('the stack of a task that ended', () => {
  it('is guessed: it was given back, and may be of another', async () => {
    const { stacks } = await ask(SAMPLE, { kind: 'these', whom: [{ kind: 'pid', pid: 123 }] });
    expect(stacks).toMatchObject([{ task: { state: 'ZO' }, problem: expect.stringContaining('ended') }]);
    const { frames } = stacks[0]!;
    expect(frames.length).toBeGreaterThan(3);
    expect(frames.every(({ isGuess }) => isGuess)).toBe(true);
  });
});

describe('a dump of a machine that did not panic', () => {
  it('begins with its first CPU, and is told where the others are', async () => {
    const { stacks, warnings } = await ask(SAMPLE, { kind: 'crashed' });
    expect(stacks.map(({ cpu }) => cpu)).toEqual([0]);
    expect(warnings).toEqual([
      expect.stringMatching(/^no CPU panicked: this is CPU 0; `smelt bt --all .*` shows each$/),
    ]);
    expect((await ask(SAMPLE, { kind: 'these', whom: [{ kind: 'cpu', cpu: 0 }] })).warnings).toEqual([]);
  });
});

describe('the CPUs', () => {
  it('are shown where one of them was never brought up, which is said', async () => {
    const path = await changed('__cpu_present_mask', Buffer.from([0x7]));
    const { stacks, warnings } = await ask(path, { kind: 'every CPU' });
    expect(stacks.map(({ cpu }) => cpu)).toEqual([0, 1]);
    expect(warnings).toEqual(['nothing says what CPU 2 ran']);
    expect((await errorOf(ask(path, { kind: 'these', whom: [{ kind: 'cpu', cpu: 2 }] }))).code).toBe(
      'NO_TASK',
    );
  });

  it('are not left out without a word where none is known', async () => {
    const path = await changed('__cpu_present_mask', Buffer.alloc(8));
    expect((await errorOf(ask(path, { kind: 'every CPU' }))).message).toContain('which CPUs there were');
    const { warnings } = await ps(requestOf(path), QUIET, NEVER);
    expect(warnings.join()).toContain('the CPUs cannot be told');
  });
});

describe('a dump without the memory of CPUs', () => {
  /** Where each CPU has its own: nowhere. */
  const lost = () => changed('__per_cpu_offset', Buffer.alloc(16, 0x11));
  const cpu = (number: number) => ({ kind: 'these', whom: [{ kind: 'cpu', cpu: number }] }) as const;

  it('shows what each ran, by what it noted', async () => {
    const path = await lost();
    const [want, { stacks, warnings }] = await Promise.all(
      [SAMPLE, path].map((each) => ask(each, { kind: 'every CPU' })),
    );
    expect(stacks.map(({ frames }) => frames)).toEqual(want!.stacks.map(({ frames }) => frames));
    expect(stacks[0]!.task).toMatchObject({ comm: 'swapper/0', isRunning: true, ranBy: 'stack pointer' });
    // The idle tasks of the others are in no list: nothing but the runqueue leads to them.
    expect(stacks[1]).toMatchObject({ cpu: 1, task: undefined, problem: undefined });
    expect(warnings).toEqual([]);
    expect((await ask(path, cpu(1))).stacks).toEqual(stacks.slice(1));
    expect((await ask(path, { kind: 'these', whom: [{ kind: 'pid', pid: 0 }] })).stacks[0]!.frames).toEqual(
      stacks[0]!.frames,
    );
  });

  it('marks what is known to have run in the list of tasks, and says of which CPU nothing is', async () => {
    const { tasks, warnings } = await ps(requestOf(await lost()), QUIET, NEVER);
    expect(tasks.filter(({ isRunning }) => isRunning).map(({ comm }) => comm)).toEqual(['swapper/0']);
    expect(warnings.join()).toContain('nothing says what CPU 1 ran');
  });

  it('says in lines of 80 columns how it was found, before the frames', async () => {
    const path = await lost();
    const run = execFileSync(join(ROOT, 'bin/smelt'), ['bt', '-a', path], { encoding: 'utf8' });
    const lines = run.split('\n').slice(2);
    const behind = (text: string) => lines[lines.findIndex((line) => line.startsWith(text)) + 1];
    expect(behind('PID 0  [swapper/0]')).toBe(
      "    CPU 0's runqueue cannot be read: found by the stack pointer in its note",
    );
    expect(behind('CPU 1  what it ran is not in the dump')).toMatch(/registers that it noted/);
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(80);
  });

  it('goes by the PID of a note where its stack pointer is of no task, and else by registers alone', async () => {
    await withKernel(requestOf(SAMPLE), QUIET, NEVER, async ({ view, file }) => {
      const { tasks, cpus } = (await listTasks(view!, async () => {}))!;
      const [{ registers }] = notedIn(parseNotes(file.notes)) as [ReturnType<typeof notedIn>[0]];
      const away = { ...registers, rsp: 0x7ffc_0000_0000n };
      const told = (pid: number | undefined, from = away) =>
        [...ranByNotes(view!, tasks, new Map([[0, { registers: from, pid }]]), [0, 1])].map(([at, ran]) => [
          tasks.find(({ vaddr }) => vaddr === at)!.pid,
          ran,
        ]);
      expect(told(118)).toEqual([[118, { cpu: 0, isRunning: true, ranBy: 'PID' }]]);
      expect(told(99_999)).toEqual([]);
      expect(told(undefined)).toEqual([]);
      const nowhere = { ...registers, rsp: 0xffff_fe12_0000_0000n };
      const stack = stackOfCpu(view!, OrcTables.of(view!), cpus, 1, nowhere);
      expect(stack.frames).toMatchObject([{ ip: registers.rip, isInterrupted: true }]);
      expect(stack).toMatchObject({ noted: nowhere, problem: 'the stack is not in the dump' });
      return { warnings: [] };
    });
  });
});

describe('a task', () => {
  const whose = async (...whom: Extract<BtRequest['which'], { kind: 'these' }>['whom']) => {
    const { stacks, warnings } = await ask(SAMPLE, { kind: 'these', whom });
    return { pids: stacks.map(({ task }) => task!.pid), warnings };
  };

  it('is found by its PID, its address and its name, each once and as they were asked for', async () => {
    const { tasks } = await ps(requestOf(SAMPLE), QUIET, NEVER);
    const { vaddr } = tasks.find(({ pid }) => pid === 118)!;
    const named = tasks.filter(({ comm }) => comm === 'init').map(({ pid }) => pid);
    expect(named.length).toBeGreaterThan(1);
    const asked = [
      { kind: 'task', vaddr },
      { kind: 'comm', comm: 'init' },
      { kind: 'pid', pid: 118 },
      { kind: 'comm', comm: '[kthreadd]' },
    ] as const;
    expect(await whose(...asked)).toEqual({ pids: [118, ...named, 2], warnings: [] });
  });

  it('that there is none of is said, and those that there are, are shown', async () => {
    expect(await whose({ kind: 'comm', comm: '[init]' }, { kind: 'pid', pid: 1 })).toEqual({
      pids: [1],
      warnings: ['there is no task of the name [init]'],
    });
    const error = await errorOf(whose({ kind: 'pid', pid: 99_999 }, { kind: 'task', vaddr: 16n }));
    expect(error.message).toMatch(/: there is no task of PID 99999, there is no task at 0x10$/);
  });

  it('has a name of any language, and of a long one what the kernel kept', async () => {
    const { tasks } = await ps(requestOf(SAMPLE), QUIET, NEVER);
    const { vaddr } = tasks.find(({ pid }) => pid === 118)!;
    const { field } = await withKernel(requestOf(SAMPLE), QUIET, NEVER, async ({ view }) => ({
      field: view!.field('task_struct', 'comm'),
      warnings: [],
    }));
    for (const name of ['grün', 'systemd-journald', 'für日本の課題管理']) {
      const kept = Buffer.alloc(16);
      Buffer.from(name).copy(kept, 0, 0, 15);
      const path = await changed(vaddr + BigInt(field!.byteOffset), kept);
      const found = await ps({ ...requestOf(path), whom: [{ kind: 'comm', comm: name }] }, QUIET, NEVER);
      expect(found.tasks.map(({ pid }) => pid)).toEqual([118]);
      const { comm } = found.tasks[0]!;
      const shown = await ps({ ...requestOf(path), whom: [{ kind: 'comm', comm }] }, QUIET, NEVER);
      expect(shown.tasks.map(({ pid }) => pid)).toEqual([118]);
    }
  });

  it('of a process is listed with its threads, by its PID', async () => {
    const { tasks } = await ps(requestOf(SAMPLE), QUIET, NEVER);
    const many = tasks.find(({ pid, tgid }) => pid !== tgid)!;
    const some = (pid: number) => ps({ ...requestOf(SAMPLE), whom: [{ kind: 'pid', pid }] }, QUIET, NEVER);
    const group = await some(many.tgid);
    expect(group.tasks).toEqual(tasks.filter(({ tgid }) => tgid === many.tgid));
    expect(group.totalTasks).toBe(tasks.length);
    expect((await some(many.pid)).tasks).toEqual([many]);
  });
});

it('tells of many torn lists of threads in one sentence, with the first of them', () => {
  const why = 'it is not in the dump';
  expect(aboutThreads([{ task: 16n, why }])).toBe(
    `the threads of the task at 0x10 are not all known: ${why}`,
  );
  expect(aboutThreads([16n, 32n, 48n].map((task) => ({ task, why })))).toBe(
    `the threads of 3 tasks are not all known, first of the task at 0x10: ${why}`,
  );
});
