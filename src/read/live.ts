/** Where a dump's file lies: on a disk, in memory, or in no place at all because the kernel makes it up. */

import { statfsSync } from 'node:fs';
import type { DumpFile } from './dump-file.ts';

/** What statfs(2) says of /proc, whatever the path looks like. Source: linux/magic.h. */
const PROC_SUPER_MAGIC = 0x9fa0;
const TMPFS_MAGIC = 0x01021994;

/** Whether the file is the kernel's own view of memory (/proc/vmcore): not to be touched at random, and never cut short. */
export function isLive(file: DumpFile): boolean {
  return fileSystemOf(file) === PROC_SUPER_MAGIC;
}

/** Whether it lies on tmpfs, where a hole that is seen through a mapping becomes memory, and one that is read does not. */
export function isInMemory(file: DumpFile): boolean {
  return fileSystemOf(file) === TMPFS_MAGIC;
}

function fileSystemOf({ fd }: DumpFile): number | undefined {
  try {
    // By the open file: its name may have gone meanwhile.
    return statfsSync(`/proc/self/fd/${fd}`).type;
  } catch {
    // Where there is no /proc, nothing can be of it.
    return undefined;
  }
}
