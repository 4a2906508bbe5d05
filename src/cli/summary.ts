/** What a person is told about the input before the work and about the dump after it. */

import { DumpLevel, type PageClass } from '../filter/page-class.ts';
import { count, fileSize, memory } from '../units.ts';
import type { DumpReport, InputReport, PhaseReport } from '../workers/report.ts';
import { amount, duration, logSize, pages, percent, phaseRate } from './format.ts';
import { hang, headed, printable } from './text.ts';

const INDENT = 2;
const LABEL_WIDTH = 10;
/** Notes beside a row go below it where a line would be longer. */
const LINE_WIDTH = 80;
/** A file that stores less than this share of its length is told with both. */
const MUCH_LESS = 0.9;
/** The usual depth of x86_64 page tables; only another one is worth a word. */
const USUAL_LEVELS = 4;

/** Who says which bit of the page tables it is. */
export const MASK_SOURCES = {
  vmcoreinfo: 'VMCOREINFO',
  option: '--sme-mask',
  'page tables': 'the top-level page table',
} as const satisfies Record<NonNullable<InputReport['smeMaskFrom']>, string>;

/** The first line: which file this is, so that the wrong one is noticed at once. */
export function inputLine(input: InputReport, width: number): string {
  const facts = [
    input.format,
    ...(input.flattened ? ['flattened'] : []),
    ...(input.moreParts.length > 0 ? [`in ${input.moreParts.length + 1} parts`] : []),
    `${memory(input.ramBytes)} of RAM`,
    input.release === undefined ? input.architecture : `Linux ${input.release} ${input.architecture}`,
  ];
  const { pageTableLevels, vmcoreinfoFrom, smeMask, smeMaskBit, smeMaskFrom, dumpLevel } = input;
  if (pageTableLevels !== undefined && pageTableLevels !== USUAL_LEVELS)
    facts.push(`${pageTableLevels}-level paging`);
  if (smeMask !== undefined) {
    const from =
      smeMaskFrom === 'vmcoreinfo' || smeMaskFrom === undefined ? '' : `, by ${MASK_SOURCES[smeMaskFrom]}`;
    facts.push(`encrypted memory (bit ${smeMaskBit}${from})`);
  }
  if (vmcoreinfoFrom === undefined) facts.push('no VMCOREINFO');
  if (vmcoreinfoFrom === 'memory scan') facts.push('VMCOREINFO found by searching the memory');
  if (vmcoreinfoFrom === 'file') facts.push('VMCOREINFO from a file');
  if (dumpLevel !== 0) facts.push(`already filtered at level ${dumpLevel}`);
  const words = facts.map((fact, index) => printable(index < facts.length - 1 ? `${fact},` : fact));
  return headed(input.path, words, width);
}

/**
 * Lines of at most 80 columns, where names do not make them longer. Warnings are not among them.
 * @param askedThreads as --num-threads says; undefined: nobody asked
 */
export function summary(report: DumpReport, askedThreads?: number): string {
  return [
    ...headLines(report),
    '',
    ...classLines(report),
    ...sharedLines(report),
    '',
    ...workLines(report, askedThreads),
  ].join('\n');
}

/** What was shared of memory that was encrypted. */
function sharedLines({ census, input }: DumpReport): string[] {
  if (census === undefined || census.meaning === 'none') return [];
  const of = census.pages.shared;
  const uses = census.shared.flatMap(({ use, pages: some }) =>
    use === undefined ? [] : [`${use} ${count(some)}`],
  );
  const known = uses.length === 0 ? '' : ` (${uses.join(', ')})`;
  const verb = census.meaning === 'shared' ? 'shared' : 'decrypted';
  const text =
    of === 0
      ? `no page was ${verb} in the crashed kernel`
      : `${pages(of)} ${of === 1 ? 'was' : 'were'} ${verb} in the crashed kernel${known}:`;
  // The command stays in one piece, to be copied.
  const command =
    of === 0 ? [] : [`\`${['smelt sme', input.path, ...input.moreParts].map(printable).join(' ')}\``];
  return hang(
    `${' '.repeat(INDENT)}${'shared'.padEnd(LABEL_WIDTH)}`,
    [...text.split(' '), ...command],
    LINE_WIDTH,
  );
}

