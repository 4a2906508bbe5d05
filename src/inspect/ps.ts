/** `smelt ps`: the tasks of the crashed kernel. */

import { setImmediate as breathe } from 'node:timers/promises';
import { presentPages } from '../kernel/tasks/memory-use.ts';
import { listTasks, type Task } from '../kernel/tasks/task-list.ts';
import { notedByCpus } from '../kernel/unwind/starts.ts';
import { Cpus } from '../kernel/view/cpus.ts';
import { parseNotes } from '../read/notes.ts';
import { inputReport, stopIfAborted } from '../workers/input.ts';
import type { DumpObserver, InputReport, InputRequest, RunReport } from '../workers/report.ts';
import { peakRssBytes } from '../workers/resources.ts';
import { noLayouts, noSymbols, noTables, searchedNote } from './address.ts';
import { withKernel } from './looking.ts';
import { among, cpuGap, noTask, type Who } from './who.ts';

export interface PsRequest extends InputRequest {
  /** Of a process its threads too; undefined: all tasks. */
  readonly whom?: readonly Who[] | undefined;
}

export interface PsReport extends RunReport {
  readonly input: InputReport;
  /** Numbers of the CPUs that were there. */
  readonly cpus: readonly number[];
  /** Memory of the machine; undefined where it cannot be told. */
  readonly memoryBytes: number | undefined;
  /** All that there are, whatever was asked for. */
  readonly totalTasks: number;
  /** Idle tasks first, then by PID; where some were asked for those, in that order. */
  readonly tasks: readonly Task[];
}

/** @throws SmeltError NO_TASK, NO_SYMBOLS, NO_LAYOUTS, UNDECIDABLE; INTERRUPTED when the signal was aborted */
export function ps(request: PsRequest, observer: DumpObserver, signal: AbortSignal): Promise<PsReport> {
  const began = performance.now();
  return withKernel(request, observer, signal, async ({ file, description, view }) => {
    if (view === undefined) throw noTables(file.path);
    const cpus = new Cpus(view);
    const noted = notedByCpus(view, cpus, parseNotes(file.notes, file.littleEndian));
    const look = async () => {
      await breathe();
      stopIfAborted(signal);
    };
    const list = await listTasks(view, look, noted);
    if (list === undefined)
      throw view.symbols === undefined ? noSymbols(file.path) : noLayouts(file.path, 'tasks');
    const { tasks, missing } =
      request.whom === undefined ? { tasks: list.tasks, missing: [] } : among(list.tasks, request.whom, true);
    if (tasks.length === 0 && missing.length > 0) {
      const hint = `\`smelt ps ${file.path}\` lists all; a part of a split dump would be a file.`;
      throw noTask(file.path, missing, list.gaps.length > 0, hint);
    }
    const ran = new Set(list.tasks.flatMap(({ cpu, isRunning }) => (isRunning ? [cpu] : [])));
    const unknown = list.cpus.numbers.filter((cpu) => !ran.has(cpu));
    const pages = presentPages(view);
    return {
      input: inputReport(file, request, description),
      cpus: list.cpus.numbers,
      memoryBytes: pages === undefined ? undefined : pages * file.pageSize,
      totalTasks: list.tasks.length,
      tasks,
      totalMs: performance.now() - began,
      peakRssBytes: peakRssBytes(),
      warnings: [...searchedNote(view), ...list.gaps, ...cpuGap(unknown), ...missing],
    };
  });
}
