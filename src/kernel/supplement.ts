/** Puts what a file says of a kernel (-i, -x) behind what the dump says of itself. */

import type { Arch } from '../arch/arch.ts';
import { Vmcoreinfo } from './vmcoreinfo.ts';

const SYMBOL_LINE = /^SYMBOL\(([^)]*)\)=([0-9a-f]{1,16})$/gim;

/**
 * The dump's own values count, and the file supplies what it leaves out. Symbols of the file are moved to where the
 * dumped kernel lies: a vmlinux has the addresses that it was linked for, and KASLR adds something at each boot.
 */
export function supplement(own: Vmcoreinfo, given: Vmcoreinfo, arch: Arch): Vmcoreinfo {
  return new Vmcoreinfo(`${own.text.trimEnd()}\n${moved(given, movedBy(own, given), arch)}`);
}

/** The file's text with symbols of the kernel image at other addresses. */
export function moved(given: Vmcoreinfo, by: bigint, arch: Arch): string {
  if (by === 0n) return given.text;
  const { image } = arch.imageRegions(given);
  return given.text.replace(SYMBOL_LINE, (line, name: string, hex: string) => {
    const vaddr = BigInt(`0x${hex}`);
    const inImage = vaddr >= image.start && vaddr < image.end;
    return inImage ? `SYMBOL(${name})=${BigInt.asUintN(64, vaddr + by).toString(16)}` : line;
  });
}

/** How far apart the two kernels lie: by a symbol that both have, or else by what both say. */
function movedBy(own: Vmcoreinfo, given: Vmcoreinfo): bigint {
  const [here, there] = [own.symbol('_stext'), given.symbol('_stext')];
  if (here !== undefined && there !== undefined) return here - there;
  return (own.kernelOffset ?? 0n) - (given.kernelOffset ?? 0n);
}
