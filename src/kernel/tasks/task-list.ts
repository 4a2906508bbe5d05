/** All tasks of a kernel in a dump: processes, their threads, kernel threads, and the idle task of each CPU. */

import type { Noted } from '../unwind/starts.ts';
import { Cpus } from '../view/cpus.ts';
import { walkLongList } from '../view/lists.ts';
import type { KernelView, StructView } from '../view/view.ts';
import { type MemoryUse, memoryUse } from './memory-use.ts';
import { ranByNotes } from './ran-by-notes.ts';
import { stateLetters } from './state.ts';
import { aboutThreads, ThreadGroup, type TornThreads, threadList, threadsIn, threadsOf } from './threads.ts';

export interface Task {
  /** Of its task_struct. */
  readonly vaddr: bigint;
  readonly pid: number;
  /** Of the process: threads share it. */
  readonly tgid: number;
  /** Undefined where the parent is not in the dump. */
  readonly ppid: number | undefined;
  readonly cpu: number;
  /** RU, IN, UN, ID, ST, TR, ZO, DE, PA, WA, NE; see stateLetters. */
  readonly state: string;
  readonly comm: string;
  readonly isKernelThread: boolean;
  /** Whether a CPU ran it when the dump was made. */
  readonly isRunning: boolean;
  /** What says so: its runqueue, or where that is not in the dump, the stack pointer or the PID that the CPU noted. */
  readonly ranBy: 'runqueue' | 'stack pointer' | 'PID' | undefined;
  /** Undefined for what has no address space, and where it cannot be read. */
  readonly memory: MemoryUse | undefined;
}

export interface TaskList {
  /** Idle tasks first, then by PID. */
  readonly tasks: readonly Task[];
  readonly cpus: Cpus;
  /** What was not found: one sentence each. */
  readonly gaps: readonly string[];
}

/** What this asks of the symbol table, so that one pass over it finds all. */
const SYMBOLS = ['init_task', '__per_cpu_offset', '__cpu_present_mask', 'runqueues'];
const PF_KTHREAD = 0x00200000;
/** PIDs go up to 4 million (PID_MAX_LIMIT); no dump has had as many tasks. */
const MAX_TASKS = 2 ** 17;
const TASKS_A_BREATH = 500;

/**
 * `breathe` is called again and again, and may throw to end it. `noted`: by CPU, for those whose runqueue is not in the dump.
 * Undefined where there is no init_task or layout to begin with.
 */
export async function listTasks(
  view: KernelView,
  breathe: () => Promise<void>,
  noted: ReadonlyMap<number, Noted> = new Map(),
): Promise<TaskList | undefined> {
  view.symbols?.findAll(SYMBOLS);
  const init = view.symbol('init_task');
  const fields = ['tasks', 'pid', 'comm'].map((name) => view.field('task_struct', name));
  if (init === undefined || fields.includes(undefined)) return undefined;
  const cpus = new Cpus(view);
  /** Which CPU ran it. */
  const running = new Map(cpus.numbers.map((cpu) => [taskOn(view, cpus, cpu, 'curr'), cpu]));
  const gaps: string[] = [];
  if (cpus.numbers.length === 0)
    gaps.push('the CPUs cannot be told: what they ran, and their idle tasks, may be missing');
  const idle = new Set(cpus.numbers.map((cpu) => taskOn(view, cpus, cpu, 'idle') ?? (cpu === 0 ? init : 0n)));
  idle.delete(0n);
  const found = new Set<bigint>([...idle, ...running.keys()].filter((task) => task !== undefined));
  const tasksAt = BigInt(fields[0]!.byteOffset);
  const leaders = await walkLongList(view, init + tasksAt, MAX_TASKS, breathe);
  if (leaders.torn !== undefined) gaps.push(`the list of tasks is torn: ${leaders.torn}`);
  /** Each task's threads, itself among them. */
  const groups = new Map<bigint, ThreadGroup>();
  let [left, done] = [MAX_TASKS, 0];
  const torn: TornThreads[] = [];
  const count = async (steps: number) => {
    const before = done;
    done += steps;
    if (Math.floor(before / TASKS_A_BREATH) !== Math.floor(done / TASKS_A_BREATH)) await breathe();
  };
  for (const at of leaders.entries) {
    if (left <= 0) {
      gaps.push(`there are more than ${MAX_TASKS.toLocaleString('en')} tasks: the others are left out`);
      break;
    }
    const leader = at - tasksAt;
    found.add(leader);
    const list = threadList(view, leader, torn);
    const walk = list && (await walkLongList(view, list.head, left, breathe));
    const threads = walk === undefined ? [] : threadsIn(leader, list!, walk, torn);
    // A leader whose threads are not known counts too.
    left -= Math.max(1, threads.length);
    const group = new ThreadGroup(view, threads);
    for (const thread of threads) {
      found.add(thread);
      groups.set(thread, group);
    }
    await count(1 + threads.length);
  }
  if (torn.length > 0) gaps.push(aboutThreads(torn));
  const tasks: Task[] = [];
  const missing: bigint[] = [];
  const uses = new Map<bigint, MemoryUse | undefined>();
  for (const vaddr of found) {
    const task = readTask(
      view,
      cpus,
      vaddr,
      running.has(vaddr),
      groups.get(vaddr) ?? new ThreadGroup(view, []),
      uses,
    );
    if (task === undefined) missing.push(vaddr);
    else tasks.push({ ...task, cpu: running.get(vaddr) ?? task.cpu });
    await count(1);
  }
  if (missing.length > 0)
    gaps.push(
      `${missing.length === 1 ? '1 task is' : `${missing.length} tasks are`} not in the dump, the first at 0x${missing[0]!.toString(16)}`,
    );
  const isTold = new Set(tasks.flatMap(({ cpu, isRunning }) => (isRunning ? [cpu] : [])));
  const others = cpus.numbers.filter((cpu) => !isTold.has(cpu));
  const told = ranByNotes(view, tasks, noted, others);
  const rank = ({ vaddr, pid, cpu }: Task) => (idle.has(vaddr) ? cpu - cpus.numbers.length : pid);
  return {
    tasks: tasks.map((task) => ({ ...task, ...told.get(task.vaddr) })).sort((a, b) => rank(a) - rank(b)),
    cpus,
    gaps,
  };
}

