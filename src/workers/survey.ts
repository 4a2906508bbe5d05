/** `smelt sme` on a dump: which of its pages were encrypted while the machine ran, and whether it was read as it has to be. */

import { comma, cutShortHint } from '../read/file.ts';
import { writePagesFile } from '../write/pages-file.ts';
import { openTarget, type TargetFile } from '../write/target-file.ts';
import { type TakenCensus, takeCensus } from './census.ts';
import { type Input, isUnreadable, refuseInputAsOutput, stopIfAborted, withInput } from './input.ts';
import { readingJob } from './reading-job.ts';
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
  refuseInputAsOutput(request, request.pagesFile);
  return withInput(request, observer, signal, async (input) => {
    const warnings: string[] = [];
    const warn = (sentence: string) => {
      warnings.push(sentence);
      observer.onWarning(sentence);
    };
    for (const warning of input.description.warnings) warn(warning);
    const { pagesFile } = request;
    const target = pagesFile === undefined ? undefined : openTarget(pagesFile, request.overwrite);
    let team: Team | undefined;
    try {
      team = await assembleTeam(
        readingJob(input, 0),
        input.helpers,
        observer.onProgress.bind(observer),
        signal,
      );
      const look = () => stopIfAborted(signal);
      const taken = await takeCensus(input, team, 'ranges', look);
      look();
      if (team.fallback !== undefined) warn(team.fallback);
      if (target !== undefined) keepPages(target, input, taken, warn);
      return {
        input: input.report,
        verdict: input.verdict,
        census: taken?.report,
        noCensus: taken === undefined ? whyNoTables(request, input, team) : undefined,
        pagesFile: taken && pagesFile,
        threads: team.threads,
        phases: team.phases,
        totalMs: performance.now() - began,
        peakRssBytes: peakRssBytes(),
        warnings,
      };
    } catch (error) {
      target?.discard();
      throw error;
    } finally {
      team?.close();
    }
  });
}

function whyNoTables(
  { smeMask }: SmeRequest,
  { file, description, verdict }: Input,
  { thread }: Team,
): NonNullable<SmeReport['noCensus']> {
  const { cutPages } = thread.reader;
  if (isUnreadable(verdict)) return { why: 'the memory is not readable', hint: undefined };
  if (cutPages > 0) {
    return {
      why: `the file is cut short at byte ${comma(file.fileBytes)}`,
      hint: cutShortHint(file.path),
    };
  }
  return {
    why: description.machine.unreadable ?? 'those that VMCOREINFO names do not map the memory',
    hint: smeMask === undefined ? undefined : 'Leave out --sme-mask, if that may be wrong.',
  };
}

/** Writes the two bitmaps, or says why there are none. */
function keepPages(
  target: TargetFile,
  { file, plan, description }: Input,
  taken: TakenCensus | undefined,
  warn: (sentence: string) => void,
): void {
  if (taken === undefined) {
    target.discard();
    warn(`${target.path}: was not written, because there is no census`);
    return;
  }
  const { frames, meaning } = taken.census;
  if (meaning === 'none')
    warn(`${target.path}: both bitmaps are empty, because no page table has an encryption bit`);
  writePagesFile(target.path, target.fd, {
    pageSize: file.pageSize,
    maxMapnr: plan.maxMapnr,
    mask: description.encryptionMask,
    encrypted: frames.encrypted,
    shared: frames.shared,
  });
  target.seal();
}
