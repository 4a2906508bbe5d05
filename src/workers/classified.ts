/** A dump whose pages are all classified, as at level 31, and nothing written: what counts or draws them begins with this. */

import { SmeltError } from '../errors.ts';
import { MAX_DUMP_LEVEL } from '../filter/page-class.ts';
import { urgencyOrder } from '../filter/plan.ts';
import { compareWithKnownKernels } from '../kernel/machine.ts';
import { comma, cutShortHint } from '../read/file.ts';
import { openScratch } from '../write/scratch.ts';
import { freePagesWarning, whyNothingFound, whyUnreadable } from './checks.ts';
import { UndecidedPages } from './classify-phase.ts';
import { type Input, refuseCiphertext, stopIfAborted, withInput } from './input.ts';
import { bitmapsIn, type Job, placeWindows } from './job.ts';
import { CUT_ALONE, cutWarning, openAnyhow } from './open-anyhow.ts';
import { readingJob } from './reading-job.ts';
import type { DumpObserver, DumpRequest, InputRequest, TeamReport } from './report.ts';
import { peakRssBytes } from './resources.ts';
import { takeSteps } from './steps.ts';
import { type Classified, keptBitsIn, LateDrops, settle, sumClassified, sumZero } from './sums.ts';
import { assembleTeam, type Team } from './team.ts';
import type { ZeroResult } from './zero-phase.ts';

export interface ClassifiedRequest extends InputRequest, Pick<DumpRequest, 'workDir'> {}

export interface ClassifiedDump {
  readonly input: Input;
  readonly job: Job;
  readonly team: Team;
  readonly classified: Classified;
  /** Page frames that would stay, those of zeros among them where nobody looked for them. */
  readonly keptPages: number;
  /** Undefined: nobody looked for pages of zeros. */
  readonly zeros: ZeroResult | undefined;
  readonly warn: (sentence: string) => void;
  /** Throws when nobody wants the result any more. */
  readonly look: () => void;
}

export interface Thoroughness {
  /** Whether page frames that the input does not have are classified, too. */
  readonly absentToo: boolean;
  /** Whether pages of zeros are looked for: all pages that stay are read then. */
  readonly zeros: boolean;
}

/** `work` gives what is told of it; how the run went comes to it here. @throws SmeltError; INTERRUPTED when the signal was aborted */
export async function withClassified<T>(
  request: ClassifiedRequest,
  observer: DumpObserver,
  signal: AbortSignal,
  { absentToo, zeros }: Thoroughness,
  work: (dump: ClassifiedDump) => Promise<T>,
): Promise<T & TeamReport> {
  const began = performance.now();
  const warnings: string[] = [];
  const warn = (sentence: string) => {
    warnings.push(sentence);
    observer.onWarning(sentence);
  };
  let isCut = false;
  const open = async () => {
    const opened = await openAnyhow(request, signal, CUT_ALONE);
    const cut = cutWarning(opened);
    if (cut !== undefined) warn(cut);
    isCut = cut !== undefined;
    return opened.file;
  };
  const count = async (input: Input) => {
    const { file, plan, helpers, description } = input;
    const cutShort = isCut || input.cutShort;
    refuseUnreadable(input, cutShort);
    for (const warning of description.warnings) warn(warning);
    const onProgress = observer.onProgress.bind(observer);
    const scratch = openScratch(Math.ceil(plan.maxMapnr / 8) * 2, request.workDir);
    const bitmaps = bitmapsIn(scratch, plan.maxMapnr);
    const job = {
      ...readingJob(input, MAX_DUMP_LEVEL),
      sortAbsent: absentToo,
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
      if (nothing !== undefined) throw undecidable(request.input, nothing, cutShort);
      const unlike = freePagesWarning(file, description.machine, classified, MAX_DUMP_LEVEL);
      if (unlike !== undefined) warn(unlike);
      const late = new LateDrops(plan, classified.carries, undefined);
      const kept = keptBitsIn(job.target.bitmaps, plan);
      await takeSteps(settle(job, classified, late, kept, new UndecidedPages(thread)), look);
      const keptPages = placeWindows(plan, job.shared);
      const found = zeros ? sumZero(await team.dropZeroPages(keptPages)) : undefined;
      look();
      const missingPages = found?.missingPages ?? 0;
      if (missingPages > 0)
        warn(
          `${comma(missingPages)} pages could not be read from ${file.path}, and are taken for the kernel's`,
        );
      const told = await work({ input, job, team, classified, keptPages, zeros: found, warn, look });
      if (team.fallback !== undefined) warn(team.fallback);
      return {
        ...told,
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
  };
  return withInput(request, observer, signal, count, undefined, open);
}

/** @throws SmeltError where there is nothing to be counted */
function refuseUnreadable({ file, description, verdict }: Input, cutShort: boolean): void {
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
  if (why !== undefined) throw undecidable(file.path, why, cutShort);
}

function undecidable(path: string, why: string, cutShort: boolean): SmeltError {
  return new SmeltError('UNDECIDABLE', `${path}: the memory map cannot be read: ${why}`, {
    hint: cutShort
      ? cutShortHint(path)
      : 'A file with VMCOREINFO of the same kernel can be given with -i, or its vmlinux with -x, if that is what it lacks.',
  });
}
