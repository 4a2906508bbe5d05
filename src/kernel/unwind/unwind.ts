/** From frame to frame up a stack, by the kernel's unwind tables. */

import type { KernelView } from '../view/view.ts';
import { isBehindCall, isCode, isReturnedTo } from './code.ts';
import type { OrcEntry, OrcTables } from './orc.ts';
import { frameByPrologue } from './prologue.ts';
import {
  type InterruptFrame,
  isUserMode,
  type Registers,
  readInterruptFrame,
  readRegisters,
} from './registers.ts';
import { type Stack, stackAt } from './stacks.ts';

export interface Frame {
  readonly ip: bigint;
  /** Where on the stack that stands; undefined: registers said it. */
  readonly slot: bigint | undefined;
  /** The instruction that was next, not one that something returns to. */
  readonly isInterrupted: boolean;
  /** It looks like a return address, and nothing says that it is one. */
  readonly isGuess: boolean;
  /** What an interrupt, an exception or a system call saved when it came here. */
  registers?: Registers | InterruptFrame;
}

/** Where an unwinding begins. */
export interface Start extends Pick<Frame, 'ip' | 'slot' | 'isInterrupted'> {
  readonly sp: bigint;
  readonly bp: bigint;
  readonly registers: Registers | undefined;
}

export interface Unwound {
  readonly frames: Frame[];
  /** `end`: the stack ends there; `user`: what is before ran in user space; else why it could not go on. */
  readonly ended: 'end' | 'user' | { readonly why: string; readonly sp: bigint };
}

/** Kernel stacks are small; this is a bound on what a damaged one may lead to. */
const MAX_FRAMES = 512;
const FIRST_KERNEL_ADDRESS = 1n << 63n;
/** A call to address 0 left its return address on top of the stack. */
const CALLED_NULL: OrcEntry = {
  spRegister: 'sp',
  spOffset: 8,
  bpRegister: 'undefined',
  bpOffset: 0,
  type: 'call',
};

interface State {
  ip: bigint;
  slot: bigint | undefined;
  sp: bigint;
  bp: bigint;
  isInterrupted: boolean;
  registers: Registers | undefined;
}

/**
 * What is found off the `stacks`, is no code of the kernel, or nothing that a call returns to, is a guess, and so is all that
 * follows: the tables hold for stacks that are whole. Never throws for what it reads.
 */
export function unwind(view: KernelView, tables: OrcTables, stacks: readonly Stack[], start: Start): Unwound {
  const state: State = { ...start };
  const frames: Frame[] = [];
  const seen = new Set<string>();
  let isGuess = false;
  const lost = (why: string, sp = state.sp): Unwound => ({ frames, ended: { why, sp } });
  while (frames.length < MAX_FRAMES) {
    const { ip, slot, sp, isInterrupted } = state;
    const key = `${ip} ${sp}`;
    if (seen.has(key)) return lost('the stack leads back to itself');
    seen.add(key);
    // A call may be the last instruction of its function: what it returns to is the next one's.
    const entry = ip === 0n ? CALLED_NULL : tables.find(isInterrupted ? ip : ip - 1n);
    if (slot !== undefined) {
      const isOnStack = stackAt(stacks, slot) !== undefined;
      const isInCode = isCode(view, ip - 1n);
      // Programs that the kernel compiles itself (BPF) are in no table.
      if (!isInCode && (ip < FIRST_KERNEL_ADDRESS || !isBehindCall(view, ip)))
        return lost(`what stands at ${hex(slot)} is no address of code`);
      // Where CPUs begin they are led by a jump.
      const isReached = entry?.type === 'end' || isReturnedTo(view, ip);
      if (!isOnStack || !isInCode || !isReached) isGuess = true;
    }
    const frame: Frame = { ip, slot, isInterrupted, isGuess };
    frames.push(frame);
    if (entry === undefined || isSilent(entry)) {
      const found = frameByPrologue(view, isInterrupted ? ip : ip - 1n, sp);
      if (found === undefined) return lost(`the unwind tables say nothing of ${hex(ip)}`);
      leave(view, state, found.slot, (found.savedBp && view.u64(found.savedBp)) ?? state.bp);
      continue;
    }
    if (entry.type === 'end') return { frames, ended: 'end' };
    const next = stackPointer(view, entry, state);
    if (next === undefined) return lost('the stack is not in the dump');
    if (next < FIRST_KERNEL_ADDRESS) return lost(`the stack leads to ${hex(next)}`);
    const step =
      entry.type === 'call' ? returned(view, state, entry, next) : interrupted(view, state, entry, next);
    if (step === undefined) return lost('the stack is not in the dump');
    if (step.saved !== undefined) {
      frame.registers = step.saved;
      isGuess ||= stackAt(stacks, next) === undefined;
    }
    if (step.ended !== undefined) return { frames, ended: step.ended };
    const stack = stackAt(stacks, sp);
    if (stack !== undefined && state.sp <= sp && stackAt(stacks, state.sp) === stack)
      return lost('the stack leads back to itself', sp);
  }
  return lost(`there are more than ${MAX_FRAMES} frames`);
}

