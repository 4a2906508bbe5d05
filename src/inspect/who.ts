/** Which tasks are meant: as `ps` shows them, or by the CPU that ran one. */

import { SmeltError } from '../errors.ts';
import type { Task } from '../kernel/tasks/task-list.ts';
import { textOf } from '../kernel/text.ts';

export type Who =
  | { readonly kind: 'pid'; readonly pid: number }
  /** The address of its task_struct. */
  | { readonly kind: 'task'; readonly vaddr: bigint }
  /** All of that name. */
  | { readonly kind: 'comm'; readonly comm: string }
  /** The one that the CPU ran. */
  | { readonly kind: 'cpu'; readonly cpu: number };

/** TASK_COMM_LEN without the NUL: what is longer was cut off by the kernel. Source: include/linux/sched.h. */
const COMM_BYTES = 15;
/** Of those that there are none of, in a sentence. */
const MOST_TOLD = 8;

export interface Among {
  readonly tasks: readonly Task[];
  /** Clauses: "there is no task of PID 5". */
  readonly missing: readonly string[];
}

/** In the order that they were asked for, each once. `withThreads`: a PID stands for its threads too. */
export function among(tasks: readonly Task[], whom: readonly Who[], withThreads: boolean): Among {
  const found = new Set<Task>();
  const missing: string[] = [];
  for (const who of whom) {
    const fits = fitting(who, withThreads);
    const those = tasks.filter(fits);
    if (those.length === 0) missing.push(noneOf(who));
    for (const task of those) found.add(task);
  }
  return { tasks: [...found], missing };
}

function fitting(who: Who, withThreads: boolean): (task: Task) => boolean {
  switch (who.kind) {
    case 'pid':
      // PID 0 is the idle task of each CPU.
      return ({ pid, tgid }) => pid === who.pid || (withThreads && tgid === who.pid);
    case 'task':
      return ({ vaddr }) => vaddr === who.vaddr;
    case 'cpu':
      return ({ cpu, isRunning }) => isRunning && cpu === who.cpu;
    case 'comm': {
      const names = [who.comm, cutName(who.comm)];
      const inBrackets = /^\[(.+)\]$/s.exec(who.comm)?.[1];
      const threads = inBrackets === undefined ? [] : [inBrackets, cutName(inBrackets)];
      return ({ comm, isKernelThread }) => names.includes(comm) || (isKernelThread && threads.includes(comm));
    }
  }
}

/** As the kernel has it, and `ps` shows it. */
function cutName(name: string): string {
  return textOf(Buffer.from(name).subarray(0, COMM_BYTES));
}

function noneOf(who: Who): string {
  switch (who.kind) {
    case 'pid':
      return `there is no task of PID ${who.pid}`;
    case 'task':
      return `there is no task at 0x${who.vaddr.toString(16)}`;
    case 'cpu':
      return `nothing says what CPU ${who.cpu} ran`;
    case 'comm':
      return `there is no task of the name ${who.comm}`;
  }
}

/** All that there are none of. */
function allMissing(missing: readonly string[]): string {
  const more = missing.length - MOST_TOLD;
  return `${missing.slice(0, MOST_TOLD).join(', ')}${more > 0 ? `, nor of ${more} others` : ''}`;
}

/** @throws SmeltError NO_TASK where none of them is there */
export function noTask(path: string, missing: readonly string[], isTorn: boolean, hint: string): SmeltError {
  const torn = isTorn ? ', as far as the lists of tasks are whole' : '';
  return new SmeltError('NO_TASK', `${path}: ${allMissing(missing)}${torn}`, { hint });
}

/** A sentence, where there are such. */
export function cpuGap(unknown: readonly number[]): string[] {
  return unknown.length === 0 ? [] : [`nothing says what CPU ${few(unknown)} ran`];
}

/** "0, 1, 2", and not thousands of them. */
export function few(numbers: readonly number[]): string {
  return `${numbers.slice(0, 16).join(', ')}${numbers.length > 16 ? ' …' : ''}`;
}
