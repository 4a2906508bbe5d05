/** `smelt mods`: the modules of the crashed kernel. */

import { setImmediate as breathe } from 'node:timers/promises';
import { type UsedModule, withUsers } from '../kernel/modules/module-list.ts';
import { inputReport, stopIfAborted } from '../workers/input.ts';
import type { DumpObserver, InputReport, InputRequest, RunReport } from '../workers/report.ts';
import { peakRssBytes } from '../workers/resources.ts';
import { noLayouts, noSymbols, noTables, searchedNote } from './address.ts';
import { withKernel } from './looking.ts';

export interface ModsReport extends RunReport {
  readonly input: InputReport;
  /** In the order of their addresses. */
  readonly modules: readonly UsedModule[];
}

/** @throws SmeltError NO_SYMBOLS, NO_LAYOUTS, UNDECIDABLE; INTERRUPTED when the signal was aborted */
export function mods(
  request: InputRequest,
  observer: DumpObserver,
  signal: AbortSignal,
): Promise<ModsReport> {
  const began = performance.now();
  return withKernel(request, observer, signal, async ({ file, description, view }) => {
    if (view === undefined) throw noTables(file.path);
    const list = view.modules;
    if (list === undefined)
      throw view.symbols === undefined ? noSymbols(file.path) : noLayouts(file.path, 'modules');
    const { modules, gaps } = await withUsers(view, list.modules, async () => {
      await breathe();
      stopIfAborted(signal);
    });
    return {
      input: inputReport(file, request, description),
      modules,
      totalMs: performance.now() - began,
      peakRssBytes: peakRssBytes(),
      warnings: [...searchedNote(view), ...list.gaps, ...gaps],
    };
  });
}
