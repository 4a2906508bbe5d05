/** Runs the phases of a job on worker threads, or in this one when there are none. */

import { setImmediate as breathe } from 'node:timers/promises';
import type { Piscina } from 'piscina';
import { SmeltError, systemReason } from '../errors.ts';
import type { ClassifyResult } from './classify-phase.ts';
import type { CompressResult } from './compress-phase.ts';
import { doneOf, type Job, resetShared } from './job.ts';
import type { PhaseReport, Progress } from './report.ts';
import { Thread } from './thread.ts';
import { type Outcome, phaseSteps, type Task } from './worker.ts';

/** How often progress is told; between that, an in-process run does not look up from its work. */
const TICK_MS = 100;
/** A worker's own heap holds little: its buffers lie outside of it, its work allocates almost nothing. */
const WORKER_LIMITS = { maxYoungGenerationSizeMb: 4, maxOldGenerationSizeMb: 48 };

export interface Team {
  classify(totalPages: number): Promise<ClassifyResult[]>;
  compress(keptPages: number): Promise<CompressResult[]>;
  readonly phases: readonly PhaseReport[];
  /** Worker threads at work, and why there are none where some were asked for. */
  readonly threads: number;
  readonly fallback: string | undefined;
  close(): Promise<void>;
}

/** `threads` 0 runs in process. An aborted signal makes everybody stop; the results are then those of what was done. */
export async function assembleTeam(
  job: Job,
  threads: number,
  onProgress: (progress: Progress) => void,
  signal: AbortSignal,
): Promise<Team> {
  const phases: PhaseReport[] = [];
  const stop = () => Atomics.store(job.shared.stop, 0, 1);
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
  let fallback: string | undefined;
  const alone = (error: unknown) => {
    fallback = `${threads} worker threads cannot be used (${systemReason(error)}): all work is done in one thread`;
    return inProcess(job);
  };
  let crew = threads === 0 ? await inProcess(job) : await workerThreads(job, threads).catch(alone);

  const run = async (task: Task, totalPages: number): Promise<(ClassifyResult | CompressResult)[]> => {
    const { phase } = task;
    const began = performance.now();
    const tell = () => {
      const donePages = doneOf(job.shared, phase);
      onProgress({ phase, donePages, totalPages, elapsedMs: performance.now() - began });
    };
    tell();
    const timer = setInterval(tell, TICK_MS);
    try {
      return await crew.run(task, stop);
    } finally {
      clearInterval(timer);
      tell();
      phases.push({ phase, pages: doneOf(job.shared, phase), ms: performance.now() - began });
    }
  };
  return {
    async classify(totalPages) {
      const task = { phase: 'classify' } as const;
      try {
        return (await run(task, totalPages)) as ClassifyResult[];
      } catch (error) {
        // A thread that died, not the work that failed: nothing is lost yet, and the work can be done again.
        if (error instanceof SmeltError || signal.aborted || fallback !== undefined || threads === 0)
          throw error;
        await crew.close();
        resetShared(job.shared);
        phases.length = 0;
        crew = await alone(error);
        return (await run(task, totalPages)) as ClassifyResult[];
      }
    },
    compress: (keptPages) => run({ phase: 'compress', keptPages }, keptPages) as Promise<CompressResult[]>,
    phases,
    get threads() {
      return fallback === undefined ? threads : 0;
    },
    get fallback() {
      return fallback;
    },
    async close() {
      signal.removeEventListener('abort', stop);
      await crew.close();
    },
  };
}

interface Crew {
  /** `stop` tells the others when one fails. */
  run(task: Task, stop: () => void): Promise<(ClassifyResult | CompressResult)[]>;
  close(): Promise<void>;
}

async function inProcess(job: Job): Promise<Crew> {
  const thread = await Thread.open(job);
  return {
    async run(task) {
      const steps = await phaseSteps(thread, task);
      let looked = performance.now();
      for (;;) {
        const { done, value } = steps.next();
        if (done) return [value];
        // Timers and signals get their turn, but not at every step.
        if (performance.now() - looked > TICK_MS / 2) {
          await breathe();
          looked = performance.now();
        }
      }
    },
    close: async () => thread.close(),
  };
}

async function workerThreads(job: Job, threads: number): Promise<Crew> {
  const pool: Piscina = new (await import('piscina')).Piscina({
    filename: new URL('./entry.cjs', import.meta.url).href,
    name: 'work',
    workerData: job,
    // All start at once; where the system refuses one, the constructor throws.
    minThreads: threads,
    maxThreads: threads,
    resourceLimits: WORKER_LIMITS,
    recordTiming: false,
  });
  // A thread that dies without a task, at its start or between two, is told nowhere else.
  const death = new Promise<never>((_, reject) => pool.on('error', reject));
  death.catch(() => {});
  return {
    async run(task, stop) {
      const tasks = Array.from({ length: threads }, async () => {
        try {
          const outcome = (await pool.run(task)) as Outcome;
          if ('result' in outcome) return outcome.result;
          const { code, message, options } = outcome.error;
          throw new SmeltError(code, message, options);
        } catch (error) {
          stop();
          throw error;
        }
      });
      // Nobody may still be writing when the caller hears of the failure.
      const results = await Promise.race([Promise.allSettled(tasks), death]).catch(async (error) => {
        stop();
        await pool.destroy();
        throw error;
      });
      const failed = results.find((result) => result.status === 'rejected');
      if (failed) throw failed.reason;
      return results.map(
        (result) => (result as PromiseFulfilledResult<ClassifyResult | CompressResult>).value,
      );
    },
    close: () => pool.destroy(),
  };
}
