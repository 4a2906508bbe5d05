/** `smelt --mem-usage`: how many pages are of which kind, by a level 31 that is not written. */

import { SmeltError } from '../errors.ts';
import { MAX_DUMP_LEVEL } from '../filter/page-class.ts';
import { windowSpan } from '../filter/plan.ts';
import { compareWithKnownKernels } from '../kernel/machine.ts';
import { openZeroTest } from '../native/zero-test.ts';
import { runsOf, testBit } from '../read/bitmap.ts';
import { comma } from '../read/file.ts';
import { freePagesWarning, whyNothingFound, whyUnreadable } from './checks.ts';
import { UndecidedPages } from './classify-phase.ts';
import { type Input, refuseCiphertext, stopIfAborted, withInput } from './input.ts';
import { placeWindows } from './job.ts';
import { readingJob } from './reading-job.ts';
import type { DumpObserver, InputRequest, Progress, UsageReport } from './report.ts';
import { peakRssBytes } from './resources.ts';
import { takeSteps } from './steps.ts';
import { type KeptBits, keptBitsAgain, LateDrops, settle, sumClassified } from './sums.ts';
import { assembleTeam, type Team } from './team.ts';
import type { Thread } from './thread.ts';

/** How often progress is told. */
const TICK_MS = 100;

/** @throws SmeltError; INTERRUPTED when the signal was aborted */
export async function memUsage(
  request: InputRequest,
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
    const job = readingJob(input, MAX_DUMP_LEVEL);
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
      const kept = keptBitsAgain(thread, late);
      await takeSteps(settle(job, classified, late, kept, new UndecidedPages(thread)), look);
      const keptPages = placeWindows(plan, job.shared);
      const zerosBegan = performance.now();
      const found = await takeSteps(zerosOf(thread, kept, keptPages, onProgress), look);
      if (team.fallback !== undefined) warn(team.fallback);
      if (found.missing > 0)
        warn(
          `${comma(found.missing)} pages could not be read from ${file.path}, and are taken for the kernel's`,
        );
      const undecided = classified.classes.undecided - found.undecidedZeros;
      return {
        input: input.report,
        totalPages: plan.totalPages,
        classes: {
          ...classified.classes,
          kernel: keptPages - found.zeros - undecided,
          undecided,
          zero: found.zeros,
        },
        absentPages: classified.absent,
        missingPages: found.missing,
        kernelFreePages: description.machine.kernelFreePages,
        threads: team.threads,
        phases: [...team.phases, { phase: 'zeros', pages: keptPages, ms: performance.now() - zerosBegan }],
        totalMs: performance.now() - began,
        peakRssBytes: peakRssBytes(),
        warnings,
      };
    } finally {
      await team?.close().catch(() => {});
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
    hint: 'A file with VMCOREINFO of the same kernel can be given with -i, if that is what it lacks.',
  });
}

interface Zeros {
  zeros: number;
  undecidedZeros: number;
  missing: number;
}

/** Reads all pages that are kept. */
function* zerosOf(
  thread: Thread,
  kept: KeptBits,
  totalPages: number,
  onProgress: (progress: Progress) => void,
): Generator<void, Zeros> {
  const { reader, job } = thread;
  const { pageSize } = reader;
  const undecided = new UndecidedPages(thread);
  const isZero = openZeroTest(pageSize);
  const found: Zeros = { zeros: 0, undecidedZeros: 0, missing: 0 };
  const began = performance.now();
  let donePages = 0;
  let told = began;
  for (let index = 0; index < job.plan.starts.length; index++) {
    if (job.shared.keptPages[index] === 0) continue;
    const { pfn, count } = windowSpan(job.plan, index);
    const open = undecided.of(index);
    for (const [from, to] of runsOf(kept.read(index), 0, count)) {
      for (let at = from; at < to; ) {
        const pages = reader.load(pfn + at, Math.min(to - at, reader.maxPages));
        if (pages === 0) found.missing++;
        for (let i = 0; i < pages; i++) {
          if (!isZero(reader.bytes, reader.start + i * pageSize)) continue;
          found.zeros++;
          if (open !== undefined && testBit(open, at + i)) found.undecidedZeros++;
        }
        at += Math.max(1, pages);
        donePages += Math.max(1, pages);
        const now = performance.now();
        if (now - told >= TICK_MS) {
          told = now;
          onProgress({ phase: 'zeros', donePages, totalPages, elapsedMs: now - began });
        }
        yield;
      }
    }
  }
  onProgress({ phase: 'zeros', donePages, totalPages, elapsedMs: performance.now() - began });
  return found;
}
