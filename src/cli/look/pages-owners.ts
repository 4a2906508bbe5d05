/** Whom pages belong to, as `smelt pages --top` shows them. */

import type { ProcessesReport } from '../../inspect/pages/processes.ts';
import type { OwnerReport, PagesReport } from '../../inspect/pages.ts';
import type { CachedFile, SlabCache } from '../../kernel/memory/owners.ts';
import { count, memory } from '../../units.ts';
import { columns } from '../columns.ts';
import { printable } from '../text.ts';

export function slabLines({ top, ...rest }: OwnerReport<SlabCache>, { input }: PagesReport): string[] {
  return columns(
    ['left', 'right', 'right', 'right'],
    [
      ['slab cache', 'object', 'pages', 'size'],
      ...top.map(({ name, objectBytes, vaddr, pages }) => [
        name === undefined ? `0x${vaddr.toString(16)}` : printable(name),
        objectBytes === undefined ? '' : `${count(objectBytes)} B`,
        count(pages),
        memory(pages * input.pageSizeBytes),
      ]),
      ...restRow(top, rest, input.pageSizeBytes, ['']),
    ],
  );
}

export function fileLines({ top, ...rest }: OwnerReport<CachedFile>, { input }: PagesReport): string[] {
  return columns(
    ['right', 'right', 'left', 'left'],
    [
      ['pages', 'size', 'on', 'cached file'],
      ...top.map((file) => [
        count(file.pages),
        memory(file.pages * input.pageSizeBytes),
        printable(
          [file.fileSystem, file.device].filter((part, i, all) => part && part !== all[i - 1]).join(' '),
        ),
        printable(
          file.path ?? (file.inode === undefined ? `0x${file.vaddr.toString(16)}` : `inode ${file.inode}`),
        ),
      ]),
      ...restRow(top, rest, input.pageSizeBytes, []).map(([what, ...cells]) => [...cells, '', what!]),
    ],
  );
}

type Sums = Omit<ProcessesReport, 'top' | 'processes'>;

const PROCESS_FIELDS: readonly (readonly [field: keyof Sums, name: string])[] = [
  ['anonBytes', 'anonymous'],
  ['fileBytes', 'file'],
  ['shmemBytes', 'shared'],
  ['swapBytes', 'swapped'],
];

/** Not counted page by page: the heading says so. */
export function processLines({ top, processes, ...sums }: ProcessesReport): string[] {
  const shown = PROCESS_FIELDS.filter(([field]) => sums[field] > 0);
  const sizes = (of: (field: keyof Sums) => number) =>
    shown.map(([field]) => (of(field) === 0 ? '' : memory(of(field))));
  const rest = (field: keyof Sums) => sums[field] - top.reduce((total, each) => total + each[field], 0);
  const others = processes - top.length;
  return columns(
    [...shown.map(() => 'right' as const), 'right', 'left'],
    [
      [...shown.map(([, name]) => name), 'PID', 'process, by its own counters'],
      ...top.map((each) => [...sizes((field) => each[field]), `${each.pid}`, printable(each.comm)]),
      ...(others === 0 ? [] : [[...sizes(rest), '', `${count(others)} others`]]),
    ],
  );
}

function restRow(
  top: readonly { readonly pages: number }[],
  { owners, pages, forgottenPages }: Omit<OwnerReport<unknown>, 'top'>,
  pageSizeBytes: number,
  empty: readonly string[],
): string[][] {
  const rest = pages + forgottenPages - top.reduce((sum, each) => sum + each.pages, 0);
  if (rest === 0) return [];
  const others = `${count(owners - top.length)}${forgottenPages > 0 ? ' or more' : ''} others`;
  return [[others, ...empty, count(rest), memory(rest * pageSizeBytes)]];
}
