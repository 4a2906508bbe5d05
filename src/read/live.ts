/** Tells the kernel's own view of memory from a file on a disk. */

import { statfsSync } from 'node:fs';
import type { DumpFile } from './dump-file.ts';

/** What statfs(2) says of /proc, whatever the path looks like. Source: linux/magic.h. */
const PROC_SUPER_MAGIC = 0x9fa0;

/** Whether the file is the kernel's own view of memory (/proc/vmcore): not to be touched at random, and never cut short. */
export function isLive(file: DumpFile): boolean {
  try {
    // By the open file: its name may have gone meanwhile.
    return statfsSync(`/proc/self/fd/${file.fd}`).type === PROC_SUPER_MAGIC;
  } catch {
    // Where there is no /proc, nothing can be of it.
    return false;
  }
}
