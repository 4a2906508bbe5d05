/** `smelt --mem-usage`: how many pages are of which kind, by a level 31 that is not written. */

import { SmeltError } from '../errors.ts';
import { MAX_DUMP_LEVEL } from '../filter/page-class.ts';
import { urgencyOrder } from '../filter/plan.ts';
import { compareWithKnownKernels } from '../kernel/machine.ts';
import { comma } from '../read/file.ts';
import { openScratch } from '../write/scratch.ts';
import { freePagesWarning, whyNothingFound, whyUnreadable } from './checks.ts';
import { UndecidedPages } from './classify-phase.ts';
import { type Input, refuseCiphertext, stopIfAborted, withInput } from './input.ts';
import { bitmapsIn, placeWindows } from './job.ts';
import { readingJob } from './reading-job.ts';
import type { DumpObserver, DumpRequest, InputRequest, UsageReport } from './report.ts';
import { peakRssBytes } from './resources.ts';
import { takeSteps } from './steps.ts';
import { keptBitsIn, LateDrops, settle, sumClassified, sumZero } from './sums.ts';
import { assembleTeam, type Team } from './team.ts';

/** @throws SmeltError; INTERRUPTED when the signal was aborted */
export async function memUsage(
  request: InputRequest & Pick<DumpRequest, 'workDir'>,
  observer: DumpObserver,
  signal: AbortSignal,
): Promise<UsageReport> {
  const began = performance.now();
  return withInput(request, observer, signal, async (input) => {
    const { file, plan, helpers, description } = input;
    refuseUnreadable(input);
    const warnings: string[] = [];
    const warn = (sentence: string) => {
      warnings.push(sentence);
      observer.onWarning(sentence);
    };
    for (const warning of description.warnings) warn(warning);
    const onProgress = observer.onProgress.bind(observer);
    const scratch = openScratch(Math.ceil(plan.maxMapnr / 8) * 2, request.workDir);
    const bitmaps = bitmapsIn(scratch, plan.maxMapnr);
    const job = {
      ...readingJob(input, MAX_DUMP_LEVEL),
      order: urgencyOrder(plan, []),
      target: { bitmaps, outlets: [], layout: undefined },
    };
    let team: Team | undefined;
    try {
      team = await assembleTeam(job, helpers, onProgress, signal);
      const { thread } = team;
      const look = () => stopIfAborted(signal);
      const classified = sumClassified(await team.classify(plan.totalPages));
      look();
      const nothing = whyNothingFound(classified, plan.totalPages);
      if (nothing !== undefined) throw undecidable(request.input, nothing);
      const unlike = freePagesWarning(file, description.machine, classified, MAX_DUMP_LEVEL);
      if (unlike !== undefined) warn(unlike);
      const late = new LateDrops(plan, classified.carries, undefined);
      const kept = keptBitsIn(job.target.bitmaps, plan);
      await takeSteps(settle(job, classified, late, kept, new UndecidedPages(thread)), look);
      const keptPages = placeWindows(plan, job.shared);
      const found = sumZero(await team.dropZeroPages(keptPages));
      look();
      if (team.fallback !== undefined) warn(team.fallback);
      if (found.missingPages > 0)
        warn(
          `${comma(found.missingPages)} pages could not be read from ${file.path}, and are taken for the kernel's`,
        );
      const undecided = classified.classes.undecided - found.undecidedZeroPages;
      return {
        input: input.report,
        totalPages: plan.totalPages,
        classes: {
          ...classified.classes,
          kernel: keptPages - found.zeroPages - undecided,
          undecided,
          zero: found.zeroPages,
        },
        absentPages: classified.absent,
        missingPages: found.missingPages,
        kernelFreePages: description.machine.kernelFreePages,
        threads: team.threads,
        phases: team.phases,
        totalMs: performance.now() - began,
        peakRssBytes: peakRssBytes(),
        warnings,
      };
    } finally {
      team?.close();
      scratch.close();
    }
  });
}

/** @throws SmeltError where there is nothing to be counted */
function refuseUnreadable({ file, description, verdict }: Input): void {
  refuseCiphertext(verdict);
  const { machine } = description;
  if (compareWithKnownKernels(machine.release) < 0) {
    throw new SmeltError(
      'UNSUPPORTED',
      `${file.path}: is of Linux ${machine.release}, older than what smelt can filter (4.19)`,
      { hint: '`makedumpfile --message-level 16 -d 31` of that machine counts its pages.' },
    );
  }
  const why = whyUnreadable(machine);
  if (why !== undefined) throw undecidable(file.path, why);
}

function undecidable(path: string, why: string): SmeltError {
  return new SmeltError('UNDECIDABLE', `${path}: the memory map cannot be read: ${why}`, {
    hint: 'A file with VMCOREINFO of the same kernel can be given with -i, or its vmlinux with -x, if that is what it lacks.',
  });
}
