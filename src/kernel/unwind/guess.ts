/** What looks like return addresses on a stack, where the unwind tables do not say more. */

import type { KernelView } from '../view/view.ts';
import { isReturnAddress } from './code.ts';
import type { OrcTables } from './orc.ts';
import type { Stack } from './stacks.ts';
import { type Frame, type Unwound, unwind } from './unwind.ts';

/** Attempts to go on by the tables from what was guessed: the first that reaches the stack's end is believed. */
const MAX_ATTEMPTS = 16;
const MAX_GUESSES = 128;

/**
 * From `sp` to the end of the stack, which is one of the `stacks`. All of it is a guess, even where the tables lead from
 * one frame to the next.
 */
export function guess(
  view: KernelView,
  tables: OrcTables,
  stacks: readonly Stack[],
  stack: Stack,
  sp: bigint,
): Unwound {
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
      const rest = unwind(view, tables, stacks, from);
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
