/** Limits that keep a claim in a file from becoming an allocation or a loop: above what any machine has. */

import { SmeltError } from '../errors.ts';
import type { Extents } from './dump-file.ts';
import { endOf } from './extents.ts';
import { comma } from './file.ts';

/** 1 PiB: no machine has memory at higher addresses, and the bitmaps of a dump have a bit for each page frame below. */
export const MAX_PADDR = 2 ** 50;
/** 256 TiB: what 5-level page tables can map directly is less. */
export const MAX_RAM_BYTES = 2 ** 48;
/** Program headers, or runs of a bitmap. Machines with 65,536 were seen. */
export const MAX_EXTENTS = 2 ** 20;
/** The PT_NOTE of a machine with 8,192 CPUs has about 3 MiB. */
export const MAX_NOTE_BYTES = 64 * 2 ** 20;

/** Refuses memory that no machine has. */
export function checkMemory(path: string, memory: Extents): void {
  const ramBytes = memory.sizeBytes.reduce((sum, size) => sum + size, 0);
  if (memory.paddr.length === 0) {
    throw new SmeltError('CORRUPT', `${path}: describes no memory at all`, {
      hint: 'Is it the core file of a program? smelt reads dumps of a whole machine.',
    });
  }
  if (ramBytes > MAX_RAM_BYTES || endOf(memory) > MAX_PADDR) {
    throw new SmeltError(
      'CORRUPT',
      `${path}: describes ${comma(ramBytes)} bytes of memory up to address 0x${endOf(memory).toString(16)}, more than a machine can have`,
    );
  }
}
