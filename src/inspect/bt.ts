/** `smelt bt`: which functions a task was in: the one that crashed, that of a PID, or those that CPUs ran. */

import { setImmediate as breathe } from 'node:timers/promises';
import { SmeltError } from '../errors.ts';
import { listTasks, readTask, type Task, taskOn } from '../kernel/tasks/task-list.ts';
import { OrcTables } from '../kernel/unwind/orc.ts';
import type { InterruptFrame, Registers } from '../kernel/unwind/registers.ts';
import { panicCpu, registersOfCpus } from '../kernel/unwind/starts.ts';
import { type PlacedFrame, stackOfTask } from '../kernel/unwind/task-stack.ts';
import { Cpus } from '../kernel/view/cpus.ts';
import type { KernelView } from '../kernel/view/view.ts';
import { parseNotes } from '../read/notes.ts';
import { count } from '../units.ts';
import { inputReport, stopIfAborted } from '../workers/input.ts';
import type { DumpObserver, InputReport, InputRequest, RunReport } from '../workers/report.ts';
import { peakRssBytes } from '../workers/resources.ts';
import { noLayouts, noSymbols, noTables, searchedNote } from './address.ts';
import { withKernel } from './looking.ts';

/** Of all stacks together: a hostile dump has as many as it likes. */
const MAX_FRAMES = 500_000;

export interface BtRequest extends InputRequest {
  readonly which: /** The CPU that panicked, or where none did, the first. */
    | { readonly kind: 'crashed' }
    | { readonly kind: 'pid'; readonly pid: number }
    | { readonly kind: 'cpu'; readonly cpu: number }
    | { readonly kind: 'every CPU' }
    | { readonly kind: 'every task' };
}

export interface FrameReport {
  readonly ip: bigint;
  /** Where on the stack that stands; undefined: registers said it. */
  readonly slot: bigint | undefined;
  /** "task", "IRQ", "NMI", "DF", "DB", "MCE", "VC", "VC2"; undefined: on none that is known. */
  readonly stack: string | undefined;
  /** The function; undefined where no symbol says. */
  readonly name: string | undefined;
  readonly module: string | undefined;
  /** Of `ip` in it. */
  readonly offset: number | undefined;
  /** Nothing says that it is a frame, it only looks like one. */
  readonly isGuess: boolean;
  /** The instruction that was next, not one that something returns to. */
  readonly isInterrupted: boolean;
  /** What an interrupt, an exception or a system call saved when it came here. */
  readonly registers: Registers | InterruptFrame | undefined;
}

export interface StackReport {
  readonly task: Task;
  readonly frames: readonly FrameReport[];
  /** What its CPU noted when the dump was made; undefined for a task that slept. */
  readonly noted: Registers | undefined;
  /** Why it is not whole, or not sure. */
  readonly problem: string | undefined;
}

export interface BtReport extends RunReport {
  readonly input: InputReport;
  /** Undefined: none did. */
  readonly panicCpu: number | undefined;
  readonly stacks: readonly StackReport[];
}

