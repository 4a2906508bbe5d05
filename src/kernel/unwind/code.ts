/** Whether an address is one of code, and whether a call could have left it on a stack. */

import type { KernelView } from '../view/view.ts';

/** The longest call: a prefix, an opcode, and an address or a displacement. */
const LONGEST_CALL = 8;

/** Whether it lies in the text of the kernel or in a module. */
export function isCode(view: KernelView, vaddr: bigint): boolean {
  return isKernelCode(view, vaddr) || view.moduleSymbols.moduleAt(vaddr) !== undefined;
}

export function isKernelCode(view: KernelView, vaddr: bigint): boolean {
  return isBetween(view, '_stext', '_etext', vaddr) || isInitText(view, vaddr);
}

const isInitText = (view: KernelView, vaddr: bigint) => isBetween(view, '_sinittext', '_einittext', vaddr);

function isBetween(view: KernelView, from: string, to: string, vaddr: bigint): boolean {
  const [start, end] = [view.symbol(from), view.symbol(to)];
  return start !== undefined && end !== undefined && vaddr >= start && vaddr < end;
}

/** Whether it lies in code, and a call stands before it. */
export function isReturnAddress(view: KernelView, ip: bigint): boolean {
  if (ip >> 63n === 0n) return false;
  return isCode(view, ip - 1n) && isBehindCall(view, ip);
}

/**
 * Whether a call stands before it, where that can be seen: what was code of the boot is given back after it, and has been
 * written over. Or something begins there, which is put on stacks by hand (ret_from_fork, trampolines).
 */
export function isReturnedTo(view: KernelView, ip: bigint): boolean {
  if (isInitText(view, ip - 1n) || isBehindCall(view, ip)) return true;
  if (view.read(ip - BigInt(LONGEST_CALL), LONGEST_CALL) === undefined) return true;
  return view.placeOf(ip)?.vaddr === ip;
}

/** E8 rel32, or FF /2 with any addressing. Source: Intel SDM, volume 2, CALL. */
export function isBehindCall(view: KernelView, ip: bigint): boolean {
  const bytes = view.read(ip - BigInt(LONGEST_CALL), LONGEST_CALL);
  if (bytes === undefined) return false;
  const from = (length: number) => bytes[LONGEST_CALL - length]!;
  if (from(5) === 0xe8) return true;
  const isCall = (modrm: number) => (modrm & 0x38) === 0x10;
  return [2, 3, 4, 6, 7].some((length) => from(length) === 0xff && isCall(from(length - 1)));
}