function headLines({ input, output, missingPages, totalMs }: DumpReport): string[] {
  const { path, sizeBytes, storedBytes } = output;
  const ratio = input.ramBytes > 0 ? ` (${percent(storedBytes, input.ramBytes)})` : '';
  const size = `${fileSize(storedBytes)} of ${memory(input.ramBytes)} of RAM${ratio}, dump level ${output.dumpLevel}, ${duration(totalMs)}`;
  // What is left of the length are holes, or what the file system itself compresses.
  const length =
    storedBytes < sizeBytes * MUCH_LESS
      ? [
          `  in ${output.files.length > 1 ? 'files' : 'a file'} ${fileSize(sizeBytes)} long, the rest of which takes no room on the disk`,
        ]
      : [];
  if (output.estimated) {
    const names = output.files.map((file) => printable(file.path));
    const to = names.length < 2 ? names : [names.slice(0, -1).join(', '), names.at(-1)];
    return [
      ...dryRunLines(input, to.join(' and ')),
      `  about ${size}`,
      ...length,
      missingPages > 0 || (output.dumpLevel & DumpLevel.zero) !== 0
        ? '  sizes and what is marked are estimated from a sample; other counts are exact'
        : '  sizes are estimated from a sample; counts of pages are exact',
    ];
  }
  const done = `dump ${missingPages > 0 ? 'incomplete' : 'complete'}`;
  if (output.files.length < 2) return [`${done}: ${printable(path ?? '')}`, `  ${size}`, ...length];
  const rows = output.files.map(
    ({ path: part, sizeBytes }) => [printable(part), fileSize(sizeBytes)] as const,
  );
  const width = Math.max(...rows.map(([, bytes]) => bytes.length));
  return [
    `${done}, in ${output.files.length} parts`,
    ...rows.map(([part, bytes]) => `  ${bytes.padStart(width)}  ${part}`),
    `  ${size}`,
    ...length,
  ];
}

/** And what the last file was taken for that was named: `output`, or a part of the dump. */
export function dryRunLines({ moreParts }: InputReport, output: string): string[] {
  const last = moreParts.at(-1);
  const where =
    output !== ''
      ? ` to ${output}`
      : last === undefined
        ? ''
        : `; ${printable(last)} is taken for a part of the dump, and with -f for DUMPFILE`;
  return hang('dry run: ', `nothing was written${where}`.split(' '), LINE_WIDTH, INDENT);
}

export const CLASS_NAMES: Readonly<Record<PageClass, string>> = {
  kernel: 'kernel',
  undecided: 'undecided',
  zero: 'zero',
  cache: 'page cache',
  cachePrivate: 'private cache',
  user: 'user',
  free: 'free',
  hwpoison: 'hwpoison',
  offline: 'offline',
  shared: 'shared',
};

/** Every kind of page that has a struct page and is not the kernel's. */
const ALL_BUT_KERNEL = DumpLevel.cachePrivate | DumpLevel.user | DumpLevel.free;

/** What is kept because nothing says that it may go is the kernel's where everything else was looked for. */
function nameOf(name: PageClass, dumpLevel: number): string {
  if (name !== 'kernel' || (dumpLevel & ALL_BUT_KERNEL) === ALL_BUT_KERNEL) return CLASS_NAMES[name];
  return dumpLevel === 0 ? 'all kinds' : 'all else';
}

