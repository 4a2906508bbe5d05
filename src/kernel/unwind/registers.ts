/** Registers of x86-64 as a dump has them: on a stack (struct pt_regs), and in the notes of its CPUs (NT_PRSTATUS). */

import type { Note } from '../../read/dump-file.ts';
import { NT_PRSTATUS } from '../../read/notes.ts';
import { struct, u64 } from '../../struct.ts';
import type { KernelView } from '../view/view.ts';

/** struct pt_regs; user_regs_struct begins with the same. Source: arch/x86/include/asm/ptrace.h and user_64.h. */
const PtRegs = struct('pt_regs', {
  r15: u64,
  r14: u64,
  r13: u64,
  r12: u64,
  rbp: u64,
  rbx: u64,
  r11: u64,
  r10: u64,
  r9: u64,
  r8: u64,
  rax: u64,
  rcx: u64,
  rdx: u64,
  rsi: u64,
  rdi: u64,
  orig_rax: u64,
  rip: u64,
  cs: u64,
  rflags: u64,
  rsp: u64,
  ss: u64,
});

export type Registers = ReturnType<typeof PtRegs.read>;
/** What the CPU itself saves: the end of pt_regs. */
export type InterruptFrame = Pick<Registers, 'rip' | 'cs' | 'rflags' | 'rsp' | 'ss'>;

const INTERRUPT_FRAME_AT = PtRegs.offset.rip;
/** Where struct elf_prstatus has its pr_pid and pr_reg. Source: include/uapi/linux/elfcore.h, x86-64. */
const PRSTATUS_PID_AT = 32;
const PRSTATUS_REGS_AT = 112;
/** The ring of user space. */
const USER_RPL = 3n;

export function isUserMode({ cs }: Pick<Registers, 'cs'>): boolean {
  return (cs & USER_RPL) === USER_RPL;
}

export function readRegisters(view: KernelView, vaddr: bigint): Registers | undefined {
  const bytes = view.read(vaddr, PtRegs.size);
  return bytes === undefined ? undefined : PtRegs.read(bytes);
}

/** Of an interrupt whose other registers were not saved (yet): what the CPU pushed, `vaddr` on. */
export function readInterruptFrame(view: KernelView, vaddr: bigint): InterruptFrame | undefined {
  const bytes = view.read(vaddr, PtRegs.size - INTERRUPT_FRAME_AT);
  if (bytes === undefined) return undefined;
  const whole = Buffer.concat([Buffer.alloc(INTERRUPT_FRAME_AT), bytes]);
  const { rip, cs, rflags, rsp, ss } = PtRegs.read(whole);
  return { rip, cs, rflags, rsp, ss };
}

/** Of a note that has registers: the PID of the task that ran, where the kernel made it; QEMU counts CPUs there. */
export function pidOfNote({ desc }: Note): number {
  return new DataView(desc.buffer, desc.byteOffset).getUint32(PRSTATUS_PID_AT, true);
}

/** Undefined for notes of another kind, and of a CPU that saved nothing. */
export function registersOfNote({ name, type, desc }: Note): Registers | undefined {
  if (name !== 'CORE' || type !== NT_PRSTATUS || desc.length < PRSTATUS_REGS_AT + PtRegs.size)
    return undefined;
  const registers = PtRegs.read(desc, PRSTATUS_REGS_AT);
  return registers.rip === 0n && registers.rsp === 0n ? undefined : registers;
}
