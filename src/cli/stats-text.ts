/** Counts of pages in the words of makedumpfile's report, for scripts that read those (--show-stats). */

import type { DumpReport } from '../workers/report.ts';

/** Its last line, "Cache hit: …", is about a cache that smelt does not have. */
export function statsText({ totalPages, holePages, keptPages, classes, output }: DumpReport): string[] {
  const hex = (pages: number) => `0x${pages.toString(16).padStart(16, '0')}`;
  const remaining = keptPages - classes.zero;
  const share = totalPages === 0 ? 0 : Math.floor((remaining * 100) / totalPages);
  return [
    `Original pages  : ${hex(totalPages)}`,
    `  Excluded pages   : ${hex(totalPages - remaining)}`,
    `    Pages filled with zero  : ${hex(classes.zero)}`,
    `    Non-private cache pages : ${hex(classes.cache)}`,
    `    Private cache pages     : ${hex(classes.cachePrivate)}`,
    `    User process data pages : ${hex(classes.user)}`,
    `    Free pages              : ${hex(classes.free)}`,
    `    Hwpoison pages          : ${hex(classes.hwpoison)}`,
    `    Offline pages           : ${hex(classes.offline)}`,
    `  Remaining pages  : ${hex(remaining)}`,
    `  (The number of pages is reduced to ${share}%.)`,
    `Memory Hole     : ${hex(holePages)}`,
    '-'.repeat(50),
    `Total pages     : ${hex(totalPages + holePages)}`,
    `Write bytes     : ${output.sizeBytes}`,
  ];
}
