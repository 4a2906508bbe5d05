/** Worker threads that help with a job: started before there is one, so that they come up while the dump is described. */

import type { Piscina } from 'piscina';
import { SmeltError } from '../errors.ts';
import { type Job, SEAT, seatOf } from './job.ts';
import type { Outcome, Result, Task } from './worker.ts';

/** A worker's own heap holds little: its buffers lie outside of it, its work allocates almost nothing. */
const WORKER_LIMITS = { maxYoungGenerationSizeMb: 4, maxOldGenerationSizeMb: 48 };

export interface Helpers {
  /** How many were asked for, and how many of them failed. */
  readonly count: number;
  readonly failed: number;
  /** Why the first of them did. */
  readonly problem: unknown;
  /** Sets all to work on a phase; `onFailure` is told when one that had begun fails. */
  assist(job: Job, task: Task, onFailure: () => void): Assistance;
  close(): Promise<void>;
}

export interface Assistance {
  /**
   * What those did who came, when they are done with it; to be called when nothing is left to take.
   * @throws SmeltError of the work, or what a thread died of; in either case after all are done.
   */
  results(): Promise<Result[]>;
}

export async function startHelpers(count: number): Promise<Helpers> {
  const failed = new Set<number>();
  let problem: unknown;
  let closing: Promise<void> | undefined;
  const lost = (error: unknown, who: readonly number[]): undefined => {
    // What is still on its way when the work is done is sent home, and that is no problem.
    if (closing !== undefined) return;
    problem ??= error;
    for (const helper of who) failed.add(helper);
  };
  const everybody = Array.from({ length: count }, (_, helper) => helper);
  const pool = await openPool(count).catch((error) => lost(error, everybody));
  // A thread that dies without a task, at its start or between two, is told nowhere else. Another one takes its place.
  pool?.on('error', () => {});
  return {
    count,
    get failed() {
      return failed.size;
    },
    get problem() {
      return problem;
    },
    assist(job, task, onFailure) {
      const { seats } = job.shared;
      const help = async (helper: number, seat: number): Promise<Result | undefined> => {
        try {
          const outcome = (await pool?.run({ job, task, seat })) as Outcome;
          if ('result' in outcome) return outcome.result;
          const { code, message, options } = outcome.error;
          throw new SmeltError(code, message, options);
        } catch (error) {
          // The work can fail and the thread be none the worse.
          if (!(error instanceof SmeltError)) lost(error, [helper]);
          // Who had not begun leaves nothing undone.
          if (Atomics.load(seats, seat) !== SEAT.working) return undefined;
          onFailure();
          throw error;
        }
      };
      const helping = (pool === undefined ? [] : everybody).map((helper) => {
        const seat = seatOf(helper, task.phase);
        const result = help(helper, seat);
        result.catch(() => {});
        return { seat, result };
      });
      return {
        async results() {
          // Whoever has not come up yet would find nothing to do.
          const here = helping.filter(
            ({ seat }) => Atomics.compareExchange(seats, seat, SEAT.empty, SEAT.closed) !== SEAT.empty,
          );
          const done = await Promise.allSettled(here.map(({ result }) => result));
          const bad = done.find((result) => result.status === 'rejected');
          if (bad) throw bad.reason;
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