/** Bits of the dump level of which one is enough to drop the class; 0: kept at any level; undefined: dropped at any. */
const DROPPED_BY: Readonly<Record<PageClass, number | undefined>> = {
  kernel: 0,
  undecided: 0,
  zero: DumpLevel.zero,
  cache: DumpLevel.cache | DumpLevel.cachePrivate,
  cachePrivate: DumpLevel.cachePrivate,
  user: DumpLevel.user,
  free: DumpLevel.free,
  hwpoison: undefined,
  offline: undefined,
  shared: undefined,
};

/** In the order in which they are usually large. */
const ROW_ORDER: readonly PageClass[] = [
  'kernel',
  'undecided',
  'free',
  'cache',
  'cachePrivate',
  'user',
  'zero',
  'hwpoison',
  'offline',
  'shared',
];

interface Row {
  readonly name: string;
  readonly pages: number;
  readonly note: string;
}

type Section = readonly [label: string, rows: readonly Row[]];

function classLines(report: DumpReport): string[] {
  const { classes, absentPages, missingPages, output } = report;
  const isDropped = (name: PageClass): boolean => {
    const bits = DROPPED_BY[name];
    return bits === undefined || (output.dumpLevel & bits) !== 0;
  };
  const rowOf = (name: PageClass): Row => ({
    name: nameOf(name, output.dumpLevel),
    pages: classes[name],
    note: noteOf(name, report),
  });
  // What a level keeps is counted as kernel by rights; it gets its own row when it was told apart all the same.
  const kept = ROW_ORDER.filter(
    (name) => name === 'kernel' || name === 'undecided' || (!isDropped(name) && classes[name] > 0),
  ).map(rowOf);
  const dropped = ROW_ORDER.filter(
    (name) => isDropped(name) && (classes[name] > 0 || isExpected(name, output.dumpLevel)),
  ).map(rowOf);
  const absent: Row[] = absentPages > 0 ? [{ name: '', pages: absentPages, note: 'not in the input' }] : [];
  const missing: Row[] =
    missingPages > 0
      ? [{ name: '', pages: missingPages, note: `could not be read${output.estimated ? ', estimated' : ''}` }]
      : [];
  const sections: Section[] = [
    ['kept', kept],
    ['dropped', dropped],
    ['absent', absent],
    ['missing', missing],
  ];
  const lines = table(
    sections.filter(([, rows]) => rows.length > 0),
    report.input.pageSizeBytes,
  );
  return dropped.length > 0
    ? lines
    : [...lines, `${' '.repeat(INDENT)}${'dropped'.padEnd(LABEL_WIDTH)}nothing`];
}

/** Classes that have a row even when no page is of them. */
function isExpected(name: PageClass, dumpLevel: number): boolean {
  return name === 'offline' ? dumpLevel !== 0 : name !== 'hwpoison' && name !== 'shared';
}

/** What became of pages of zeros that were to be left out. */
const ZERO_PAGES: Readonly<Record<DumpReport['output']['format'], string>> = {
  'kdump-compressed': 'one stands for all',
  ELF: 'not stored; crash reads zeros',
  raw: 'holes, read as zeros',
  LiME: 'holes, read as zeros',
};

function noteOf(name: PageClass, { classes, kernelFreePages, output }: DumpReport): string {
  if (name === 'free' && kernelFreePages !== undefined)
    return `kernel's own count: ${count(kernelFreePages)}`;
  // Only their contents tell pages of zeros from others that are kept, and a dry run looks at a sample of them.
  if ((output.dumpLevel & DumpLevel.zero) === 0 || classes[name] === 0) return '';
  if (output.estimated) return DROPPED_BY[name] === 0 || name === 'zero' ? 'estimated' : '';
  if (name !== 'zero') return '';
  return ZERO_PAGES[output.format];
}

