/** Where the stack of a task begins: at the registers that its CPU saved, or where the scheduler left it. */

import type { Note } from '../../read/dump-file.ts';
import { parseNotes } from '../../read/notes.ts';
import type { Cpus } from '../view/cpus.ts';
import type { KernelView } from '../view/view.ts';
import { pidOfNote, type Registers, registersOfNote } from './registers.ts';
import type { Start } from './unwind.ts';

/** NR_CPUS of the largest configuration. */
const MAX_CPUS = 8192;
/** Of one CPU: larger than any note buffer. Source: include/linux/crash_core.h, CRASH_CORE_NOTE_BYTES. */
const NOTE_BYTES = 512;

/** What a CPU noted when the dump was made. */
export interface Noted {
  readonly registers: Registers;
  /** Of the task that it ran; undefined where a hypervisor made the note, which counts CPUs there. */
  readonly pid: number | undefined;
}

/** In the order of the notes; what has no registers is left out. */
export function notedIn(notes: Iterable<Note>): Noted[] {
  const noted: Noted[] = [];
  let isByHypervisor = false;
  for (const note of notes) {
    if (note.name === 'QEMU') isByHypervisor = true;
    const registers = registersOfNote(note);
    if (registers === undefined) continue;
    noted.push({ registers, pid: pidOfNote(note) });
    if (noted.length >= MAX_CPUS) break;
  }
  return isByHypervisor ? noted.map(({ registers }) => ({ registers, pid: undefined })) : noted;
}

/**
 * What each CPU noted: the kernel's own notes in memory (`crash_notes`, one for each CPU), and where it noted nothing, or
 * they are not in the dump, those of the file. The file's have no number of a CPU, and one that saved nothing may have
 * none: they count only where there are as many as CPUs.
 */
export function notedByCpus(view: KernelView, cpus: Cpus, notes: Iterable<Note>): Map<number, Noted> {
  const found = new Map<number, Noted>();
  const lost = new Set<number>();
  const pointer = view.symbol('crash_notes');
  const perCpu = pointer === undefined ? undefined : view.u64(pointer);
  for (const cpu of cpus.numbers) {
    const at = perCpu === undefined || perCpu === 0n ? undefined : cpus.address(perCpu, cpu);
    const bytes = at === undefined ? undefined : view.walker.read(at, NOTE_BYTES);
    if (bytes === undefined) lost.add(cpu);
    const [first] = bytes === undefined ? [] : parseNotes(bytes);
    const [noted] = first === undefined ? [] : notedIn([first]);
    if (noted !== undefined) found.set(cpu, noted);
  }
  if (found.size > 0 && lost.size === 0) return found;
  const inFile = notedIn(notes);
  if (inFile.length !== cpus.numbers.length) return found;
  const isAlone = found.size === 0;
  for (const [i, noted] of inFile.entries()) {
    const cpu = cpus.numbers[i]!;
    if (isAlone || lost.has(cpu)) found.set(cpu, noted);
  }
  return found;
}

export function startAt(registers: Registers): Start {
  const { rip, rsp, rbp } = registers;
  return { ip: rip, slot: undefined, isInterrupted: true, sp: rsp, bp: rbp, registers };
}

/** Of a task that no CPU ran: its saved stack pointer leads to a struct inactive_task_frame. */
export function startOfSleeper(view: KernelView, task: bigint): Start | undefined {
  const field = view.field('task_struct', 'thread.sp');
  const saved = field === undefined ? undefined : view.u64(task + BigInt(field.byteOffset));
  const frame = saved === undefined ? undefined : view.struct(saved, 'inactive_task_frame');
  const ip = frame?.unsigned('ret_addr');
  const slot = frame?.addressOf('ret_addr');
  if (frame === undefined || ip === undefined || slot === undefined) return undefined;
  const sp = frame.vaddr + BigInt(frame.bytes.length);
  return { ip, slot, isInterrupted: false, sp, bp: frame.unsigned('bp') ?? 0n, registers: undefined };
}

/** The CPU that panicked; undefined: none did. Source: kernel/panic.c (panic_cpu), arch/x86/kernel/reboot.c (crashing_cpu). */
export function panicCpu(view: KernelView, cpus: Cpus): number | undefined {
  view.symbols?.findAll(['panic_cpu', 'crashing_cpu']);
  for (const name of ['crashing_cpu', 'panic_cpu']) {
    const at = view.symbol(name);
    const cpu = at === undefined ? undefined : view.i32(at);
    if (cpu !== undefined && cpu >= 0 && cpus.numbers.includes(cpu)) return cpu;
  }
  return undefined;
}
