/** Finds a kernel that KASLR moved, in a dump without any VMCOREINFO, by what a vmlinux says of it: the way of x86-64. */

import type { Arch } from '../arch/arch.ts';
import type { DumpFile, MemoryReader } from '../read/dump-file.ts';
import { scanMemory } from './scan-memory.ts';
import { moved } from './supplement.ts';
import { Vmcoreinfo } from './vmcoreinfo.ts';

/** CONFIG_PHYSICAL_ALIGN is 2 MiB at least: virtual and physical addresses are moved by multiples of it. */
const ALIGNMENT = 1n << 21n;

/** A kernel that may be the one: `given` with its addresses as they are in memory. */
export interface LocateStep {
  readonly found: Vmcoreinfo | undefined;
  readonly pages: number;
}

/**
 * The kernel's banner ("Linux version …") stands in its read-only data, a known way from all else in the image, which lies
 * in one piece in memory. So where it is found, `phys_base` can be read; and what that leaves of the way from the
 * banner's linked address is what KASLR added. Other copies of the text (the log, files) do not fit the alignment, or
 * have no phys_base that makes sense; whoever walks the page tables of the candidate finds the rest.
 * Source: arch/x86/kernel/head64.c and arch/x86/boot/compressed/kaslr.c.
 */
export function* locateKernel(
  file: DumpFile,
  reader: MemoryReader,
  arch: Arch,
  given: Vmcoreinfo,
): Generator<LocateStep> {
  const banner = given.symbol('linux_banner');
  const physBase = given.symbol('phys_base');
  if (banner === undefined || physBase === undefined || given.release === undefined) return;
  const { image } = arch.imageRegions(given);
  const at = (bannerPaddr: number, symbol: string, length: number) => {
    const vaddr = given.symbol(symbol);
    const bytes = Buffer.alloc(length);
    const paddr = vaddr === undefined ? -1 : bannerPaddr + Number(vaddr - banner);
    return paddr >= 0 && reader.read(paddr, bytes) ? bytes : undefined;
  };
  const pattern = Buffer.from(`Linux version ${given.release} (`, 'latin1');
  for (const { paddr, pages } of scanMemory(file, reader, pattern)) {
    if (paddr === undefined) {
      yield { found: undefined, pages };
      continue;
    }
    const base = at(paddr, 'phys_base', 8)?.readBigInt64LE(0);
    if (base === undefined) continue;
    const kernelOffset = BigInt(paddr) - base + image.start - banner;
    if (kernelOffset < 0n || kernelOffset >= image.end - image.start) continue;
    if (kernelOffset % ALIGNMENT !== 0n || base % ALIGNMENT !== 0n) continue;
    const levels5 = at(paddr, '__pgtable_l5_enabled', 4)?.readUInt32LE(0);
    const mask = at(paddr, 'sme_me_mask', 8)?.readBigInt64LE(0) ?? 0n;
    // Since v6.17 the number of levels is a feature of the CPU, and no variable says it: both are tried.
    for (const l5 of levels5 === undefined ? [0, 1] : [levels5]) {
      const own = `KERNELOFFSET=${kernelOffset.toString(16)}\nNUMBER(phys_base)=${base}\nNUMBER(pgtable_l5_enabled)=${l5}\nNUMBER(sme_mask)=${mask}\n`;
      yield { found: new Vmcoreinfo(`${moved(given, kernelOffset, arch).trimEnd()}\n${own}`), pages: 0 };
    }
  }
}
