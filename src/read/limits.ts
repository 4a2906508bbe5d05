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
/** What a flattened file may come to when it is put in order, as much as there can be memory. */
export const MAX_FLAT_BYTES = MAX_PADDR;
/** Each is looked at once, before anything else is done: 2^24 are 1 TiB in makedumpfile's records of 64 KiB, and some 10 s. */
const MAX_FLAT_RECORDS = 2 ** 24;
/**
 * Of those, what does not continue its neighbour is kept, 24 bytes each: 100 MB, or twice that where records cut into others, and
 * up to 800 MB for the 4 s that it takes to put them in order. A flattened file of 90 GB by QEMU, of 130 GB by makedumpfile has that many.
 */
const MAX_FLAT_ENTRIES = 2 ** 22;
export const FLAT_LIMITS = { records: MAX_FLAT_RECORDS, entries: MAX_FLAT_ENTRIES } as const;

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
