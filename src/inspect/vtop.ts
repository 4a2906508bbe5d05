/** `smelt vtop`: the walk through the page tables from a virtual address, or a symbol, to a physical one. */

import type { Walk } from '../arch/walk.ts';
import { inputReport } from '../workers/input.ts';
import type { DumpObserver, InputReport, InputRequest, RunReport } from '../workers/report.ts';
import { peakRssBytes } from '../workers/resources.ts';
import { walkIn } from '../workers/vtop.ts';
import { find, type Where } from './address.ts';
import { withKernel } from './looking.ts';

export interface VtopRequest extends InputRequest {
  readonly where: Where;
}

export interface VtopReport extends RunReport {
  readonly input: InputReport;
  readonly walk: Walk;
}

/** @throws SmeltError NO_SYMBOL, NO_SYMBOLS, UNDECIDABLE */
export function vtop(request: VtopRequest, observer: DumpObserver, signal: AbortSignal): Promise<VtopReport> {
  const began = performance.now();
  return withKernel(request, observer, signal, async (looking) => {
    const { file, description, view } = looking;
    const { where } = request;
    // A number in the lower half is a virtual address too, one of user space: that the kernel's tables lead nowhere is the answer.
    const vaddr = where.kind === 'address' ? where.value : find(file.path, where, view).vaddr!;
    return {
      input: inputReport(file, request, description),
      walk: walkIn(looking, vaddr),
      totalMs: performance.now() - began,
      peakRssBytes: peakRssBytes(),
      warnings: [],
    };
  });
}
