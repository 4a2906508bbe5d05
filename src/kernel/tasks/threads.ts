/** The threads of a process, by the list that its signal_struct has. */

import { type ListWalk, walkList } from '../view/lists.ts';
import type { KernelView } from '../view/view.ts';
import { threadDeltas } from './memory-use.ts';

/** Of one process, where it is asked for alone. */
const MAX_THREADS = 16_384;

/** Where the list of the threads of a process begins, itself among them, and where in a thread its entry is. */
interface ThreadList {
  readonly head: bigint;
  readonly nodeAt: bigint;
}

/** A task whose threads are not all known, and why: a clause. */
export interface TornThreads {
  readonly task: bigint;
  readonly why: string;
}

/** One sentence, however many they are. */
export function aboutThreads([first, ...more]: readonly TornThreads[]): string {
  const at = `the task at 0x${first!.task.toString(16)}`;
  return more.length === 0
    ? `the threads of ${at} are not all known: ${first!.why}`
    : `the threads of ${more.length + 1} tasks are not all known, first of ${at}: ${first!.why}`;
}

export function threadList(view: KernelView, task: bigint, torn: TornThreads[]): ThreadList | undefined {
  const signalField = view.field('task_struct', 'signal');
  const headField = view.field('signal_struct', 'thread_head');
  const nodeField = view.field('task_struct', 'thread_node');
  if (signalField === undefined || headField === undefined || nodeField === undefined) return undefined;
  const signal = view.u64(task + BigInt(signalField.byteOffset));
  // A task that is about to go has none.
  if (signal === 0n) return undefined;
  if (signal === undefined) {
    torn.push({ task, why: 'it is not in the dump' });
    return undefined;
  }
  return { head: signal + BigInt(headField.byteOffset), nodeAt: BigInt(nodeField.byteOffset) };
}

export function threadsIn(
  task: bigint,
  { nodeAt }: ThreadList,
  { entries, torn: why }: ListWalk,
  torn: TornThreads[],
): bigint[] {
  if (why !== undefined) torn.push({ task, why: `its list is torn, ${why}` });
  return entries.map((at) => at - nodeAt);
}

export function threadsOf(view: KernelView, task: bigint): bigint[] {
  const list = threadList(view, task, []);
  return list === undefined ? [] : threadsIn(task, list, walkList(view, list.head, MAX_THREADS), []);
}

/** What all threads of a process had counted and not yet told: looked at once, when it is asked for. */
export class ThreadGroup {
  private readonly view: KernelView;
  private readonly threads: readonly bigint[];
  private sums: number[] | undefined;

  constructor(view: KernelView, threads: readonly bigint[]) {
    this.view = view;
    this.threads = threads;
  }

  get deltas(): readonly number[] {
    if (this.sums === undefined) {
      this.sums = [];
      for (const thread of this.threads)
        for (const [kind, pages] of threadDeltas(this.view, thread).entries())
          this.sums[kind] = (this.sums[kind] ?? 0) + pages;
    }
    return this.sums;
  }
}
