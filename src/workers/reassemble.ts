/** The parts of a split dump as one file again, each page as it is stored: makedumpfile --reassemble. */

import { SmeltError } from '../errors.ts';
import { closeDump } from '../read/open.ts';
import { missingPagesWarning } from './checks.ts';
import type { CompressResult } from './compress-phase.ts';
import { describeByNotes } from './describe.ts';
import { gather } from './gather.ts';
import { inputReport, openInput, refuseInputAsOutput, withHelpers } from './input.ts';
import type { DumpObserver, GatherRequest, ReassembleReport } from './report.ts';
import { peakRssBytes } from './resources.ts';
import { protectionOf, requireEncrypted } from './target-protection.ts';

/** @throws SmeltError PARTS where something is missing, or there twice */
export async function reassemble(
  request: GatherRequest & { readonly output: string },
  observer: DumpObserver,
  signal: AbortSignal,
): Promise<ReassembleReport> {
  const began = performance.now();
  const { output } = request;
  refuseInputAsOutput(request, output);
  if (request.requireEncryptedTarget) requireEncrypted(output, await protectionOf(output));
  const file = await openInput(request, signal);
  if (file.format !== 'kdump' || !file.split) {
    closeDump(file);
    throw new SmeltError('PARTS', `${file.path}: is a whole dump, and no part of a split one`, {
      hint: '--reassemble joins what --split has made: name all its parts, and then the file to write.',
    });
  }
  return withHelpers(file, request, async (planned) => {
    const description = describeByNotes(file);
    const input = inputReport(file, request, description);
    observer.onInput(input);
    const warnings: string[] = [];
    const onWarning = (sentence: string) => {
      warnings.push(sentence);
      observer.onWarning(sentence);
    };
    let done: CompressResult | undefined;
    const onPages = (compressed: CompressResult) => {
      done = compressed;
      const missing = missingPagesWarning(file, compressed);
      if (missing !== undefined) onWarning(missing);
    };
    const { sizeBytes, targetProtection, threads, phases } = await gather(
      { ...planned, description, mmap: false },
      request,
      { check: false, onPages },
      { onProgress: observer.onProgress.bind(observer), onWarning },
      signal,
    );
    return {
      input,
      output: { path: output, sizeBytes },
      pages: phases.find(({ phase }) => phase === 'gather')?.pages ?? 0,
      missingPages: done?.missingPages ?? 0,
      targetProtection,
      threads,
      phases,
      totalMs: performance.now() - began,
      peakRssBytes: peakRssBytes(),
      warnings,
    };
  });
}
