/** `smelt --mem-usage`: how many pages are of which kind, by a level 31 that is not written. */

import { type ClassifiedRequest, withClassified } from './classified.ts';
import type { DumpObserver, UsageReport } from './report.ts';

/** @throws SmeltError; INTERRUPTED when the signal was aborted */
export function memUsage(
  request: ClassifiedRequest,
  observer: DumpObserver,
  signal: AbortSignal,
): Promise<UsageReport> {
  const thorough = { absentToo: false, zeros: true };
  return withClassified(request, observer, signal, thorough, async (dump) => {
    const { input, classified, keptPages } = dump;
    const found = dump.zeros!;
    const undecided = classified.classes.undecided - found.undecidedZeroPages;
    return {
      input: input.report,
      totalPages: input.plan.totalPages,
      classes: {
        ...classified.classes,
        kernel: keptPages - found.zeroPages - undecided,
        undecided,
        zero: found.zeroPages,
      },
      absentPages: classified.absent,
      missingPages: found.missingPages,
      kernelFreePages: input.description.machine.kernelFreePages,
    };
  });
}