/** @throws SmeltError NO_SYMBOLS, NO_LAYOUTS, NO_TASK, UNDECIDABLE; INTERRUPTED when the signal was aborted */
export function bt(request: BtRequest, observer: DumpObserver, signal: AbortSignal): Promise<BtReport> {
  const began = performance.now();
  return withKernel(request, observer, signal, async ({ file, description, view }) => {
    if (view === undefined) throw noTables(file.path);
    if (view.symbols === undefined) throw noSymbols(file.path);
    if (view.field('task_struct', 'thread.sp') === undefined) throw noLayouts(file.path, 'tasks');
    const look = async () => {
      await breathe();
      stopIfAborted(signal);
    };
    const cpus = new Cpus(view);
    const crashedOn = panicCpu(view, cpus);
    const { tasks, gaps } = await wantedTasks(file.path, view, cpus, request.which, crashedOn, look);
    const noted = registersOfCpus(view, cpus, parseNotes(file.notes, file.littleEndian));
    const tables = OrcTables.of(view);
    const stacks: StackReport[] = [];
    let shown = 0;
    for (const task of tasks) {
      if (shown > MAX_FRAMES) break;
      const registers = task.isRunning ? noted.get(task.cpu) : undefined;
      const { frames, problem } = stackOfTask(view, tables, cpus, task, registers);
      shown += frames.length;
      stacks.push({ task, frames: frames.map((frame) => named(view, frame)), noted: registers, problem });
      await look();
    }
    return {
      input: inputReport(file, request, description),
      panicCpu: crashedOn,
      stacks,
      totalMs: performance.now() - began,
      peakRssBytes: peakRssBytes(),
      warnings: [
        ...searchedNote(view),
        ...(request.which.kind === 'crashed' && crashedOn === undefined
          ? [`no CPU panicked: this is CPU ${tasks[0]!.cpu}; \`smelt bt --all ${file.path}\` shows each`]
          : []),
        ...gaps,
        ...view.moduleSymbols.gaps,
        ...(stacks.length === tasks.length
          ? []
          : [
              `the stacks of ${count(tasks.length - stacks.length)} tasks are left out: there are more than ${count(MAX_FRAMES)} frames; \`smelt bt ${file.path} PID\` shows one`,
            ]),
        ...(tables.isThere ? [] : ["the kernel's unwind tables are not in the dump: all frames are guessed"]),
      ],
    };
  });
}

/** @throws SmeltError NO_TASK, NO_LAYOUTS */
async function wantedTasks(
  path: string,
  view: KernelView,
  cpus: Cpus,
  which: BtRequest['which'],
  crashedOn: number | undefined,
  look: () => Promise<void>,
): Promise<{ readonly tasks: readonly Task[]; readonly gaps: readonly string[] }> {
  const all = `\`smelt ps ${path}\` lists them.`;
  if (which.kind === 'pid' || which.kind === 'every task') {
    const list = await listTasks(view, look);
    if (list === undefined) throw noLayouts(path, 'tasks');
    if (which.kind === 'every task') return list;
    const torn = list.gaps.length === 0 ? '' : ', as far as the lists of tasks are whole';
    // PID 0 stands for the idle task of each CPU.
    const found = list.tasks.filter(({ pid }) => pid === which.pid);
    if (found.length > 0) return { tasks: found, gaps: [] };
    throw new SmeltError('NO_TASK', `${path}: there is no task of PID ${which.pid}${torn}`, { hint: all });
  }
  const first = crashedOn ?? cpus.numbers[0] ?? 0;
  const wanted = which.kind === 'every CPU' ? cpus.numbers : which.kind === 'cpu' ? [which.cpu] : [first];
  const tasks: Task[] = [];
  const unknown: number[] = [];
  for (const cpu of wanted) {
    const vaddr = cpus.numbers.includes(cpu) ? taskOn(view, cpus, cpu, 'curr') : undefined;
    const task = vaddr === undefined ? undefined : readTask(view, cpus, vaddr, true);
    if (task === undefined) unknown.push(cpu);
    else tasks.push({ ...task, cpu });
    await look();
  }
  if (tasks.length === 0) {
    const what = unknown.length === 0 ? 'which CPUs there were' : `what CPU ${few(unknown)} ran`;
    const hint = cpus.numbers.length > 0 ? `Its CPUs are ${few(cpus.numbers)}.` : all;
    throw new SmeltError('NO_TASK', `${path}: nothing says ${what}`, { hint });
  }
  // One that was never brought up is there all the same.
  return { tasks, gaps: unknown.length === 0 ? [] : [`nothing says what CPU ${few(unknown)} ran`] };
}

/** "0, 1, 2", and not thousands of them. */
function few(numbers: readonly number[]): string {
  return `${numbers.slice(0, 16).join(', ')}${numbers.length > 16 ? ' …' : ''}`;
}

function named(view: KernelView, frame: PlacedFrame): FrameReport {
  const { ip, slot, stack, isGuess, isInterrupted, registers } = frame;
  // What a call returns to may be the next function's first instruction, where the call does not return.
  const place = view.placeOf(isInterrupted ? ip : ip - 1n);
  return {
    ip,
    slot,
    stack,
    name: place?.name,
    module: place?.module,
    offset: place === undefined ? undefined : Number(ip - place.vaddr),
    isGuess,
    isInterrupted,
    registers,
  };
}
