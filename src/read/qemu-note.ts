/** QEMU's notes: the registers of each CPU as the hypervisor saw them, in dumps taken from outside of a guest. */

import { bytes, struct, u32, u64 } from '../struct.ts';
import type { Note } from './dump-file.ts';

/** Up to the control registers. Source: QEMU target/i386/arch_dump.c, QEMUCPUState, version 1; 32-bit guests have the same. */
export const QemuCpuState = struct('QEMUCPUState', {
  version: u32,
  size: u32,
  /** rax … r15, rip, rflags. */
  registers: bytes(6 * 8),
  rsp: u64,
  moreRegisters: bytes(9 * 8),
  rip: u64,
  rflags: u64,
  /** cs, ds, es, fs, gs, ss, ldt, tr, gdt, idt. */
  segments: bytes(10 * 24),
  cr0: u64,
  cr1: u64,
  cr2: u64,
  cr3: u64,
  cr4: u64,
});

/** Source: arch/x86/include/uapi/asm/processor-flags.h. */
const X86_CR0_PG = 1n << 31n;
const X86_CR4_PAE = 1n << 5n;
const X86_CR4_LA57 = 1n << 12n;
/** Physical address bits of CR3; below them are the PCID or cache flags. */
const CR3_ADDRESS = 0x000f_ffff_ffff_f000n;

export interface QemuCpu {
  readonly rip: bigint;
  readonly rsp: bigint;
  /** The selector: its lowest two bits are not zero where a program ran, and not the kernel. */
  readonly cs: number;
  /** Physical address in CR3 as it stands: the encryption bit may be among its bits. */
  readonly cr3: bigint;
  /**
   * Whether it translates addresses by tables of 8-byte entries. In a dump of x86-64 that is long mode: QEMU names the machine by
   * the EFER of the first CPU (target/i386/arch_dump.c, cpu_get_dump_info), which is not in the note.
   */
  readonly paging: boolean;
  /** Levels of tables in long mode. */
  readonly levels: 4 | 5;
}

/** One for each CPU, in order; a note of another version or too short is passed over. */
export function* qemuCpus(notes: Iterable<Note>, littleEndian = true): Generator<QemuCpu> {
  for (const { name, desc } of notes) {
    if (name !== 'QEMU' || desc.length < QemuCpuState.size) continue;
    const state = QemuCpuState.read(desc, 0, littleEndian);
    if (state.version !== 1) continue;
    yield {
      rip: state.rip,
      rsp: state.rsp,
      cs: state.segments[0]! | (state.segments[1]! << 8),
      cr3: state.cr3 & CR3_ADDRESS,
      paging: (state.cr0 & X86_CR0_PG) !== 0n && (state.cr4 & X86_CR4_PAE) !== 0n,
      levels: (state.cr4 & X86_CR4_LA57) === 0n ? 4 : 5,
    };
  }
}
