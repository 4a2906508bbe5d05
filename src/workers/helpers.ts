/** Worker threads that help with a job: started before there is one, so that they come up while the dump is described. */

import type { Piscina } from 'piscina';
import { SmeltError } from '../errors.ts';
import type { ClassifyResult } from './classify-phase.ts';
import type { CompressResult } from './compress-phase.ts';
import { type Job, seatOf } from './job.ts';
import type { Outcome, Task } from './worker.ts';

/** A worker's own heap holds little: its buffers lie outside of it, its work allocates almost nothing. */
const WORKER_LIMITS = { maxYoungGenerationSizeMb: 4, maxOldGenerationSizeMb: 48 };

export interface Helpers {
  /** How many were asked for. */
  readonly count: number;
  /** Why they cannot be used, once that is known. */
  readonly problem: unknown;
  /** Sets all to work on a phase; `onFailure` is told when one that had begun fails. */
  assist(job: Job, task: Task, onFailure: () => void): Assistance;
  close(): Promise<void>;
}

export interface Assistance {
  /**
   * What those did who took a part of the work, when they are done with it; to be called when nothing is left to take.
   * @throws SmeltError of the work, or what a thread died of; in either case after all are done.
   */
  results(): Promise<(ClassifyResult | CompressResult)[]>;
}

export async function startHelpers(count: number): Promise<Helpers> {
  let problem: unknown;
  let closing: Promise<void> | undefined;
  const lost = (error: unknown): undefined => {
    // What is still on its way when the work is done is sent home, and that is no problem.
    if (closing === undefined) problem ??= error;
  };
  const pool = await openPool(count).catch(lost);
  // A thread that dies without a task, at its start or between two, is told nowhere else.
  pool?.on('error', lost);
  return {
    count,
    get problem() {
      return problem;
    },
    assist(job, task, onFailure) {
      const seats = Array.from({ length: pool === undefined ? 0 : count }, (_, i) => seatOf(i, task.phase));
      const isAtWork = (seat: number) => Atomics.load(job.shared.atWork, seat) !== 0;
      const help = async (seat: number): Promise<ClassifyResult | CompressResult | undefined> => {
        try {
          const outcome = (await pool?.run({ job, task, seat })) as Outcome;
          if ('result' in outcome) return outcome.result;
          const { code, message, options } = outcome.error;
          throw new SmeltError(code, message, options);
        } catch (error) {
          // Who had not begun leaves nothing undone.
          if (!isAtWork(seat)) return lost(error);
          onFailure();
          throw error;
        }
      };
      const helping = seats.map(help);
      for (const each of helping) each.catch(() => {});
      return {
        async results() {
          // Whoever has not come up yet would find nothing to do.
          const done = await Promise.allSettled(helping.filter((_, i) => isAtWork(seats[i]!)));
          const failed = done.find((result) => result.status === 'rejected');
          if (failed) throw failed.reason;
          return done.flatMap((result) => ('value' in result && result.value ? [result.value] : []));
        },
      };
    },
    close: () => {
      closing ??= pool?.destroy() ?? Promise.resolve();
      return closing;
    },
  };
}

async function openPool(threads: number): Promise<Piscina> {
  const { Piscina } = await import('piscina');
  return new Piscina({
    filename: new URL('./worker.cjs', import.meta.url).href,
    name: 'work',
    // All start at once; where the system refuses one, the constructor throws.
    minThreads: threads,
    maxThreads: threads,
    resourceLimits: WORKER_LIMITS,
    recordTiming: false,
  });
}