interface Step {
  readonly saved?: Registers | InterruptFrame;
  readonly ended?: 'end' | 'user';
}

function returned(view: KernelView, state: State, entry: OrcEntry, sp: bigint): Step | undefined {
  return leave(view, state, sp - 8n, framePointer(view, entry, state, sp)) ? {} : undefined;
}

/** To the caller; false where its address is not in the dump. */
function leave(view: KernelView, state: State, slot: bigint, bp: bigint): boolean {
  const ip = view.u64(slot);
  if (ip === undefined) return false;
  Object.assign(state, { ip, slot, sp: slot + 8n, bp, isInterrupted: false, registers: undefined });
  return true;
}

/** What is left out of the tables has an entry that says nothing, of whatever type. */
function isSilent({ type, spRegister }: OrcEntry): boolean {
  return type === 'unknown' || (type !== 'end' && spRegister === 'undefined');
}

function interrupted(view: KernelView, state: State, entry: OrcEntry, sp: bigint): Step | undefined {
  const isWhole = entry.type === 'regs';
  const registers = isWhole ? readRegisters(view, sp) : undefined;
  const saved = registers ?? (isWhole ? undefined : readInterruptFrame(view, sp));
  if (saved === undefined) return undefined;
  // Kernel threads have zeros where others have what user space had.
  if (saved.rip === 0n && saved.rsp === 0n) return { ended: 'end' };
  if (isUserMode(saved)) return { saved, ended: 'user' };
  const bp = registers?.rbp ?? framePointer(view, entry, state, sp);
  Object.assign(state, { ip: saved.rip, slot: undefined, sp: saved.rsp, bp, isInterrupted: true });
  state.registers = registers ?? state.registers;
  return { saved };
}

/** Of the caller, or where the registers stand. */
function stackPointer(view: KernelView, entry: OrcEntry, { sp, bp, registers }: State): bigint | undefined {
  const offset = BigInt(entry.spOffset);
  switch (entry.spRegister) {
    case 'sp':
      return wrapped(sp + offset);
    case 'bp':
      return wrapped(bp + offset);
    case 'bp-indirect':
      return view.u64(wrapped(bp + offset));
    case 'sp-indirect': {
      // Linux commit 87ccc826bf1c ("x86/unwind/orc: Change REG_SP_INDIRECT"), v5.12: the offset is added behind the look.
      const target = view.u64(sp);
      return target === undefined ? undefined : wrapped(target + offset);
    }
    case 'r10':
      return plus(registers?.r10, offset);
    case 'r13':
      return plus(registers?.r13, offset);
    case 'di':
      return plus(registers?.rdi, offset);
    case 'ax':
      return plus(registers?.rax, offset);
    case 'dx':
      return plus(registers?.rdx, offset);
    default:
      return undefined;
  }
}

/** RBP of the caller. `callerSp`: its stack pointer. */
function framePointer(view: KernelView, entry: OrcEntry, { bp }: State, callerSp: bigint): bigint {
  const base = entry.bpRegister === 'prev-sp' ? callerSp : entry.bpRegister === 'bp' ? bp : undefined;
  return (base === undefined ? undefined : view.u64(wrapped(base + BigInt(entry.bpOffset)))) ?? bp;
}

function plus(register: bigint | undefined, offset: bigint): bigint | undefined {
  return register === undefined ? undefined : wrapped(register + offset);
}

function wrapped(value: bigint): bigint {
  return BigInt.asUintN(64, value);
}

function hex(vaddr: bigint): string {
  return `0x${vaddr.toString(16)}`;
}
