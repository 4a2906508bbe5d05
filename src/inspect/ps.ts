/** `smelt ps`: the tasks of the crashed kernel. */

import { setImmediate as breathe } from 'node:timers/promises';
import { presentPages } from '../kernel/tasks/memory-use.ts';
import { listTasks, type Task } from '../kernel/tasks/task-list.ts';
import { inputReport, stopIfAborted } from '../workers/input.ts';
import type { DumpObserver, InputReport, InputRequest, RunReport } from '../workers/report.ts';
import { peakRssBytes } from '../workers/resources.ts';
import { noLayouts, noSymbols, noTables, searchedNote } from './address.ts';
import { withKernel } from './looking.ts';

export interface PsReport extends RunReport {
  readonly input: InputReport;
  /** Numbers of the CPUs that were there. */
  readonly cpus: readonly number[];
  /** Memory of the machine; undefined where it cannot be told. */
  readonly memoryBytes: number | undefined;
  /** Of all, those that are not shown too. */
  readonly taskCount: number;
  /** Idle tasks first, then by PID; where the largest are asked for, by what they had in memory. */
  readonly tasks: readonly Task[];
}

export interface PsRequest extends InputRequest {
  /** So many processes that had most in memory, each told once; undefined: all tasks. */
  readonly top: number | undefined;
}

/** @throws SmeltError NO_SYMBOLS, NO_LAYOUTS, UNDECIDABLE; INTERRUPTED when the signal was aborted */
export function ps(request: PsRequest, observer: DumpObserver, signal: AbortSignal): Promise<PsReport> {
  const began = performance.now();
  return withKernel(request, observer, signal, async ({ file, description, view }) => {
    if (view === undefined) throw noTables(file.path);
    const list = await listTasks(view, async () => {
      await breathe();
      stopIfAborted(signal);
    });
    if (list === undefined)
      throw view.symbols === undefined ? noSymbols(file.path) : noLayouts(file.path, 'tasks');
    const pages = presentPages(view);
    return {
      input: inputReport(file, request, description),
      cpus: list.cpus.numbers,
      memoryBytes: pages === undefined ? undefined : pages * file.pageSize,
      taskCount: list.tasks.length,
      tasks: request.top === undefined ? list.tasks : largest(list.tasks, request.top),
      totalMs: performance.now() - began,
      peakRssBytes: peakRssBytes(),
      warnings: [...searchedNote(view), ...list.gaps],
    };
  });
}

/** Threads share their memory with the process that they are of. */
function largest(tasks: readonly Task[], most: number): Task[] {
  const resident = ({ memory }: Task) => memory?.residentBytes ?? 0;
  return tasks
    .filter(({ pid, tgid, memory }) => pid === tgid && memory !== undefined)
    .sort((a, b) => resident(b) - resident(a))
    .slice(0, most);
}
