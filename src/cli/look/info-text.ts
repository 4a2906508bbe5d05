/** What `smelt info` shows: the most important first, on one screen of 80 columns and 24 lines where little is unusual. */

import type { CpuReport, InfoReport } from '../../inspect/info/report.ts';
import type { LogEntry } from '../../kernel/log-entry.ts';
import { count, fileSize, memory } from '../../units.ts';
import { duration, pages } from '../format.ts';
import { inputLine } from '../summary.ts';
import { hang, painted, printable, Style } from '../text.ts';
import type { Screen } from './look.ts';

const LABEL_WIDTH = 12;
/** A screen, without the line that the shell asks on. */
const SCREEN_LINES = 23;
const LEAST_LOG_LINES = 4;
const MOST_GROUPS = 5;

/** A number and its unit stay together. */
const WORD_END = / (?!(?:[KMGT]i?)?B\b)/;

type Row = readonly [label: string, text: string];

export function infoText(report: InfoReport, screen: Screen): string[] {
  const { input, missing, log } = report;
  const label = (name: string) => `  ${name.padEnd(LABEL_WIDTH - 2)}`;
  const lines = (rows: readonly Row[]) =>
    rows.flatMap(([name, text]) => hang(label(name), printable(text).split(WORD_END), screen.width));
  const head = [
    ...inputLine(input, screen.width).split('\n'),
    '',
    ...highlighted(lines(crashRows(report)), screen),
    ...lines([...kernelRows(report), ...cpuRows(report.cpus), ...memoryRows(report)]),
    ...lines(missing.map((sentence, index): Row => [index === 0 ? 'missing' : '', sentence])),
  ];
  if (log === undefined || log.last.length === 0) return head;
  const room = Math.max(LEAST_LOG_LINES, SCREEN_LINES - head.length - 1);
  const last = howItEnded(log.last, report.crash.crashed === true, room).map((entry, index) => {
    const line = `${label(index === 0 ? 'log' : '')}${printable(oneLine(entry))}`;
    return line.length <= screen.width ? line : `${line.slice(0, screen.width - 1)}…`;
  });
  return [...head, '', ...last];
}

const CALL_TRACE = /^\s*Call Trace:/;
const MARKS_OF_TRACE = /^\s*(?:<\/?[A-Z_]+>|\? )/;

/** The last records; of a crash, where they have room, from its call trace on: what comes last of all are registers. */
function howItEnded(last: readonly LogEntry[], crashed: boolean, room: number): readonly LogEntry[] {
  const trace = crashed ? last.findLastIndex(({ text }) => CALL_TRACE.test(text)) : -1;
  if (trace < 0 || trace >= last.length - room) return last.slice(-room);
  return last
    .slice(trace)
    .filter(({ text }) => !MARKS_OF_TRACE.test(text))
    .slice(0, room);
}

function crashRows({ crash, cpus }: InfoReport): Row[] {
  const { crashed, timeMs, uptimeMs, uptimeFrom, message, firstTrouble, cpu, pid, comm } = crash;
  const up =
    uptimeMs === undefined
      ? []
      : [`${uptimeFrom === 'timekeeper' ? '' : 'at least '}${uptime(uptimeMs)} after boot`];
  const when = [...(timeMs === undefined ? [] : [timeOf(timeMs)]), ...up].join(', ');
  const time = crash.timeFrom === 'dump header' ? `${when} (by the dump's header)` : when;
  const rows: Row[] = [];
  if (crashed === true) rows.push(['crashed', time || 'at an unknown time']);
  else if (crashed === false) rows.push(['running', `${time}: it had not crashed`]);
  else
    rows.push([
      'stopped',
      [time, 'nothing says whether it crashed'].filter((part) => part !== '').join('; '),
    ]);
  if (message !== undefined) rows.push(['message', firstLine(message)]);
  if (firstTrouble !== undefined && firstTrouble.text !== message)
    rows.push(['trouble', `first ${oneLine(firstTrouble)}`]);
  if (cpu !== undefined) {
    const task = pid === undefined ? [] : [comm === undefined ? `PID ${pid}` : `${comm} (PID ${pid})`];
    const place = cpus.filter((each) => each.crashed).map(({ place }) => place ?? '');
    rows.push(['on', [`CPU ${cpu}`, ...task, ...place].filter((part) => part !== '').join(', ')]);
  }
  return rows;
}

