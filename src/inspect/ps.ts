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
  /** Idle tasks first, then by PID. */
  readonly tasks: readonly Task[];
}

/** @throws SmeltError NO_SYMBOLS, NO_LAYOUTS, UNDECIDABLE; INTERRUPTED when the signal was aborted */
export function ps(request: InputRequest, observer: DumpObserver, signal: AbortSignal): Promise<PsReport> {
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
      tasks: list.tasks,
      totalMs: performance.now() - began,
      peakRssBytes: peakRssBytes(),
      warnings: [...searchedNote(view), ...list.gaps],
    };
  });
}
