/** What the crashed kernel says of itself, by its own variables. */

import { TIMEKEEPER_SYMBOLS } from '../../kernel/timekeeper.ts';
import type { KernelView } from '../../kernel/view/view.ts';

/** Looked up in one pass over the kernel's symbol table. */
const SYMBOLS = [
  ...TIMEKEEPER_SYMBOLS,
  ...['__start_BTF', '__stop_BTF', 'panic_cpu', 'crashing_cpu', '__cpu_online_mask', 'tainted_mask'],
  ...['saved_command_line', 'dump_stack_arch_desc_str'],
];

/** By bit. Source: kernel/panic.c, taint_flags. */
const TAINT_LETTERS = 'PFSRMBUDAWCIOELKXTNJ';
const MAX_COMMAND_LINE = 2048;
const MAX_HARDWARE = 128;
const MAX_CPUS = 8192;

export interface KernelTold {
  /** Of the CPU that crashed; -1: none did. */
  readonly crashedCpu: number | undefined;
  /** Ascending. */
  readonly onlineCpus: readonly number[] | undefined;
  readonly commandLine: string | undefined;
  readonly hardware: string | undefined;
  readonly taint: string | undefined;
}

export function askKernel(view: KernelView): KernelTold {
  view.symbols?.findAll(SYMBOLS);
  const commandLine = pointed(view, 'saved_command_line');
  const hardware = view.symbol('dump_stack_arch_desc_str');
  return {
    crashedCpu: crashedCpu(view),
    onlineCpus: onlineCpus(view),
    commandLine: commandLine === undefined ? undefined : view.text(commandLine, MAX_COMMAND_LINE)?.trim(),
    hardware: (hardware && view.text(hardware, MAX_HARDWARE)) || undefined,
    taint: taint(view),
  };
}

/** panic() and crash_kexec() both say who they run for; the other one is x86's own. */
function crashedCpu(view: KernelView): number | undefined {
  const numbers = ['panic_cpu', 'crashing_cpu'].flatMap((name) => {
    const vaddr = view.symbol(name);
    const cpu = vaddr === undefined ? undefined : view.i32(vaddr);
    return cpu === undefined || cpu < -1 || cpu >= MAX_CPUS ? [] : [cpu];
  });
  return numbers.find((cpu) => cpu >= 0) ?? numbers[0];
}

function onlineCpus(view: KernelView): number[] | undefined {
  const vaddr = view.symbol('__cpu_online_mask');
  const bytes = Math.min(view.sizeOf('cpumask') ?? 8, MAX_CPUS / 8);
  const mask = vaddr === undefined ? undefined : view.read(vaddr, bytes);
  if (mask === undefined) return undefined;
  const cpus: number[] = [];
  for (let cpu = 0; cpu < bytes * 8; cpu++) if (mask[cpu >> 3]! & (1 << (cpu & 7))) cpus.push(cpu);
  return cpus;
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
