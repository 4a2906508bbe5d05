/** `smelt pages` */

import { KERNEL_KINDS, MEMORY_KINDS, type MemoryKind } from '../../filter/frame-kind.ts';
import type { ByKind, PagesReport, PagesRequest } from '../../inspect/pages.ts';
import type { MemoryCounters } from '../../kernel/memory/counters.ts';
import { count, memory } from '../../units.ts';
import { type Align, columns } from '../columns.ts';
import type { DisplayOptions } from '../display.ts';
import { duration, percent } from '../format.ts';
import type { Host } from '../host.ts';
import { inputLine } from '../summary.ts';
import { hang, printable } from '../text.ts';
import type { Token } from '../tokens.ts';
import { lookCommand } from './commands.ts';
import { KIND_LOOKS } from './kinds.ts';
import { type Look, type LookArgs, runLook, type Screen } from './look.ts';
import { fileLines, processLines, slabLines } from './pages-owners.ts';

export const runPages = (tokens: readonly Token[], display: DisplayOptions, host: Host) =>
  runLook(look, lookCommand('pages'), tokens, display, host);

const look: Look<PagesRequest, 'pages'> = {
  name: 'pages',
  parse,
  run: (looks, request, observer, signal) => looks.pages(request, observer, signal),
  text,
};

function parse({ values, request }: LookArgs): PagesRequest {
  return { ...request, top: values.top, quick: values.quick ?? false, workDir: values['work-dir'] };
}

function text(report: PagesReport, { width }: Screen): string[] {
  return [
    inputLine(report.input, width),
    '',
    ...kindLines(report),
    '',
    ...zoneLines(report),
    '',
    ...orderLines(report),
    ...(report.counters === undefined ? [] : counterLines(report.counters, report)),
    ...(report.slabCaches === undefined ? [] : ['', ...slabLines(report.slabCaches, report)]),
    ...(report.files === undefined ? [] : ['', ...fileLines(report.files, report)]),
    ...(report.processes === undefined ? [] : ['', ...processLines(report.processes)]),
    ...(report.noOwners === undefined ? [] : ['', `  owners cannot be told: ${report.noOwners}`]),
    '',
    ...hang('  ', runText(report).split(' '), width),
  ];
}

/** Rows of the kernel's memory stand together, with their sum. */
function kindLines({
  kinds,
  totalPages,
  input,
  kernelFreePages,
  counters,
  zerosLookedFor,
}: PagesReport): string[] {
  const size = (of: number) => memory(of * input.pageSizeBytes);
  const isFiltered = MEMORY_KINDS.some((kind) => kinds[kind].absentPages > 0);
  const row = (name: string, of: readonly MemoryKind[], note = '') => {
    const [pages, absent] = (['pages', 'absentPages'] as const).map((field) =>
      of.reduce((sum, kind) => sum + kinds[kind][field], 0),
    ) as [number, number];
    const cells = [name, count(pages), size(pages), percent(pages, totalPages)];
    return [...cells, ...(isFiltered ? [absent === 0 ? '' : count(absent)] : []), note];
  };
  const ifAny = (kind: MemoryKind) => (kinds[kind].pages > 0 ? [row(KIND_LOOKS[kind].name, [kind])] : []);
  const own = (pages: number | undefined) => (pages === undefined ? '' : `kernel counts ${count(pages)}`);
  const table = [
    ['what', 'pages', 'size', 'share', ...(isFiltered ? ['not in dump'] : [])],
    row('kernel', KERNEL_KINDS),
    row('  slab', ['slab']),
    row('  page tables', ['table'], own(counters?.pageTables)),
    row('  reserved', ['reserved']),
    ...(kinds.undecided.pages > 0 ? [row('  undecided', ['undecided'])] : []),
    row('  other', ['kernel']),
    ...(zerosLookedFor ? [row('zero', ['zero'])] : []),
    row('page cache', ['cache']),
    row('private cache', ['cachePrivate']),
    row('user', ['user']),
    row('free', ['free'], own(kernelFreePages)),
    ...ifAny('hwpoison'),
    ...ifAny('offline'),
    row('all', MEMORY_KINDS),
  ];
  const align: Align[] = [
    'left',
    'right',
    'right',
    'right',
    ...(isFiltered ? ['right' as const] : []),
    'left',
  ];
  return columns(align, table);
}

