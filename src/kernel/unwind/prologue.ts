/** A frame by the code of its function, for functions that the unwind tables leave out (__crash_kexec is one: STACK_FRAME_NON_STANDARD). */

import type { KernelView } from '../view/view.ts';

/** Bytes of a prologue that are looked at. */
const PROLOGUE_BYTES = 64;
const CALL_BYTES = 5;
const MAX_FRAME_BYTES = 64 * 1024;

export interface FoundFrame {
  /** Where the return address stands. */
  readonly slot: bigint;
  /** Where the caller's RBP was pushed; undefined: the function leaves it as it is. */
  readonly savedBp: bigint | undefined;
}

/**
 * Of a function that is behind its prologue. Believed only where the return address that it leads to stands behind a call
 * of this very function.
 */
export function frameByPrologue(view: KernelView, ip: bigint, sp: bigint): FoundFrame | undefined {
  const place = view.placeOf(ip);
  const code = place && view.read(place.vaddr, PROLOGUE_BYTES);
  if (place === undefined || code === undefined) return undefined;
  const { frameBytes, bpAt } = readPrologue(code.subarray(0, Math.min(code.length, place.offset)));
  if (frameBytes > MAX_FRAME_BYTES) return undefined;
  const slot = BigInt.asUintN(64, sp + BigInt(frameBytes));
  const back = view.u64(slot);
  const call = back === undefined ? undefined : view.read(back - BigInt(CALL_BYTES), CALL_BYTES);
  if (back === undefined || call?.[0] !== 0xe8) return undefined;
  if (BigInt.asUintN(64, back + BigInt(call.readInt32LE(1))) !== place.vaddr) return undefined;
  return { slot, savedBp: bpAt === undefined ? undefined : slot - BigInt(bpAt) };
}

/** What it takes from the stack, up to the first instruction that is not one of a prologue. Source: Intel SDM, volume 2. */
function readPrologue(code: Buffer): { frameBytes: number; bpAt: number | undefined } {
  let frameBytes = 0;
  let bpAt: number | undefined;
  for (let at = 0; at < code.length; ) {
    const [first, second, third] = [code[at]!, code[at + 1] ?? 0, code[at + 2] ?? 0];
    const isRex = first === 0x48 || first === 0x49 || first === 0x4c || first === 0x4d;
    if (first >= 0x50 && first <= 0x57) {
      frameBytes += 8;
      if (first === 0x55) bpAt = frameBytes;
      at += 1;
    } else if (first === 0x41 && second >= 0x50 && second <= 0x57) {
      frameBytes += 8;
      at += 2;
    } else if (first === 0x48 && second === 0x83 && third === 0xec) {
      return { frameBytes: frameBytes + (code[at + 3] ?? 0), bpAt };
    } else if (first === 0x48 && second === 0x81 && third === 0xec && at + 7 <= code.length) {
      return { frameBytes: frameBytes + code.readUInt32LE(at + 3), bpAt };
    } else if (first === 0xf3 && second === 0x0f && third === 0x1e)
      at += 4; // endbr64
    else if (first === 0xe8 || (first === 0x0f && second === 0x1f && third === 0x44))
      at += 5; // ftrace: a call, or a nop of its length
    else if (first >= 0xb8 && first <= 0xbf)
      at += 5; // mov $imm32, %r32
    else if (first === 0x41 && second >= 0xb8 && second <= 0xbf) at += 6;
    else if ((first === 0x89 || first === 0x31) && second >= 0xc0)
      at += 2; // mov, xor between registers
    else if (isRex && (second === 0x89 || second === 0x31) && third >= 0xc0) at += 3;
    else break;
  }
  return { frameBytes, bpAt };
}
