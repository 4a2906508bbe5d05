/** `smelt mods`: the modules of the crashed kernel. */

import type { Module } from '../kernel/modules/module-list.ts';
import { inputReport } from '../workers/input.ts';
import type { DumpObserver, InputReport, InputRequest, RunReport } from '../workers/report.ts';
import { peakRssBytes } from '../workers/resources.ts';
import { noLayouts, noSymbols, noTables, searchedNote } from './address.ts';
import { withKernel } from './looking.ts';

export interface ModsReport extends RunReport {
  readonly input: InputReport;
  /** In the order of their addresses. */
  readonly modules: readonly Module[];
}

/** @throws SmeltError NO_SYMBOLS, NO_LAYOUTS, UNDECIDABLE */
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
    return {
      input: inputReport(file, request, description),
      modules: list.modules,
      totalMs: performance.now() - began,
      peakRssBytes: peakRssBytes(),
      warnings: [...searchedNote(view), ...list.gaps],
    };
  });
}
