/** The table of `smelt --mem-usage`: makedumpfile's rows, and those that it counts and does not show. */

import type { UsageReport } from '../workers/report.ts';

const COLUMNS = ['TYPE', 'PAGES', 'EXCLUDABLE', 'DESCRIPTION'] as const;

/** Tabs and all, as makedumpfile has them: scripts read it. */
export function usageText({ classes, absentPages, totalPages, input }: UsageReport): string[] {
  const { zero, cache, cachePrivate, user, free, kernel, undecided, hwpoison, offline } = classes;
  const row = (name: string, pages: number, excludable: 'yes' | 'no', what: string) =>
    `${name}\t${name.length < 8 ? '\t' : ''}${String(pages).padEnd(16)}\t${excludable}\t\t${what}`;
  const ifAny = (pages: number, ...rest: [string, 'yes' | 'no', string]) =>
    pages > 0 ? [row(rest[0], pages, rest[1], rest[2])] : [];
  const [type, pages, excludable, description] = COLUMNS;
  return [
    `${type}\t\t${pages}\t\t\t${excludable}\t${description}`,
    '-'.repeat(70),
    row('ZERO', zero, 'yes', 'Pages filled with zero'),
    row('NON_PRI_CACHE', cache, 'yes', 'Cache pages without private flag'),
    row('PRI_CACHE', cachePrivate, 'yes', 'Cache pages with private flag'),
    row('USER', user, 'yes', 'User process pages'),
    row('FREE', free, 'yes', 'Free pages'),
    ...ifAny(hwpoison, 'HWPOISON', 'yes', 'Pages with broken memory'),
    ...ifAny(offline, 'OFFLINE', 'yes', 'Pages that are offline (balloon, memory hotplug)'),
    ...ifAny(absentPages, 'ABSENT', 'yes', 'Pages that this dump does not have'),
    row('KERN_DATA', kernel + undecided, 'no', 'Dumpable kernel data'),
    ...ifAny(undecided, 'UNDECIDED', 'no', 'Of these: pages that cannot be classified'),
    '',
    `page size:\t\t${input.pageSizeBytes}`,
    `Total pages on system:\t${totalPages}`,
    `Total size on system:\t${totalPages * input.pageSizeBytes} Byte`,
  ];
}
