/** What a person is told by `smelt sme VMCORE`: the verdict, the census in one screen, and the shared ranges. */

import type { Verdict } from '../sme/verdict/verdict.ts';
import { count, memory } from '../units.ts';
import type { CensusReport, SharedRange, SmeReport } from '../workers/report.ts';
import { duration, pages } from './format.ts';
import { CLASS_NAMES, MASK_SOURCES } from './summary.ts';
import { hang, printable } from './text.ts';

const LINE_WIDTH = 80;
const INDENT = '  ';
const LABEL_WIDTH = 10;
/** Ranges that are shown; --json has more. */
const MAX_RANGES = 16;

/** Lines of at most 80 columns, where names do not make them longer. */
export function smeText(report: SmeReport): string[] {
  const { census, noCensus, verdict, input } = report;
  if (census === undefined)
    return verdict.outcome === 'readable' ? noCensusLines(noCensus) : verdictLines(verdict);
  return [
    ...hang('', `${technologyText(report)}.`.split(' '), LINE_WIDTH),
    ...verdictLines(verdict),
    '',
    ...frameLines(census, input.pageSizeBytes),
    '',
    ...entryLines(census),
    ...oddityLines(census),
    ...rangeLines(census, input.pageSizeBytes),
    '',
    ...workLines(report),
  ];
}

function verdictLines({ outcome, sentence, hint }: Verdict): string[] {
  if (outcome === 'readable') return ['The memory was read through the right mapping.'];
  const lines = hang('', printable(sentence).split(' '), LINE_WIDTH);
  return hint === undefined ? lines : [...lines, ...hang(INDENT, printable(hint).split(' '), LINE_WIDTH)];
}

/** Where the memory can be read, but not understood. */
function noCensusLines(noCensus: SmeReport['noCensus']): string[] {
  const text = `No page tables can be found: ${noCensus?.why ?? 'nothing says where they are'}.`;
  const lines = hang('', printable(text).split(' '), LINE_WIDTH);
  const hint = noCensus?.hint;
  return hint === undefined ? lines : [...lines, ...hang(INDENT, hint.split(' '), LINE_WIDTH)];
}

function technologyText({ input, census }: SmeReport): string {
  const { technology, meaning, bit } = census!;
  const who = technology && `${technology.features.join(' ')} (${sourceOf(technology.from)})`;
  switch (meaning) {
    case 'encrypted':
      return `${who ?? 'SME or SEV'}; encryption bit ${bit}, says ${MASK_SOURCES[input.smeMaskFrom ?? 'vmcoreinfo']}`;
    case 'shared':
      return `${who ?? 'a bit as Intel TDX has it'}; bit ${bit} marks shared pages, and what is encrypted the page tables do not say`;
    case 'none':
      return `${who === undefined ? '' : `${who}; `}${who === undefined ? 'No' : 'no'} entry of the page tables has an encryption bit`;
  }
}

function sourceOf(from: NonNullable<CensusReport['technology']>['from']): string {
  return from === 'kernel log' ? 'says the kernel log' : `says ${from} of the kernel`;
}

type Row = readonly [name: string, pages: number, note?: string];

function frameLines({ meaning, pages: sums, shared }: CensusReport, pageSizeBytes: number): string[] {
  const frames: Row[] = [
    ...(meaning === 'encrypted' ? [['encrypted', sums.encrypted] as const] : []),
    ...(meaning === 'none' ? [] : [['shared', sums.shared] as const]),
    ...(meaning === 'encrypted' ? [] : [[meaning === 'shared' ? 'private' : 'mapped', sums.plain] as const]),
    ...(meaning === 'none' ? [] : [['both ways', sums.both, 'counted above as well'] as const]),
    ['not mapped', sums.unmapped],
  ];
  const uses: Row[] = shared.map(({ use, pages: of }) => [use ?? 'use not known', of]);
  const sections: [string, Row[]][] = [['frames', frames]];
  if (uses.length > 0) sections.push(['shared', uses]);
  const rows = sections.flatMap(([, all]) => all);
  const nameWidth = Math.max(...rows.map(([name]) => name.length));
  const countWidth = Math.max(...rows.map(([, of]) => count(of).length));
  return sections.flatMap(([label, all]) =>
    all.map(([name, of, note], index) => {
      const unit = index > 0 ? '      ' : of === 1 ? ' page ' : ' pages';
      const size = of === 0 ? '' : memory(of * pageSizeBytes);
      const start = `${INDENT}${(index === 0 ? label : '').padEnd(LABEL_WIDTH)}${name.padEnd(nameWidth)} `;
      const line = `${start}${count(of).padStart(countWidth)}${unit}  ${size.padStart(10)}`;
      return (note === undefined || of === 0 ? line : `${line}  ${note}`).trimEnd();
    }),
  );
}