function table(
  sections: readonly (readonly [label: string, rows: readonly Row[]])[],
  pageSizeBytes: number,
): string[] {
  const all = sections.flatMap(([, rows]) => rows);
  const nameWidth = Math.max(...all.map(({ name }) => name.length));
  const countWidth = Math.max(...all.map((row) => count(row.pages).length));
  const sizeOf = (row: Row): string => (row.pages === 0 ? '' : memory(row.pages * pageSizeBytes));
  const sizeWidth = Math.max(...all.map((row) => sizeOf(row).length));
  return sections.flatMap(([label, rows]) =>
    rows.flatMap((row, index) => {
      const unit = index > 0 ? '      ' : row.pages === 1 ? ' page ' : ' pages';
      const start = `${' '.repeat(INDENT)}${(index === 0 ? label : '').padEnd(LABEL_WIDTH)}${row.name.padEnd(nameWidth)} `;
      const line = `${start}${count(row.pages).padStart(countWidth)}${unit}  ${sizeOf(row).padStart(sizeWidth)}`;
      if (row.note === '') return [line.trimEnd()];
      if (line.length + 2 + row.note.length <= LINE_WIDTH) return [`${line}  ${row.note}`];
      return [line.trimEnd(), `${' '.repeat(start.length)}${row.note}`];
    }),
  );
}

function workLines(report: DumpReport, askedThreads = 0): string[] {
  const { output, input, dataBytes, storedPages, dedup, threads, mmap, peakRssBytes, phases } = report;
  const rows: string[][] = [];
  const { log } = report;
  if (log !== undefined) rows.push(['log', `${printable(log.path ?? '')}: ${logSize(log)}`]);
  const { erased } = report;
  if (erased !== undefined)
    rows.push([
      'erased',
      `${count(erased.bytes)} bytes in ${count(erased.places)} ${erased.places === 1 ? 'place' : 'places'}, by --config`,
    ]);
  // Of one that is not encrypted there is a warning.
  const { targetProtection } = report;
  if (targetProtection?.encrypted === 'all legs')
    rows.push(['target', `encrypted: ${printable(targetProtection.why)}`]);
  const storedBytes = storedPages * input.pageSizeBytes;
  if (output.codec === undefined) {
    rows.push(['codec', `none: ${pages(storedPages)}, ${memory(storedBytes)}`]);
  } else {
    const level = output.compressionLevel === undefined ? '' : ` level ${output.compressionLevel}`;
    const maker = output.codecMaker === undefined ? '' : `, ${printable(output.codecMaker)}`;
    const stored = `${memory(storedBytes)} in ${fileSize(dataBytes)}${factor(storedBytes, dataBytes)}`;
    rows.push(['codec', `${output.codec}${level}${maker}: ${stored}`]);
  }
  for (const phase of phases) rows.push([phase.phase, phaseText(phase, input.pageSizeBytes)]);
  if (dedup !== undefined) rows.push(['dedup', dedupText(dedup)]);
  const workers = threads === 1 ? '1 thread' : `${count(threads)} threads`;
  const fewer = threads < askedThreads ? ` (${count(askedThreads)} asked for)` : '';
  rows.push([
    'run',
    `${workers}${fewer}, input ${mmap ? 'mapped' : 'read'}, at most ${memory(peakRssBytes)} of memory`,
  ]);
  return rows.flatMap(([label, text]) =>
    hang(`${' '.repeat(INDENT)}${label.padEnd(LABEL_WIDTH)}`, text.split(' '), LINE_WIDTH),
  );
}

function dedupText({ pages: same, savedBytes, ms }: NonNullable<DumpReport['dedup']>): string {
  return `${pages(same)} not stored again, ${fileSize(savedBytes)} saved, for ${duration(ms)} of CPU time`;
}

/** ", 4.9 to 1" */
function factor(before: number, after: number): string {
  return before > 0 && after > 0 ? `, ${(before / after).toFixed(1)} to 1` : '';
}

function phaseText({ phase, pages: done, ms }: PhaseReport, pageSizeBytes: number): string {
  const rate = phaseRate(phase, done, pageSizeBytes, ms);
  return `${amount(phase, done)} in ${duration(ms)}${rate === undefined ? '' : `, ${rate}`}`;
}
