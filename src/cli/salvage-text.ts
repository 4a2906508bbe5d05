/** What `smelt salvage` saved and what was lost, as a person reads it. */

import { count, fileSize, memory } from '../units.ts';
import type { LostPages, SalvageReport } from '../workers/report.ts';
import { amount, duration, pages, percent, phaseRate } from './format.ts';
import { dryRunLines } from './summary.ts';
import { hang, printable } from './text.ts';

const WIDTH = 80;
const LABEL = 12;

/** Why pages are lost, the commonest first. */
const REASONS: Readonly<Record<keyof LostPages, string>> = {
  cutOff: 'cut off',
  neverWritten: 'never written',
  otherPart: 'in parts not given',
  badDescriptor: 'descriptor damaged',
  notWhole: 'do not unpack',
  overlapping: 'overlap others',
  unreadable: 'could not be read',
  noCodec: 'no codec here',
};

/** Lines of at most 80 columns, where names do not make them longer. `asked`: DUMPFILE, also of a dry run. */
export function salvageText(report: SalvageReport, asked?: string): string[] {
  const { output, input, savedPages, lostPages, claimedPages, lostBefore, totalMs, damage } = report;
  const { path, sizeBytes } = output;
  const whole = output.incomplete ? 'incomplete' : 'complete';
  const head =
    path === undefined ? dryRunLines(input, printable(asked ?? '')) : [`dump ${whole}: ${printable(path)}`];
  const size = `${path === undefined ? 'it would be ' : ''}${fileSize(sizeBytes)} of ${memory(input.ramBytes)} of RAM, ${duration(totalMs)}`;
  const share = claimedPages > 0 ? `${percent(savedPages, claimedPages)} of what the dump had` : '';
  const rows: (readonly [label: string, text: string])[] = [
    ...damage.map((what, i) => [i === 0 ? 'damage' : '', printable(what)] as const),
    ['saved', `${pages(savedPages)}  ${memory(savedPages * input.pageSizeBytes)}  ${share}`],
    [
      'lost',
      lostPages === 0
        ? lostBefore > 0
          ? 'nothing more'
          : 'nothing'
        : `${pages(lostPages)}  ${memory(lostPages * input.pageSizeBytes)}`,
    ],
    ...reasonRows(report),
    ...rangeRows(report),
    ...(lostBefore === 0
      ? []
      : [['', `${pages(lostBefore)} ${lostBefore === 1 ? 'was' : 'were'} lost before, it says`] as const]),
    ['notes', notesText(report)],
    ['log', logText(report)],
    ...workRows(report),
  ];
  return [
    ...head,
    `  ${size}`,
    '',
    ...rows.flatMap(([label, text]) => hang(`  ${label.padEnd(LABEL - 2)}`, text.split(' '), WIDTH)),
  ];
}

function reasonRows({ lost }: SalvageReport): (readonly [string, string])[] {
  return Object.entries(REASONS).flatMap(([reason, words]) => {
    const lostBy = lost[reason as keyof LostPages];
    return lostBy === 0 ? [] : [['', `${words}: ${count(lostBy)}`] as const];
  });
}

function rangeRows({ firstLost, lastLost, lostRanges }: SalvageReport): (readonly [string, string])[] {
  if (firstLost === undefined || lastLost === undefined) return [];
  const range = ({ pfn, count: length }: typeof firstLost) =>
    length === 1 ? `0x${pfn.toString(16)}` : `0x${pfn.toString(16)} to 0x${(pfn + length - 1).toString(16)}`;
  if (lostRanges === 1) return [['', `page frames ${range(firstLost)}`]];
  return [
    ['', `page frames ${range(firstLost)} first, ${range(lastLost)} last, in ${count(lostRanges)} runs`],
  ];
}

function notesText({ input, cpus }: SalvageReport): string {
  const info = {
    note: 'VMCOREINFO',
    'memory scan': 'VMCOREINFO found in the memory',
    file: 'VMCOREINFO from a file',
    none: 'no VMCOREINFO',
  }[input.vmcoreinfoFrom ?? 'none'];
  const registers =
    cpus === 0 ? 'no registers' : `registers of ${cpus === 1 ? '1 CPU' : `${count(cpus)} CPUs`}`;
  return `${info}, ${registers}`;
}

function logText({ log, noLog }: SalvageReport): string {
  if (log === undefined) return printable(noLog ?? 'cannot be found');
  const records = log.records === 1 ? '1 record' : `${count(log.records)} records`;
  return log.lostRecords === 0
    ? `whole, ${records}`
    : `${records} can be read, at least ${count(log.lostRecords)} are lost`;
}

function workRows({
  output,
  phases,
  input,
  threads,
  peakRssBytes,
}: SalvageReport): (readonly [string, string])[] {
  const { codec, codecMaker } = output;
  const packed = codec === undefined ? [] : [['codec', `${codec}, ${printable(codecMaker ?? '')}`] as const];
  const work = phases.map(({ phase, pages: done, ms }) => {
    const rate = phaseRate(phase, done, input.pageSizeBytes, ms);
    return [
      phase,
      `${amount(phase, done)} in ${duration(ms)}${rate === undefined ? '' : `, ${rate}`}`,
    ] as const;
  });
  const workers = threads === 1 ? '1 thread' : `${count(threads)} threads`;
  return [...packed, ...work, ['run', `${workers}, at most ${memory(peakRssBytes)} of memory`]];
}
