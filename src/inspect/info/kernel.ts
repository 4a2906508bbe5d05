/** What the crashed kernel says of itself, by its own variables. */

import { TIMEKEEPER_SYMBOLS } from '../../kernel/timekeeper.ts';
import { panicCpu } from '../../kernel/unwind/starts.ts';
import { Cpus } from '../../kernel/view/cpus.ts';
import type { KernelView } from '../../kernel/view/view.ts';

/** Looked up in one pass over the kernel's symbol table. */
const SYMBOLS = [
  ...TIMEKEEPER_SYMBOLS,
  ...['__start_BTF', '__stop_BTF', 'panic_cpu', 'crashing_cpu', 'crash_notes', 'tainted_mask'],
  ...['saved_command_line', 'dump_stack_arch_desc_str', '__per_cpu_offset', '__cpu_present_mask', 'modules'],
];

/** By bit. Source: kernel/panic.c, taint_flags. */
const TAINT_LETTERS = 'PFSRMBUDAWCIOELKXTNJ';
const MAX_COMMAND_LINE = 2048;
const MAX_HARDWARE = 128;
/** PANIC_CPU_INVALID */
const NO_CPU = -1;

export interface KernelTold {
  readonly cpus: Cpus;
  /** The CPU that crashed. */
  readonly crashedCpu: number | undefined;
  /** Whether one did; undefined where its variables cannot be read. */
  readonly crashed: boolean | undefined;
  readonly commandLine: string | undefined;
  readonly hardware: string | undefined;
  readonly taint: string | undefined;
}

export function askKernel(view: KernelView): KernelTold {
  view.symbols?.findAll(SYMBOLS);
  const cpus = new Cpus(view);
  const crashedCpu = panicCpu(view, cpus);
  const commandLine = pointed(view, 'saved_command_line');
  const hardware = view.symbol('dump_stack_arch_desc_str');
  return {
    cpus,
    crashedCpu,
    crashed: crashedCpu !== undefined ? true : panicCpuIs(view, NO_CPU) ? false : undefined,
    commandLine: commandLine === undefined ? undefined : view.text(commandLine, MAX_COMMAND_LINE)?.trim(),
    hardware: (hardware && view.text(hardware, MAX_HARDWARE)) || undefined,
    taint: taint(view),
  };
}

function panicCpuIs(view: KernelView, wanted: number): boolean {
  const vaddr = view.symbol('panic_cpu');
  return vaddr !== undefined && view.i32(vaddr) === wanted;
}

function taint(view: KernelView): string | undefined {
  const vaddr = view.symbol('tainted_mask');
  const mask = vaddr === undefined ? undefined : view.u64(vaddr);
  if (mask === undefined) return undefined;
  return [...TAINT_LETTERS].filter((_, bit) => (mask >> BigInt(bit)) & 1n).join('');
}

function pointed(view: KernelView, name: string): bigint | undefined {
  const vaddr = view.symbol(name);
  return vaddr === undefined ? undefined : view.u64(vaddr);
}