function kernelRows({ kernel, input, encryption }: InfoReport): Row[] {
  const { release, version, nodename, machine, hardware, commandLine, taint, kaslrOffset } = kernel;
  const rows: Row[] = [];
  const known = [release, version].filter((part) => part !== undefined);
  const tainted = taint === undefined ? '' : taint === '' ? ', not tainted' : `, tainted ${taint}`;
  if (known.length > 0) rows.push(['kernel', `${known.join(' ')}${tainted}`]);
  const name = [nodename, machine, hardware].filter((part) => part !== undefined);
  rows.push(['machine', name.join(', ')]);
  if (commandLine) rows.push(['booted', `with ${commandLine}`]);
  if (encryption !== undefined) {
    const { maskBit, technology } = encryption;
    const features = technology?.features.join(', ') ?? 'technology unknown';
    rows.push([
      'encrypted',
      maskBit === undefined ? features : `${features}, bit ${maskBit} of page-table entries`,
    ]);
  }
  const levels = input.pageTableLevels === undefined ? [] : [`${input.pageTableLevels}-level paging`];
  const kaslr =
    kaslrOffset === undefined || kaslrOffset === 0n ? [] : [`KASLR offset 0x${kaslrOffset.toString(16)}`];
  const placed = [...levels, ...kaslr].join(', ');
  if (placed !== '') rows.push(['mapped', placed]);
  return rows;
}

/** CPUs that are at one place together: in a large machine nearly all are idle. */
function cpuRows(cpus: readonly CpuReport[]): Row[] {
  if (cpus.length === 0) return [];
  const groups = new Map<string, number[]>();
  for (const cpu of cpus) {
    const where = whereOf(cpu);
    groups.set(where, [...(groups.get(where) ?? []), cpu.cpu]);
  }
  const all = [...groups].map(([where, numbers]) => `${ranges(numbers)} ${where}`);
  const more = all.length > MOST_GROUPS ? [`and ${all.length - MOST_GROUPS} other places (--json)`] : [];
  return [['CPUs', `${count(cpus.length)}: ${[...all.slice(0, MOST_GROUPS), ...more].join(', ')}`]];
}

function whereOf({ userMode, place, rip }: CpuReport): string {
  return userMode ? 'in a program' : (place ?? `at 0x${rip.toString(16)}`);
}

/** "0, 2-63" without blanks. */
function ranges(numbers: readonly number[]): string {
  const runs: [number, number][] = [];
  for (const number of numbers) {
    const last = runs.at(-1);
    if (last !== undefined && last[1] + 1 === number) last[1] = number;
    else runs.push([number, number]);
  }
  return runs.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join('+');
}

function memoryRows({ memory: ram, file }: InfoReport): Row[] {
  const holes =
    ram.holes === 0
      ? ''
      : `, ${count(ram.holes)} ${ram.holes === 1 ? 'hole' : 'holes'} of ${memory(ram.holeBytes)}`;
  const rows: Row[] = [
    [
      'memory',
      `${memory(ram.sizeBytes)} in ${pages(ram.pages)} of ${memory(ram.pageSizeBytes)}, up to ${memory(ram.endPaddr)}${holes}`,
    ],
  ];
  const { headerVersion, codec, parts, storedPages, eraseInfo } = file;
  const facts = [
    fileSize(file.sizeBytes),
    ...(parts > 1 ? [`${parts} parts`] : []),
    ...(headerVersion === undefined ? [] : [`version ${headerVersion}`, codec ?? 'not compressed']),
    file.atLeast
      ? `${pages(storedPages)} are in it, by its bitmap`
      : storedPages >= ram.pages && !file.incomplete
        ? 'all pages are in it'
        : `${pages(storedPages)} are in it`,
  ];
  rows.push(['file', facts.join(', ')]);
  if (eraseInfo.length > 0) rows.push(['erased', `${pieces(eraseInfo.length)} (--json lists them)`]);
  return rows;
}

const pieces = (value: number) => (value === 1 ? '1 piece of data' : `${count(value)} pieces of data`);

function timeOf(ms: number): string {
  const date = new Date(ms);
  if (Number.isNaN(date.getTime())) return 'at an impossible time';
  return `${date.toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}

const DAY_MS = 86_400_000;

function uptime(ms: number): string {
  if (ms < DAY_MS) return duration(ms);
  const days = Math.floor(ms / DAY_MS);
  return `${days === 1 ? '1 day' : `${count(days)} days`} ${Math.floor((ms % DAY_MS) / 3_600_000)} h`;
}

/** "[   11.965750] message", its first line. */
function oneLine({ timeUs, text }: LogEntry): string {
  if (timeUs === undefined) return firstLine(text);
  const seconds = String(Math.floor(timeUs / 1e6)).padStart(5);
  return `[${seconds}.${String(timeUs % 1e6).padStart(6, '0')}] ${firstLine(text)}`;
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0]!.replaceAll('\t', ' ').trimEnd();
}

/** What crashed stands out where there are colours. */
function highlighted(lines: readonly string[], { coloured }: Screen): string[] {
  return lines.map((line) =>
    coloured && /^ {2}(?:crashed|message)/.test(line)
      ? painted(line.slice(0, LABEL_WIDTH), Style.error) + line.slice(LABEL_WIDTH)
      : line,
  );
}
