/** Whose stacks `smelt bt` shows: tasks, or what CPUs ran even where the task itself is not in the dump. */

import { SmeltError } from '../errors.ts';
import { listTasks, readTask, type Task, taskOn } from '../kernel/tasks/task-list.ts';
import type { Noted } from '../kernel/unwind/starts.ts';
import type { Cpus } from '../kernel/view/cpus.ts';
import type { KernelView } from '../kernel/view/view.ts';
import { noLayouts } from './address.ts';
import { among, cpuGap, few, noTask, type Who } from './who.ts';

export type Which =
  /** The CPU that panicked, or where none did, the first. */
  | { readonly kind: 'crashed' }
  | { readonly kind: 'these'; readonly whom: readonly Who[] }
  | { readonly kind: 'every CPU' }
  | { readonly kind: 'every task' };

/** A task, or a CPU that noted registers and nothing says for which task. */
export type Whose =
  | { readonly task: Task; readonly cpu: number }
  | { readonly task: undefined; readonly cpu: number };

export interface Asked {
  readonly path: string;
  readonly view: KernelView;
  readonly cpus: Cpus;
  readonly noted: ReadonlyMap<number, Noted>;
  readonly crashedOn: number | undefined;
  readonly look: () => Promise<void>;
}

/** `gaps`: what there is none of, a sentence each. @throws SmeltError NO_TASK, NO_LAYOUTS */
export async function whoseStacks(
  which: Which,
  asked: Asked,
): Promise<{ readonly whose: readonly Whose[]; readonly gaps: readonly string[] }> {
  if (which.kind === 'these') return these(which.whom, asked);
  if (which.kind === 'every task') {
    const { tasks, gaps } = await listed(asked);
    return { whose: tasks.map(ofTask), gaps };
  }
  const { cpus, crashedOn } = asked;
  const wanted = which.kind === 'every CPU' ? cpus.numbers : [crashedOn ?? cpus.numbers[0] ?? 0];
  const { whose, unknown } = await ofCpus(wanted, asked);
  if (whose.length === 0) throw noCpu(unknown, asked);
  // One that was never brought up is there all the same.
  return { whose, gaps: cpuGap(unknown) };
}

async function these(whom: readonly Who[], asked: Asked) {
  const numbers = whom.flatMap((who) => (who.kind === 'cpu' ? [who.cpu] : []));
  const { whose, unknown } = await ofCpus([...new Set(numbers)], asked);
  const others = whom.filter(({ kind }) => kind !== 'cpu');
  if (others.length === 0 && whose.length === 0) throw noCpu(unknown, asked);
  const list = others.length === 0 ? undefined : await listed(asked);
  const { tasks, missing } = list === undefined ? NOBODY : among(list.tasks, others, false);
  const shown = new Set(whose.map(({ task }) => task?.vaddr));
  const all = [...whose, ...tasks.filter(({ vaddr }) => !shown.has(vaddr)).map(ofTask)];
  const gaps = [...cpuGap(unknown), ...missing];
  if (all.length > 0) return { whose: all, gaps };
  throw noTask(asked.path, gaps, (list?.gaps.length ?? 0) > 0, psHint(asked));
}

const NOBODY = { tasks: [], missing: [] } as const;
const ofTask = (task: Task): Whose => ({ task, cpu: task.cpu });

async function listed({ path, view, look, noted }: Asked) {
  const list = await listTasks(view, look, noted);
  if (list === undefined) throw noLayouts(path, 'tasks');
  return list;
}

/** By the runqueue of each; where that is not in the dump, by what it noted. */
async function ofCpus(wanted: readonly number[], asked: Asked) {
  const { view, cpus, noted, look } = asked;
  const whose: Whose[] = [];
  const unknown: number[] = [];
  let running: Map<number, Task> | undefined;
  for (const cpu of wanted) {
    const vaddr = cpus.numbers.includes(cpu) ? taskOn(view, cpus, cpu, 'curr') : undefined;
    let task = vaddr === undefined ? undefined : readTask(view, cpus, vaddr, true);
    if (task === undefined && noted.has(cpu)) {
      running ??= new Map((await runningTasks(asked)).map((each) => [each.cpu, each]));
      task = running.get(cpu);
    }
    if (task !== undefined) whose.push({ task: { ...task, cpu }, cpu });
    else if (noted.has(cpu)) whose.push({ task: undefined, cpu });
    else unknown.push(cpu);
    await look();
  }
  return { whose, unknown };
}

async function runningTasks({ view, look, noted }: Asked): Promise<readonly Task[]> {
  const list = await listTasks(view, look, noted);
  return list?.tasks.filter(({ isRunning }) => isRunning) ?? [];
}

function noCpu(unknown: readonly number[], asked: Asked): SmeltError {
  const { path, cpus } = asked;
  const what = unknown.length === 0 ? 'which CPUs there were' : `what CPU ${few(unknown)} ran`;
  const hint = cpus.numbers.length > 0 ? `Its CPUs are ${few(cpus.numbers)}.` : psHint(asked);
  return new SmeltError('NO_TASK', `${path}: nothing says ${what}`, { hint });
}

function psHint({ path }: Asked): string {
  return `\`smelt ps ${path}\` lists them; a part of a split dump would be a file.`;
}
