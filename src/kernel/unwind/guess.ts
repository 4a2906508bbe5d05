/** What looks like return addresses on a stack, where the unwind tables do not say more. */

import type { KernelView } from '../view/view.ts';
import type { OrcTables } from './orc.ts';
import type { Stack } from './stacks.ts';
import { type Frame, type Unwound, unwind } from './unwind.ts';

/** Attempts to go on by the tables from what was guessed: the first that reaches the stack's end is believed. */
const MAX_ATTEMPTS = 16;
const MAX_GUESSES = 128;
/** The longest call: a prefix, an opcode, and an address or a displacement. */
const LONGEST_CALL = 8;

/** From `sp` to the stack's end. All of it is a guess, even where the tables lead from one frame to the next. */
export function guess(view: KernelView, tables: OrcTables, stack: Stack, sp: bigint): Unwound {
  const frames: Frame[] = [];
  const start = (sp + 7n) & ~7n;
  const bytes = view.read(start, Math.max(0, Number(stack.end - start)));
  const why = 'nothing says which of what looks like return addresses are some';
  if (bytes === undefined) return { frames, ended: { why: 'the stack is not in the dump', sp } };
  let attempts = 0;
  for (let at = 0; at + 8 <= bytes.length && frames.length < MAX_GUESSES; at += 8) {
    const ip = bytes.readBigUInt64LE(at);
    if (!isReturnAddress(view, ip)) continue;
    const slot = start + BigInt(at);
    if (attempts++ < MAX_ATTEMPTS) {
      const from = { ip, slot, isInterrupted: false, sp: slot + 8n, bp: 0n, registers: undefined };
      const rest = unwind(view, tables, from);
      if (typeof rest.ended === 'string' && rest.frames.length > 1)
        return { ...rest, frames: [...frames, ...rest.frames.map(guessed)] };
    }
    frames.push(guessed({ ip, slot, isInterrupted: false, isGuess: true }));
  }
  return { frames, ended: { why, sp } };
}

function guessed(frame: Frame): Frame {
  return { ...frame, isGuess: true };
}

/** Whether it lies in text, and a call stands before it. */
export function isReturnAddress(view: KernelView, ip: bigint): boolean {
  if (ip >> 63n === 0n) return false;
  const type = textAt(view, ip - 1n);
  return type && endsInCall(view.read(ip - BigInt(LONGEST_CALL), LONGEST_CALL));
}

function textAt(view: KernelView, vaddr: bigint): boolean {
  if (view.moduleSymbols.moduleAt(vaddr) !== undefined) return true;
  const [start, end] = [view.symbol('_stext'), view.symbol('_etext')];
  if (start === undefined || end === undefined) return false;
  if (vaddr >= start && vaddr < end) return true;
  const [initStart, initEnd] = [view.symbol('_sinittext'), view.symbol('_einittext')];
  return initStart !== undefined && initEnd !== undefined && vaddr >= initStart && vaddr < initEnd;
}

/** E8 rel32, or FF /2 with any addressing. Source: Intel SDM, volume 2, CALL. */
function endsInCall(bytes: Uint8Array | undefined): boolean {
  if (bytes === undefined) return false;
  const from = (length: number) => bytes[LONGEST_CALL - length]!;
  if (from(5) === 0xe8) return true;
  const isCall = (modrm: number) => (modrm & 0x38) === 0x10;
  return [2, 3, 4, 6, 7].some((length) => from(length) === 0xff && isCall(from(length - 1)));
}
