/** `smelt sme` on a dump: which of its pages were encrypted while the machine ran, and whether it was read as it has to be. */

import { urgencyOrder } from '../filter/plan.ts';
import { comma } from '../read/file.ts';
import { writePagesFile } from '../write/pages-file.ts';
import { openTarget } from '../write/target-file.ts';
import { type TakenCensus, takeCensus } from './census.ts';
import { type Input, isUnreadable, refuseInputAsOutput, stopIfAborted, withInput } from './input.ts';
import { createShared, type Job } from './job.ts';
import type { DumpObserver, SmeReport, SmeRequest } from './report.ts';
import { peakRssBytes } from './resources.ts';
import { assembleTeam, type Team } from './team.ts';

/** @throws SmeltError; INTERRUPTED when the signal was aborted */
export async function survey(
  request: SmeRequest,
  observer: DumpObserver,
  signal: AbortSignal,
): Promise<SmeReport> {
  const began = performance.now();
  refuseInputAsOutput(request.input, request.pagesFile);
  return withInput(request, observer, signal, async (input) => {
    observer.onInput(input.report);
    const warnings = [...input.description.warnings];
    const team = await assembleTeam(
      surveyJob(input),
      input.helpers,
      observer.onProgress.bind(observer),
      signal,
    );
    try {
      const taken = await takeCensus(input, team, 'ranges');
      stopIfAborted(signal);
      if (team.fallback !== undefined) warnings.push(team.fallback);
      if (taken === undefined) warnings.push(`no page tables can be found: ${whyNoTables(input, team)}`);
      else writePages(request, input, taken);
      if (request.pagesFile !== undefined && taken === undefined)
        warnings.push(`${request.pagesFile}: was not written, because there is no census`);
      if (request.pagesFile !== undefined && taken?.census.meaning === 'none')
        warnings.push(
          `${request.pagesFile}: both bitmaps are empty, because no page table has an encryption bit`,
        );
      for (const warning of warnings) observer.onWarning(warning);
      return {
        input: input.report,
        verdict: input.verdict,
        census: taken?.report,
        pagesFile: taken && request.pagesFile,
        threads: team.threads,
        phases: team.phases,
        totalMs: performance.now() - began,
        peakRssBytes: peakRssBytes(),
        warnings,
      };
    } finally {
      await team.close().catch(() => {});
    }
  });
}

function whyNoTables({ file, description, verdict }: Input, { thread }: Team): string {
  const { cutPages } = thread.reader;
  if (isUnreadable(verdict)) return 'the memory is not readable';
  if (cutPages > 0) return `the file is cut short at byte ${comma(file.fileBytes)}`;
  return description.machine.unreadable ?? 'those that VMCOREINFO names do not map the memory';
}

/** No page is classified or compressed: what of a job is for that is left empty. */
function surveyJob({ file, plan, helpers, description, mmap }: Input): Job {
  const { memoryMap } = description.machine;
  return {
    file,
    mmap,
    memoryMap,
    dumpLevel: 0,
    plan,
    order: urgencyOrder(plan, []),
    codec: undefined,
    codecMaker: undefined,
    compressionLevel: undefined,
    target: undefined,
    shared: createShared(plan.starts.length, helpers?.count ?? 0, 0),
  };
}

function writePages(
  { pagesFile, overwrite }: SmeRequest,
  { file, plan, description }: Input,
  { census }: TakenCensus,
): void {
  if (pagesFile === undefined) return;
  const target = openTarget(pagesFile, overwrite);
  try {
    writePagesFile(target.path, target.fd, {
      pageSize: file.pageSize,
      maxMapnr: plan.maxMapnr,
      mask: description.encryptionMask,
      encrypted: census.frames.encrypted,
      shared: census.frames.shared,
    });
    target.seal();
  } catch (error) {
    target.discard();
    throw error;
  }
}
