/** Runs the phases of a job: this thread works, and worker threads help it where there are some. */

import { SmeltError, systemReason } from '../errors.ts';
import type { CensusPart, CensusPlan } from '../sme/census/plan.ts';
import type { ClassifyResult } from './classify-phase.ts';
import type { CompressResult } from './compress-phase.ts';
import type { DiffResult } from './diff-phase.ts';
import type { FramesResult, FramesTask } from './frames-phase.ts';
import type { Helpers } from './helpers.ts';
import { doneOf, type Job, resetPhase } from './job.ts';
import type { PhaseReport, Progress } from './report.ts';
import { takeSteps } from './steps.ts';
import { Thread } from './thread.ts';
import type { VerifyResult, VerifyTask } from './verify-phase.ts';
import { type LastTask, phaseSteps, type Result, type Task } from './worker.ts';
import type { ZeroResult } from './zero-phase.ts';

/** How often progress is told. */
const TICK_MS = 100;

export interface Team {
  census(plan: CensusPlan): Promise<CensusPart[]>;
  classify(totalPages: number): Promise<ClassifyResult[]>;
  /** For outputs where the pages of zeros have to be known first. */
  dropZeroPages(keptPages: number): Promise<ZeroResult[]>;
  finish(task: LastTask, keptPages: number): Promise<CompressResult[]>;
  verify(task: VerifyTask, pages: number): Promise<VerifyResult[]>;
  /** Against the dump of another job, which has the same windows. */
  diff(other: Job, pages: number): Promise<DiffResult[]>;
  frames(task: FramesTask, totalPages: number): Promise<FramesResult[]>;
  /** This thread's own part in it. */
  readonly thread: Thread;
  readonly phases: readonly PhaseReport[];
  /** Threads at work, this one included, and why there are no others where some were asked for. */
  readonly threads: number;
  readonly fallback: string | undefined;
  /** The helpers stay: another team may need them. */
  close(): void;
}

/** An aborted signal makes everybody stop; the results are then those of what was done. */
export async function assembleTeam(
  job: Job,
  helpers: Helpers | undefined,
  onProgress: (progress: Progress) => void,
  signal: AbortSignal,
): Promise<Team> {
  const phases: PhaseReport[] = [];
  const stop = () => Atomics.store(job.shared.stop, 0, 1);
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
  const thread = await Thread.open(job);
  let alone = helpers === undefined;

  const run = async (task: Task, totalPages: number): Promise<Result[]> => {
    const { phase } = task;
    const began = performance.now();
    const tell = () => {
      const donePages = doneOf(job.shared, phase);
      onProgress({ phase, donePages, totalPages, elapsedMs: performance.now() - began });
    };
    tell();
    const timer = setInterval(tell, TICK_MS);
    try {
      const assistance = alone ? undefined : helpers?.assist(job, task, stop);
      const own = await takeSteps(phaseSteps(thread, task)).catch((error: unknown) => ({ error }));
      // Nobody may still be writing when the caller hears of a failure.
      if ('error' in own) stop();
      const others = (await assistance?.results()) ?? [];
      if ('error' in own) throw own.error;
      return [own, ...others];
    } finally {
      clearInterval(timer);
      tell();
      phases.push({ phase, pages: doneOf(job.shared, phase), ms: performance.now() - began });
    }
  };
  /** For a phase that can be done again from its beginning. */
  const runAgain = async (task: Task, totalPages: number): Promise<Result[]> => {
    try {
      return await run(task, totalPages);
    } catch (error) {
      if (signal.aborted) throw error;
      // Nobody is at work any more: whatever follows must not find the order to stop.
      resetPhase(job.shared, task.phase);
      // A thread that died, not the work that failed: nothing is lost yet.
      if (error instanceof SmeltError || alone) throw error;
      await helpers?.close();
      alone = true;
      phases.pop();
      return runAgain(task, totalPages);
    }
  };
  return {
    census: (plan) => runAgain({ phase: 'census', plan }, plan.lowestTables) as Promise<CensusPart[]>,
    classify: (totalPages) => runAgain({ phase: 'classify' }, totalPages) as Promise<ClassifyResult[]>,
    dropZeroPages: (keptPages) => run({ phase: 'zeros' }, keptPages) as Promise<ZeroResult[]>,
    verify: (task, pages) => runAgain(task, pages) as Promise<VerifyResult[]>,
    diff: (other, pages) => runAgain({ phase: 'diff', other }, pages) as Promise<DiffResult[]>,
    finish: (task, keptPages) => run(task, keptPages) as Promise<CompressResult[]>,
    frames: (task, totalPages) => runAgain(task, totalPages) as Promise<FramesResult[]>,
    thread,
    phases,
    get threads() {
      return alone ? 1 : 1 + helpers!.count - helpers!.failed;
    },
    get fallback() {
      if (helpers === undefined || helpers.failed === 0) return undefined;
      const { count, failed, problem } = helpers;
      const some = failed < count && !alone ? `${failed} of ` : '';
      const rest = some === '' ? 'all work is done in one thread' : 'the others do their work';
      return `${some}${count} worker thread${count === 1 ? '' : 's'} cannot be used (${systemReason(problem)}): ${rest}`;
    },
    close() {
      signal.removeEventListener('abort', stop);
      thread.close();
    },
  };
}
