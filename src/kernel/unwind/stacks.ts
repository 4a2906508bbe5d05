/** The stacks of a CPU and of its task: where each lies, so that an address tells on which one it is. */

import type { Cpus } from '../view/cpus.ts';
import type { KernelView } from '../view/view.ts';

export interface Stack {
  /** "task", "IRQ", "NMI", "DF" … as the kernel calls its exception stacks. */
  readonly name: string;
  readonly start: bigint;
  readonly end: bigint;
}

/** THREAD_SIZE and IRQ_STACK_SIZE where the kernel is built without KASAN. Source: arch/x86/include/asm/page_64_types.h. */
const STACK_BYTES = 16n * 1024n;
const MAX_STACK_BYTES = 256 * 1024;
/** Members of struct cea_exception_stacks. Source: arch/x86/include/asm/cpu_entry_area.h. */
const EXCEPTION_STACKS = ['DF', 'NMI', 'DB', 'MCE', 'VC', 'VC2'];

/** That of a task itself; one that ended has none. */
export function taskStack(view: KernelView, task: bigint): Stack | undefined {
  const field = view.field('task_struct', 'stack');
  const start = field === undefined ? undefined : view.u64(task + BigInt(field.byteOffset));
  return start === undefined || start === 0n
    ? undefined
    : { name: 'task', start, end: start + threadBytes(view) };
}

/** Of a task that is not known: stacks of tasks lie at multiples of their size (THREAD_ALIGN). */
function taskStackAround(view: KernelView, sp: bigint): Stack {
  const bytes = threadBytes(view);
  const start = sp - (sp % bytes);
  return { name: 'task', start, end: start + bytes };
}

/** Of a task that is on `cpu`, or was last, or else of what has the stack pointer `sp`. Those that cannot be found are left out. */
export function stacksOf(
  view: KernelView,
  cpus: Cpus,
  cpu: number,
  of: { readonly task: bigint } | { readonly sp: bigint },
): Stack[] {
  const others = stacksOfCpu(view, cpus, cpu);
  if ('sp' in of) return stackAt(others, of.sp) ? others : [taskStackAround(view, of.sp), ...others];
  const own = taskStack(view, of.task);
  return own === undefined ? others : [own, ...others];
}

/** Those of its interrupts and exceptions. */
function stacksOfCpu(view: KernelView, cpus: Cpus, cpu: number): Stack[] {
  const stacks: Stack[] = [];
  const top = hardirqStack(view, cpus, cpu);
  // It may point to the last word of the stack, or behind it.
  if (top !== undefined && top !== 0n) {
    const end = (top + 15n) & ~15n;
    stacks.push({ name: 'IRQ', start: end - STACK_BYTES, end });
  }
  const at = cpus.variable('cea_exception_stacks', cpu);
  const area = at === undefined ? undefined : view.u64(at);
  if (area === undefined || area === 0n) return stacks;
  for (const name of EXCEPTION_STACKS) {
    const member = view.field('cea_exception_stacks', `${name}_stack`);
    const size = member?.sizeBytes ?? 0;
    if (member === undefined || size === 0 || size > MAX_STACK_BYTES) continue;
    const from = area + BigInt(member.byteOffset);
    stacks.push({ name, start: from, end: from + BigInt(size) });
  }
  return stacks;
}

export function stackAt(stacks: readonly Stack[], vaddr: bigint): Stack | undefined {
  return stacks.find(({ start, end }) => vaddr >= start && vaddr < end);
}

/** THREAD_SIZE: the idle task's stack is part of the kernel image, and has symbols on both sides. */
function threadBytes(view: KernelView): bigint {
  const start = view.symbol('init_stack') ?? view.symbol('init_thread_union');
  const end = view.symbol('__end_init_stack') ?? view.symbol('__end_init_task');
  const bytes = start === undefined || end === undefined ? 0n : end - start;
  const isSize = bytes >= STACK_BYTES && bytes <= BigInt(MAX_STACK_BYTES) && (bytes & (bytes - 1n)) === 0n;
  return isSize ? bytes : STACK_BYTES;
}

/** Linux commit d7b6d709a76a ("x86/percpu: Move irq_stack variables next to current_task"), v6.2, put it into pcpu_hot, and v6.15 took it out. */
function hardirqStack(view: KernelView, cpus: Cpus, cpu: number): bigint | undefined {
  const own = cpus.variable('hardirq_stack_ptr', cpu);
  if (own !== undefined) return view.u64(own);
  const hot = cpus.variable('pcpu_hot', cpu);
  const field = view.field('pcpu_hot', 'hardirq_stack_ptr');
  return hot === undefined || field === undefined ? undefined : view.u64(hot + BigInt(field.byteOffset));
}
