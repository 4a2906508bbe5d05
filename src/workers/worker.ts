/** What a worker thread does: its part of one phase of a job. */

import { type ErrorCode, SmeltError, type SmeltErrorOptions } from '../errors.ts';
import { drain } from '../read/drain.ts';
import type { CensusPart, CensusPlan } from '../sme/census/plan.ts';
import { walkTables } from './census-phase.ts';
import { type ClassifyResult, classifyWindows } from './classify-phase.ts';
import { type CompressResult, compressWindows, type Gathering } from './compress-phase.ts';
import { type CopyTask, copyWindows } from './copy-phase.ts';
import { type DiffResult, type DiffTask, diffPages } from './diff-phase.ts';
import { type FramesResult, type FramesTask, sortFrames } from './frames-phase.ts';
import { type Job, type Part, SEAT } from './job.ts';
import { Thread } from './thread.ts';
import { type VerifyResult, type VerifyTask, verifyPages } from './verify-phase.ts';
import { dropZeroPages, type ZeroResult } from './zero-phase.ts';

export type Task =
  | { readonly phase: 'census'; readonly plan: CensusPlan }
  | { readonly phase: 'classify' }
  | { readonly phase: 'zeros' }
  | { readonly phase: 'compress'; readonly parts: readonly Part[] }
  | ({ readonly phase: 'gather'; readonly parts: readonly Part[] } & Gathering)
  | CopyTask
  | VerifyTask
  | DiffTask
  | FramesTask;

/** What is left to do when it is settled which pages are kept. */
export type LastTask = Extract<Task, { phase: 'compress' | 'copy' | 'gather' }>;

/** What is sent to a thread. The job comes with each task: any thread may be the one that takes it. */
export interface Order {
  readonly job: Job;
  readonly task: Task;
  /** Of the helper, in this phase. */
  readonly seat: number;
}

/** What comes of a task, by its phase. */
export type Result =
  | CensusPart
  | ClassifyResult
  | ZeroResult
  | CompressResult
  | VerifyResult
  | DiffResult
  | FramesResult;

let thread: Promise<Thread> | undefined;

/** What a thread sends back; no result when it came too late. An error crosses to the main thread as plain data, because its class and code would be lost. */
export type Outcome =
  | { readonly result: Result | undefined }
  | { readonly error: { code: ErrorCode; message: string; options: SmeltErrorOptions } };

/** Piscina's entry: all phases run on the same threads, which keep their reader. */
export async function work({ job, task, seat }: Order): Promise<Outcome> {
  if (Atomics.compareExchange(job.shared.seats, seat, SEAT.empty, SEAT.taken) !== SEAT.empty) {
    return { result: undefined };
  }
  try {
    thread ??= Thread.open(job);
    const own = await thread;
    own.job = job;
    return { result: drain(await phaseSteps(own, task, seat)) };
  } catch (thrown) {
    if (!(thrown instanceof SmeltError)) throw thrown;
    const { code, message, hint, exitCode } = thrown;
    return { error: { code, message, options: { exitCode, ...(hint === undefined ? {} : { hint }) } } };
  }
}

/** A phase as steps, for any thread: `await` opens what it needs, the steps themselves do not wait. */
export async function phaseSteps(
  thread: Thread,
  task: Task,
  seat?: number,
): Promise<Generator<void, Result>> {
  switch (task.phase) {
    case 'census':
      return walkTables(thread, task.plan, seat);
    case 'classify':
      return classifyWindows(thread, seat);
    case 'zeros':
      return dropZeroPages(thread, seat);
    case 'compress':
    case 'gather':
      return compressWindows(thread, await thread.openCodec(), task, seat);
    case 'copy':
      return copyWindows(thread, task, seat);
    case 'verify':
      return verifyPages(thread, task, seat);
    case 'diff':
      return diffPages(thread, await thread.openOther(task.other), seat);
    case 'frames':
      return sortFrames(thread, task, seat);
  }
}
