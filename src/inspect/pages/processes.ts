/** Which processes have the most memory of their own, by what each counts: pages are not followed to them. */

import { setImmediate as breathe } from 'node:timers/promises';
import type { MemoryUse } from '../../kernel/tasks/memory-use.ts';
import { listTasks, type Task } from '../../kernel/tasks/task-list.ts';
import type { KernelView } from '../../kernel/view/view.ts';

export interface ProcessMemory extends MemoryUse {
  /** Its tgid. */
  readonly pid: number;
  readonly comm: string;
}

export interface ProcessesReport {
  /** Those with the most anonymous memory first, in memory or swapped out. */
  readonly top: readonly ProcessMemory[];
  /** How many have memory of their own, and what all of them count together: a page that they share is counted by each. */
  readonly processes: number;
  readonly anonBytes: number;
  readonly fileBytes: number;
  readonly shmemBytes: number;
  readonly swapBytes: number;
}

/** Undefined where the kernel's symbols or layouts are missing. `look` throws when nobody wants it any more. */
export async function topProcesses(
  view: KernelView,
  top: number,
  look: () => void,
  warn: (sentence: string) => void,
): Promise<ProcessesReport | undefined> {
  const list = await listTasks(view, async () => {
    await breathe();
    look();
  });
  if (list === undefined) return undefined;
  for (const gap of list.gaps) warn(gap);
  const processes = processesOf(list.tasks);
  const sum = (field: 'anonBytes' | 'fileBytes' | 'shmemBytes' | 'swapBytes') =>
    processes.reduce((total, process) => total + process[field], 0);
  const own = ({ anonBytes, swapBytes }: MemoryUse) => anonBytes + swapBytes;
  return {
    top: processes
      .toSorted((a, b) => own(b) - own(a) || b.residentBytes - a.residentBytes || a.pid - b.pid)
      .slice(0, top),
    processes: processes.length,
    anonBytes: sum('anonBytes'),
    fileBytes: sum('fileBytes'),
    shmemBytes: sum('shmemBytes'),
    swapBytes: sum('swapBytes'),
  };
}

/** One of all threads, the first where it is still there: it may have ended before the others. */
function processesOf(tasks: readonly Task[]): ProcessMemory[] {
  const found = new Map<number, ProcessMemory>();
  for (const { pid, tgid, comm, memory, isKernelThread } of tasks) {
    // A kernel thread may work on the memory of a process, which is not its own.
    if (memory === undefined || isKernelThread || (found.has(tgid) && pid !== tgid)) continue;
    found.set(tgid, { pid: tgid, comm, ...memory });
  }
  return [...found.values()];
}