/** What the entries of the tables are, with and without the bit: leaves, tables, and where they map. */
function entryLines({ meaning, leaves, tables, regions }: CensusReport): string[] {
  const sections = [
    ['leaves', leaves.map((each) => [memory(2 ** each.bytesShift).replace('.0', ''), each] as const)],
    ['tables', tables.map((each) => [`level ${each.level}`, each] as const)],
    ['regions', regions.map((each) => [each.name, each] as const)],
  ] as const;
  const used = sections.map(
    ([label, rows]) =>
      [label, rows.filter(([, { withBit, withoutBit }]) => withBit + withoutBit > 0)] as const,
  );
  const width = 15;
  const columns = (withBit: string, withoutBit: string) =>
    meaning === 'none'
      ? withoutBit.padStart(width)
      : `${withBit.padStart(width)}${withoutBit.padStart(width)}`;
  const head =
    meaning === 'none'
      ? []
      : [`${' '.repeat(INDENT.length + LABEL_WIDTH + 12)}${columns('with the bit', 'without')}`];
  const units = { leaves: '', tables: '', regions: ' pages' };
  return [
    ...head,
    ...used.flatMap(([label, rows]) =>
      rows.map(
        ([name, { withBit, withoutBit }], index) =>
          `${INDENT}${(index === 0 ? label : '').padEnd(LABEL_WIDTH)}${name.padEnd(12)}${columns(count(withBit), count(withoutBit))}${units[label]}`,
      ),
    ),
  ];
}

/** Aliases are not among them: kernels map a page of zeros, or the stacks of espfix, many times. */
const ODDITIES: Readonly<Record<Exclude<keyof CensusReport['oddities'], 'aliases'>, string>> = {
  missingTables: 'tables that are not in the dump',
  tablesAtTwoLevels: 'tables named at two levels, not followed',
  beyondLimit: 'tables beyond what a machine can have, not followed',
  badAddresses: 'leaves with address bits that no machine has',
};

function oddityLines({ oddities, leftOut }: CensusReport): string[] {
  const rows = Object.entries(ODDITIES).flatMap(([key, what]) => {
    const of = oddities[key as keyof typeof oddities];
    return of > 0 ? [`${count(of)} ${what}`] : [];
  });
  if (leftOut > 0) rows.push(`${pages(leftOut)} left out: memory lies in too many pieces`);
  return rows.map((row, index) => `${INDENT}${(index === 0 ? 'odd' : '').padEnd(LABEL_WIDTH)}${row}`);
}

/** The largest ones, in ascending order. */
function rangeLines({ sharedRanges, sharedRangeCount }: CensusReport, pageSizeBytes: number): string[] {
  if (sharedRanges.length === 0) return [];
  const largest = sharedRanges.toSorted((a, b) => b.count - a.count).slice(0, MAX_RANGES);
  const shown = largest.sort((a, b) => a.pfn - b.pfn);
  const more = (sharedRangeCount ?? 0) - shown.length;
  const width = Math.max(...shown.map(({ count: of }) => count(of).length));
  return [
    '',
    `${INDENT}shared from physical address`,
    ...shown.map((range) => {
      const address = `0x${(range.pfn * pageSizeBytes).toString(16)}`;
      const unit = range.count === 1 ? 'page ' : 'pages';
      const what = [range.use ?? '', classText(range)].filter((text) => text !== '').join(', ');
      const start = `${INDENT}${address.padStart(16)}  ${count(range.count).padStart(width)} ${unit}  `;
      return hang(start, what.split(' '), LINE_WIDTH).join('\n').trimEnd();
    }),
    ...(more > 0 ? [`${INDENT}${count(more)} smaller ranges more: --json has the largest 10,000`] : []),
  ];
}

/** "free", "kernel 12, free 4"; empty where it is not known. */
function classText({ classes, count: of }: SharedRange): string {
  const parts = Object.entries(classes ?? {}) as [keyof typeof CLASS_NAMES, number][];
  return parts
    .sort(([, a], [, b]) => b - a)
    .map(([name, some]) => (some === of ? CLASS_NAMES[name] : `${CLASS_NAMES[name]} ${count(some)}`))
    .join(', ');
}

function workLines({ threads, totalMs, peakRssBytes, phases, pagesFile }: SmeReport): string[] {
  const tables = phases.find(({ phase }) => phase === 'census')?.pages ?? 0;
  const who = threads === 1 ? '1 thread' : `${count(threads)} threads`;
  const row = (label: string, text: string) => `${INDENT}${label.padEnd(LABEL_WIDTH)}${text}`;
  return [
    ...(pagesFile === undefined ? [] : [row('bitmaps', printable(pagesFile))]),
    row(
      'run',
      `${count(tables)} lowest tables, ${who}, ${duration(totalMs)}, at most ${memory(peakRssBytes)} of memory`,
    ),
  ];
}
