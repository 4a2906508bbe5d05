/** The stack of one task of a dump, from where it begins to where it ends or cannot be followed. */

import type { Task } from '../tasks/task-list.ts';
import type { Cpus } from '../view/cpus.ts';
import type { KernelView } from '../view/view.ts';
import { fromLastFunction } from './before-notes.ts';
import { guess } from './guess.ts';
import type { OrcTables } from './orc.ts';
import { isUserMode, type Registers } from './registers.ts';
import { type Stack, stackAt, stacksOf } from './stacks.ts';
import { startAt, startOfSleeper } from './starts.ts';
import { type Frame, type Start, unwind } from './unwind.ts';

/** A frame with the stack that it is on. */
export interface PlacedFrame extends Frame {
  readonly stack: string | undefined;
}

export interface TaskStack {
  readonly frames: readonly PlacedFrame[];
  /** What the CPU noted when the dump was made; undefined for a task that slept. */
  readonly noted: Registers | undefined;
  /** Why it is not whole, or not sure; undefined: it is. */
  readonly problem: string | undefined;
}

const nothing = (noted: Registers | undefined, problem: string | undefined): TaskStack => ({
  frames: [],
  noted,
  problem,
});

/** `noted`: the registers of the CPU that ran it. */
export function stackOfTask(
  view: KernelView,
  tables: OrcTables,
  cpus: Cpus,
  task: Task,
  noted: Registers | undefined,
): TaskStack {
  if (task.isRunning && noted === undefined)
    return nothing(noted, 'a CPU ran it, and the dump does not have the registers of that CPU');
  if (noted !== undefined && isUserMode(noted)) return nothing(noted, undefined);
  const start = noted === undefined ? startOfSleeper(view, task.vaddr) : startAt(noted);
  if (start === undefined) return nothing(noted, 'its stack is not in the dump');
  return followed(view, tables, stacksOf(view, cpus, task.cpu, { task: task.vaddr }), start, noted);
}

/** Of a CPU of which nothing says what it ran: where its registers lead. */
export function stackOfCpu(
  view: KernelView,
  tables: OrcTables,
  cpus: Cpus,
  cpu: number,
  noted: Registers,
): TaskStack {
  if (isUserMode(noted)) return nothing(noted, undefined);
  return followed(view, tables, stacksOf(view, cpus, cpu, { sp: noted.rsp }), startAt(noted), noted);
}

function followed(
  view: KernelView,
  tables: OrcTables,
  stacks: readonly Stack[],
  start: Start,
  noted: Registers | undefined,
): TaskStack {
  const { frames, ended } =
    (noted && fromLastFunction(view, tables, stacks, start)) ?? unwind(view, tables, stacks, start);
  if (typeof ended === 'string') {
    const unsure = frames.findIndex(({ isGuess }) => isGuess);
    const problem = unsure < 0 ? undefined : whyUnsure(unsure, stacks);
    return { frames: placed(frames, stacks, noted), noted, problem };
  }
  const last = stackAt(stacks, ended.sp);
  const rest = last === undefined ? undefined : guess(view, tables, stacks, last, ended.sp);
  return {
    frames: placed([...frames, ...(rest?.frames ?? [])], stacks, noted),
    noted,
    problem:
      rest === undefined || rest.frames.length === 0
        ? ended.why
        : `${ended.why}: from there on it is guessed`,
  };
}

function whyUnsure(first: number, stacks: readonly Stack[]): string {
  if (!stacks.some(({ name }) => name === 'task'))
    return 'it ended and gave its stack back: what is left of it is guessed';
  return `from #${first} on it is guessed: no known stack, no code of the kernel, or no call before it`;
}

/** A frame is on the stack that its address was found on; what registers say is on that of its stack pointer. */
function placed(
  frames: readonly Frame[],
  stacks: readonly Stack[],
  noted: Registers | undefined,
): PlacedFrame[] {
  let sp = noted?.rsp;
  return frames.map((frame) => {
    const at = frame.slot ?? sp;
    if (frame.registers !== undefined) sp = frame.registers.rsp;
    return { ...frame, stack: at === undefined ? undefined : stackAt(stacks, at)?.name };
  });
}
