/** `smelt bt`: which functions a task was in: the one that crashed, that of a PID, or those that CPUs ran. */

import { setImmediate as breathe } from 'node:timers/promises';
import type { Task } from '../kernel/tasks/task-list.ts';
import { OrcTables } from '../kernel/unwind/orc.ts';
import type { InterruptFrame, Registers } from '../kernel/unwind/registers.ts';
import { notedByCpus, panicCpu } from '../kernel/unwind/starts.ts';
import { type PlacedFrame, stackOfCpu, stackOfTask } from '../kernel/unwind/task-stack.ts';
import { Cpus } from '../kernel/view/cpus.ts';
import type { KernelView } from '../kernel/view/view.ts';
import { parseNotes } from '../read/notes.ts';
import { count } from '../units.ts';
import { inputReport, stopIfAborted } from '../workers/input.ts';
import type { DumpObserver, InputReport, InputRequest, RunReport } from '../workers/report.ts';
import { peakRssBytes } from '../workers/resources.ts';
import { noLayouts, noSymbols, noTables, searchedNote } from './address.ts';
import { type Which, whoseStacks } from './bt-whom.ts';
import { withKernel } from './looking.ts';

/** Of all stacks together: a hostile dump has as many as it likes. */
const MAX_FRAMES = 500_000;

export interface BtRequest extends InputRequest {
  readonly which: Which;
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
  readonly cpu: number;
  /** Undefined: nothing in the dump says what the CPU ran; the frames are where its registers lead. */
  readonly task: Task | undefined;
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
    const noted = notedByCpus(view, cpus, parseNotes(file.notes, file.littleEndian));
    const asked = { path: file.path, view, cpus, noted, crashedOn, look };
    const { whose, gaps } = await whoseStacks(request.which, asked);
    const tables = OrcTables.of(view);
    const stacks: StackReport[] = [];
    let shown = 0;
    for (const { task, cpu } of whose) {
      if (shown > MAX_FRAMES) break;
      const registers = task?.isRunning === false ? undefined : noted.get(cpu)?.registers;
      const { frames, problem } =
        task === undefined
          ? stackOfCpu(view, tables, cpus, cpu, registers!)
          : stackOfTask(view, tables, cpus, task, registers);
      shown += frames.length;
      const all = frames.map((frame) => named(view, frame));
      stacks.push({ cpu, task, frames: all, noted: registers, problem });
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
          ? [`no CPU panicked: this is CPU ${whose[0]!.cpu}; \`smelt bt --all ${file.path}\` shows each`]
          : []),
        ...gaps,
        ...view.moduleSymbols.gaps,
        ...(stacks.length === whose.length
          ? []
          : [
              `the stacks of ${count(whose.length - stacks.length)} tasks are left out: there are more than ${count(MAX_FRAMES)} frames; \`smelt bt ${file.path} PID\` shows one`,
            ]),
        ...(tables.isThere ? [] : ["the kernel's unwind tables are not in the dump: all frames are guessed"]),
      ],
    };
  });
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
