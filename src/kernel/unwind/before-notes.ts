/** Frames below the registers that a CPU noted: what noted them ran on, and its frames are still on the stack. */

import type { KernelView } from '../view/view.ts';
import type { OrcTables } from './orc.ts';
import type { Stack } from './stacks.ts';
import { type Start, type Unwound, unwind } from './unwind.ts';

/** What a panicking CPU ends in, on the stack of its task; and what stops the others, on the stack of an NMI. */
const LAST_FUNCTIONS = ['machine_kexec', 'crash_nmi_callback'];
/** Of the task's stack, below the noted stack pointer. */
const TASK_STACK_BYTES = 2048n;
const MAX_ATTEMPTS = 16;

/**
 * The whole stack, where one of these functions is found on it and the tables lead from there to the very frame that was
 * noted; else undefined. Of several such the lowest on the stack.
 */
export function fromLastFunction(
  view: KernelView,
  tables: OrcTables,
  stacks: readonly Stack[],
  noted: Start,
): Unwound | undefined {
  const functions = LAST_FUNCTIONS.flatMap((name) => {
    const place = placeNamed(view, name);
    return place === undefined ? [] : [place];
  });
  // Of the frame that was noted the caller is what both ways must have in common.
  const after = unwind(view, tables, stacks, noted).frames[1];
  let attempts = 0;
  for (const { start, end } of searched(stacks, noted)) {
    const bytes = view.read(start, Number(end - start));
    if (bytes === undefined) continue;
    for (let at = 0; at + 8 <= bytes.length; at += 8) {
      const ip = bytes.readBigUInt64LE(at);
      if (!functions.some((place) => ip > place.start && ip < place.end)) continue;
      if (attempts++ >= MAX_ATTEMPTS) return undefined;
      const slot = start + BigInt(at);
      const { bp } = noted;
      const from = { ip, slot, isInterrupted: false, sp: slot + 8n, bp, registers: undefined };
      const whole = unwind(view, tables, stacks, from);
      const leadsThere = whole.frames.some(({ slot: stands, ip: leads, registers }) => {
        if (registers?.rip === noted.ip && registers.rsp === noted.sp) return true;
        return after?.slot !== undefined && stands === after.slot && leads === after.ip;
      });
      if (leadsThere) return whole;
    }
  }
  return undefined;
}

/** The task's stack below the noted frame, and the stacks of NMIs whole. */
function* searched(
  stacks: readonly Stack[],
  { sp }: Start,
): Generator<{ readonly start: bigint; readonly end: bigint }> {
  for (const { name, start, end } of stacks) {
    if (sp > start && sp <= end) {
      const from = (sp - TASK_STACK_BYTES > start ? sp - TASK_STACK_BYTES : start) & ~7n;
      yield { start: from, end: sp & ~7n };
    } else if (name === 'NMI') {
      yield { start, end };
    }
  }
}

function placeNamed(view: KernelView, name: string): { start: bigint; end: bigint } | undefined {
  const start = view.symbol(name);
  const size = start === undefined ? undefined : view.symbols?.at(start)?.sizeBytes;
  return start === undefined || size === undefined ? undefined : { start, end: start + BigInt(size) };
}