/** What is not counted page by page here, or otherwise: the kernel has large kmalloc among its slab, and knows no pages of zeros. */
const COUNTERS: readonly (readonly [name: string, field: keyof MemoryCounters])[] = [
  ['slab, reclaimable', 'slabReclaimable'],
  ['slab, unreclaimable', 'slabUnreclaimable'],
  ['page tables', 'pageTables'],
  ['kernel stacks', 'kernelStacks'],
  ['vmalloc', 'vmalloc'],
  ['per-CPU', 'perCpu'],
  ['anonymous, mapped', 'anon'],
  ['shared memory, tmpfs', 'shmem'],
  ['locked', 'mlocked'],
  ['dirty', 'dirty'],
  ['in writeback', 'writeback'],
];

function counterLines(counters: MemoryCounters, { input }: PagesReport): string[] {
  const rows = COUNTERS.flatMap(([name, field]) => {
    const pages = counters[field];
    return pages === undefined || pages === 0
      ? []
      : [[name, count(pages), memory(pages * input.pageSizeBytes)]];
  });
  const head = ["kernel's own counts", 'pages', 'size'];
  return rows.length === 0 ? [] : ['', ...columns(['left', 'right', 'right'], [head, ...rows])];
}

/** The kinds of a zone in few columns. */
const ZONE_KINDS: readonly (readonly [name: string, kinds: readonly MemoryKind[]])[] = [
  ['kernel', [...KERNEL_KINDS, 'zero']],
  ['cache', ['cache', 'cachePrivate']],
  ['user', ['user']],
  ['free', ['free']],
];

function zoneLines({ zones, outsideZones, input }: PagesReport): string[] {
  if (zones === undefined) return ['  zones: the dump does not say where they are'];
  const nodes = new Set(zones.map(({ node }) => node));
  const sum = (kinds: ByKind, of: readonly MemoryKind[]) =>
    of.reduce((total, kind) => total + kinds[kind].pages, 0);
  const rows = zones.map((zone) => [
    `${nodes.size > 1 ? `${zone.node} ` : ''}${printable(zone.name ?? '?')}`,
    `0x${(zone.startPfn * input.pageSizeBytes).toString(16)}`,
    count(zone.pages),
    ...ZONE_KINDS.map(([, of]) => count(sum(zone.kinds, of))),
    zone.freePages === undefined ? '' : count(zone.freePages),
  ]);
  return columns(
    ['left', 'right', ...ZONE_KINDS.map(() => 'right' as const), 'right', 'right'],
    [
      [
        nodes.size > 1 ? 'node, zone' : 'zone',
        'from',
        'pages',
        ...ZONE_KINDS.map(([name]) => name),
        'free by kernel',
      ],
      ...rows,
      ...(outsideZones > 0 ? [['none', '', count(outsideZones)]] : []),
    ],
  );
}

function orderLines({ orders, input }: PagesReport): string[] {
  const known = orders.some(({ kernelFreeBlocks }) => kernelFreeBlocks !== undefined);
  return columns(
    ['left', 'right', 'right', 'right', 'right'],
    [
      ['order', 'block', 'free blocks', ...(known ? ["kernel's lists"] : []), 'compound pages'],
      ...orders.map(({ order, freeBlocks, kernelFreeBlocks, compoundPages }) => [
        `${order}`.padStart('order'.length),
        memory(2 ** order * input.pageSizeBytes).replace('.0', ''),
        count(freeBlocks),
        ...(known ? [count(kernelFreeBlocks ?? 0)] : []),
        count(compoundPages),
      ]),
    ],
  );
}

function runText({ threads, totalMs, peakRssBytes, zerosLookedFor }: PagesReport): string {
  const who = threads === 1 ? '1 thread' : `${threads} threads`;
  const how = zerosLookedFor ? '' : '; pages of zeros were not looked for';
  return `${who}, ${duration(totalMs)}, at most ${memory(peakRssBytes)} of memory${how}`;
}