/** The task that a CPU ran (`curr`), or that it runs when there is nothing to do (`idle`). */
export function taskOn(
  view: KernelView,
  cpus: Cpus,
  cpu: number,
  which: 'curr' | 'idle',
): bigint | undefined {
  const queue = cpus.variable('runqueues', cpu);
  const field = view.field('rq', which);
  const task =
    queue === undefined || field === undefined ? undefined : view.u64(queue + BigInt(field.byteOffset));
  return task === 0n ? undefined : task;
}

/** Undefined where its memory is not in the dump. `uses`: what is known of address spaces already. */
export function readTask(
  view: KernelView,
  cpus: Cpus,
  vaddr: bigint,
  isRunning: boolean,
  group = new ThreadGroup(view, threadsOf(view, vaddr)),
  uses = new Map<bigint, MemoryUse | undefined>(),
): Task | undefined {
  const task = view.struct(vaddr, 'task_struct');
  const pid = task?.signed('pid');
  if (task === undefined || pid === undefined) return undefined;
  const parent = task.unsigned('real_parent');
  const mm = task.unsigned('mm');
  // Threads share it, and may be many.
  const usedBy = (space: bigint) => {
    if (!uses.has(space)) uses.set(space, memoryUse(view, cpus, space, group.deltas));
    return uses.get(space);
  };
  return {
    vaddr,
    pid,
    tgid: task.signed('tgid') ?? pid,
    // Idle tasks are nobody's children, whatever forked them.
    ppid: pid === 0 ? 0 : parent === undefined ? undefined : i32At(view, parent, 'tgid'),
    // Linux commit bcf9033e5449 ("sched: move CPU field back into thread_info if THREAD_INFO_IN_TASK=y"), v5.16.
    cpu: task.number('thread_info.cpu') ?? task.number('cpu') ?? 0,
    state: stateLetters(stateOf(task), task.number('exit_state') ?? 0),
    comm: task.text('comm') ?? '',
    isKernelThread: ((task.number('flags') ?? 0) & PF_KTHREAD) !== 0,
    isRunning,
    ranBy: isRunning ? 'runqueue' : undefined,
    memory: mm === undefined || mm === 0n ? undefined : usedBy(mm),
  };
}

/** Linux commit 2f064a59a11f ("sched: Change task_struct::state"), v5.14, gave it its underscores. */
function stateOf(task: StructView): number {
  return task.number('__state') ?? task.number('state') ?? 0;
}

function i32At(view: KernelView, task: bigint, member: string): number | undefined {
  const field = view.field('task_struct', member);
  return field === undefined ? undefined : view.i32(task + BigInt(field.byteOffset));
}
