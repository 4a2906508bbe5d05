/** Which task a CPU ran, where its runqueue is not in the dump: by what the CPU noted. */

import { taskStack } from '../unwind/stacks.ts';
import type { Noted } from '../unwind/starts.ts';
import type { KernelView } from '../view/view.ts';
import type { Task } from './task-list.ts';

type Told = Pick<Task, 'cpu' | 'isRunning' | 'ranBy'>;

/** By address of the task: those that one of the `cpus` ran, as far as it can be told. */
export function ranByNotes(
  view: KernelView,
  tasks: readonly Task[],
  noted: ReadonlyMap<number, Noted>,
  cpus: readonly number[],
): Map<bigint, Told> {
  const told = new Map<bigint, Told>();
  const wanted = cpus.filter((cpu) => noted.has(cpu));
  if (wanted.length === 0) return told;
  const others = tasks.filter(({ isRunning }) => !isRunning);
  // Of a hostile dump there may be as many CPUs and tasks as there can be: none is looked for among all.
  const stacks = others
    .flatMap(({ vaddr }) => {
      const stack = taskStack(view, vaddr);
      return stack === undefined ? [] : [{ ...stack, task: vaddr }];
    })
    .sort((a, b) => (a.start < b.start ? -1 : 1));
  const byPid = new Map(others.map((task) => [keyOf(task), task.vaddr]));
  for (const cpu of wanted) {
    const { registers, pid } = noted.get(cpu)!;
    const byStack = lastBelow(stacks, registers.rsp);
    if (byStack !== undefined && registers.rsp < byStack.end)
      told.set(byStack.task, { cpu, isRunning: true, ranBy: 'stack pointer' });
    else if (pid !== undefined) {
      const task = byPid.get(keyOf({ pid, cpu }));
      if (task !== undefined) told.set(task, { cpu, isRunning: true, ranBy: 'PID' });
    }
  }
  return told;
}

/** PID 0 is the idle task of each CPU. */
function keyOf({ pid, cpu }: Pick<Task, 'pid' | 'cpu'>): string {
  return pid === 0 ? `idle ${cpu}` : String(pid);
}

function lastBelow<S extends { readonly start: bigint }>(sorted: readonly S[], at: bigint): S | undefined {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle]!.start <= at) low = middle + 1;
    else high = middle;
  }
  return sorted[low - 1];
}
