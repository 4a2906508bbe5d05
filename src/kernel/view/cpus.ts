/** The CPUs of a kernel in a dump, and where each has its own copy of a per-CPU variable. */

import type { KernelView } from './view.ts';

/** NR_CPUS of the largest configuration. Source: arch/x86/Kconfig. */
const MAX_CPUS = 8192;

export class Cpus {
  /** Those that were there when the machine ran (cpu_present_mask), ascending. */
  readonly numbers: readonly number[];
  private readonly view: KernelView;
  private readonly offsetsAt: bigint | undefined;
  private readonly offsets = new Map<number, bigint | undefined>();

  constructor(view: KernelView) {
    this.view = view;
    this.offsetsAt = view.symbol('__per_cpu_offset');
    this.numbers = this.present();
  }

  /** Of a per-CPU variable or pointer; undefined where the dump does not say where the CPU's copies are. */
  address(perCpu: bigint | undefined, cpu: number): bigint | undefined {
    const offset = this.offset(cpu);
    return perCpu === undefined || offset === undefined ? undefined : BigInt.asUintN(64, perCpu + offset);
  }

  /** The same by the variable's name. */
  variable(name: string, cpu: number): bigint | undefined {
    return this.address(this.view.symbol(name), cpu);
  }

  private offset(cpu: number): bigint | undefined {
    if (!this.offsets.has(cpu)) {
      const at = this.offsetsAt;
      this.offsets.set(cpu, at === undefined ? undefined : this.view.u64(at + 8n * BigInt(cpu)));
    }
    return this.offsets.get(cpu);
  }

  private present(): number[] {
    const mask = this.view.symbol('__cpu_present_mask');
    const bytes = Math.min(this.view.sizeOf('cpumask') ?? 8, MAX_CPUS / 8);
    const bits = mask === undefined ? undefined : this.view.read(mask, bytes);
    if (bits === undefined) return [];
    const numbers: number[] = [];
    for (let cpu = 0; cpu < bytes * 8; cpu++) if (bits[cpu >> 3]! & (1 << (cpu & 7))) numbers.push(cpu);
    return numbers;
  }
}
