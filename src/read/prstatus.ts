/** The registers of each CPU when the machine stopped: NT_PRSTATUS notes of the kernel's crash, or what a hypervisor saw. */

import { bytes, struct, u32, u64 } from '../struct.ts';
import type { Note } from './dump-file.ts';
import { NT_PRSTATUS } from './notes.ts';
import { qemuCpus } from './qemu-note.ts';

/** struct elf_prstatus of x86-64, up to the stack pointer in its user_regs_struct. Source: include/linux/elfcore.h, arch/x86/include/asm/user_64.h. */
export const ElfPrstatus = struct('elf_prstatus', {
  common: bytes(32),
  pr_pid: u32,
  times: bytes(76),
  /** r15 … orig_ax. */
  registers: bytes(16 * 8),
  ip: u64,
  cs: u64,
  flags: u64,
  sp: u64,
});

/** No machine has more. */
const MAX_CPUS = 8192;

export interface CpuRegisters {
  readonly rip: bigint;
  readonly rsp: bigint;
  /** Whether a program ran, and not the kernel. */
  readonly userMode: boolean;
  /** Of the task that ran; undefined where a hypervisor made the note, which does not know. */
  readonly pid: number | undefined;
}

/** Of x86-64, in the order of the notes: CPUs that were offline have none. */
export function cpuRegisters(notes: Iterable<Note>): CpuRegisters[] {
  const byKernel: CpuRegisters[] = [];
  const byQemu: CpuRegisters[] = [];
  for (const note of notes) {
    if (byKernel.length >= MAX_CPUS || byQemu.length >= MAX_CPUS) break;
    const { name, type, desc } = note;
    if (type === NT_PRSTATUS && name === 'CORE' && desc.length >= ElfPrstatus.size) {
      const { pr_pid, ip, cs, sp } = ElfPrstatus.read(desc);
      byKernel.push({ rip: ip, rsp: sp, userMode: (cs & 3n) !== 0n, pid: pr_pid });
    }
    for (const { rip, rsp, cs } of qemuCpus([note]))
      byQemu.push({ rip, rsp, userMode: (cs & 3) !== 0, pid: undefined });
  }
  // QEMU writes both, and has a number of its own where the kernel has the PID.
  return byQemu.length > 0 ? byQemu : byKernel;
}
