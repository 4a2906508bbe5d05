/** What a person is told of a benchmark: tables of at most 80 columns, and in the end the advice and what makes numbers misleading. */

import { threadsText } from '../bench/classify-speed.ts';
import type { BenchReport, Estimate, PartsReport, SyntheticReport } from '../bench/report.ts';
import type { Spread } from '../bench/spread.ts';
import { count, fileSize, memory } from '../units.ts';
import { INDENT, inMb, namedSettings, range, seconds, settingOptions, short, WIDTH } from './bench-format.ts';
import { peerTable } from './bench-peer-table.ts';
import { columns } from './columns.ts';
import { warningLines } from './errors-out.ts';
import { duration, percent } from './format.ts';
import { inputLine } from './summary.ts';
import { hang, printable } from './text.ts';

/** `inputShown`: the line about the input stands above it already. */
export function benchTable(report: BenchReport, { inputShown = false } = {}): string {
  const { input, synthetic, parts, peer } = report;
  return [
    ...(inputShown ? [] : [inputLine(input, WIDTH)]),
    ...(synthetic === undefined ? [] : [syntheticLine(synthetic)]),
    ...(parts ? [...conditions(report), ...partTables(parts, input.format !== 'ELF')] : []),
    ...(peer ? [...conditions(report), ...peerTable(peer, report)] : []),
    ...(report.warnings.length > 0 ? [''] : []),
    ...report.warnings.flatMap((warning) => warningLines(warning, WIDTH)),
  ].join('\n');
}

function syntheticLine({ path, writtenBytes, ms }: SyntheticReport): string {
  const where = path === undefined ? '' : ` to ${printable(path)}`;
  return `${INDENT}synthetic: ${fileSize(writtenBytes)} written${where} in ${duration(ms)}`;
}

function conditions({ machine, dumpLevel, rounds, workDir }: BenchReport): string[] {
  const cpus = machine.cpus === 1 ? '1 CPU' : `${count(machine.cpus)} CPUs`;
  const facts = `${machine.cpu}, ${cpus}, ${memory(machine.memoryBytes)} of memory, Node ${machine.node}, Linux ${machine.kernel}`;
  const how = `dump level ${dumpLevel}; median and (least … most) of ${rounds === 1 ? '1 round' : `${count(rounds)} rounds`}; outputs in ${printable(workDir.path)}${workDir.inMemory ? ' (memory)' : ''}, removed`;
  return [...hang(INDENT, printable(facts).split(' '), WIDTH), ...hang(INDENT, how.split(' '), WIDTH)];
}

const mb = (spread: Spread): [median: string, range: string] => [inMb(spread.median), range(spread, inMb)];

function partTables(parts: PartsReport, isPacked: boolean): string[] {
  return [
    '',
    ...speedTable(parts, isPacked),
    '',
    ...classifyTable(parts),
    '',
    ...codecTable(parts),
    '',
    ...runTable(parts),
    '',
    ...adviceLines(parts),
  ];
}

function speedTable({ memory: one, reading, writing, zeroes }: PartsReport, isPacked: boolean): string[] {
  const names = { read: 'dump, read', mmap: 'dump, mapped' };
  const { zeroNsPerPage, otherNsPerPage, zeroBytesPerSecond } = zeroes;
  const table = columns(
    ['left', 'right', 'left', 'left'],
    [
      ['one thread', 'MB/s'],
      ['memory', ...mb(one.bytesPerSecond), `${one.by}, ${memory(one.bytes)}`],
      ...reading.map((each) => [
        names[each.access],
        ...mb(each.bytesPerSecond),
        `${memory(each.bytes)}${isPacked ? ' unpacked' : ''}, first time ${inMb(each.firstBytesPerSecond)}`,
      ]),
      [
        'write',
        ...mb(writing.bytesPerSecond),
        `${memory(writing.bytes)}, then fsync ${seconds(writing.syncMs.median)} s`,
      ],
      ['write, fsync', ...mb(writing.syncedBytesPerSecond), 'both together'],
    ],
  );
  const zero = `a page of zeros is told in ${short(zeroNsPerPage.median)} ns ${range(zeroNsPerPage, short)}, ${(zeroBytesPerSecond.median / 1e9).toFixed(1)} GB/s, another page in ${short(otherNsPerPage.median)} ns ${range(otherNsPerPage, short)}`;
  return [...table, ...hang(INDENT, zero.split(' '), WIDTH)];
}

function classifyTable({ classifying }: PartsReport): string[] {
  return columns(
    ['right', 'right', 'left', 'right', 'right', 'right'],
    [
      ['threads', 'ns a page', '', 'M pages/s', 'RAM, GiB/s', 'of memory speed'],
      ...classifying.map(({ threads, nsPerPage, pagesPerSecond, ramBytesPerSecond, shareOfMemory }) => [
        String(threads),
        short(nsPerPage.median),
        range(nsPerPage, short),
        short(pagesPerSecond.median / 1e6),
        count(ramBytesPerSecond.median / 2 ** 30),
        shareOfMemory === undefined ? '' : percent(shareOfMemory, 1),
      ]),
    ],
  );
}

function codecTable({ codecs, sample, missing }: PartsReport): string[] {
  return [
    ...hang(
      INDENT,
      `${count(sample.pages)} of ${count(sample.keptPages)} kept pages, none of them zero, one thread`.split(
        ' ',
      ),
      WIDTH,
    ),
    ...columns(
      ['left', 'right', 'left', 'right', 'left', 'right', 'right'],
      [
        ['codec', 'level', 'maker', 'MB/s', '', 'ratio', 'unpack MB/s'],
        ...codecs.map((each) => [
          each.codec,
          each.level === undefined ? '' : String(each.level),
          each.kind ?? '',
          ...mb(each.compressBytesPerSecond),
          each.ratio.toFixed(2),
          inMb(each.decompressBytesPerSecond.median),
        ]),
      ],
    ),
    ...missing.flatMap(({ codec, kind, reason }) =>
      hang(INDENT, `not here: ${codec} ${kind}, ${printable(reason)}`.split(' '), WIDTH, 4),
    ),
  ];
}

function runTable({ runs }: PartsReport): string[] {
  return columns(
    ['right', 'right', 'left', 'right', 'right', 'right'],
    [
      ['threads', 'whole run, s', '', 'kept MB/s', 'output', 'peak memory'],
      ...runs.map(({ threads, wallMs, keptBytesPerSecond, sizeBytes, peakRssBytes }) => [
        String(threads),
        seconds(wallMs.median),
        range(wallMs, seconds),
        inMb(keptBytesPerSecond.median),
        fileSize(sizeBytes),
        memory(peakRssBytes),
      ]),
    ],
  );
}

function adviceLines({ advice }: PartsReport): string[] {
  const { threads, anchor } = advice;
  const told = (one: Estimate) => `${settingOptions(one)} (${duration(one.ms)}, ${fileSize(one.bytes)})`;
  const parts = namedSettings(advice, told);
  const from = settingOptions({ ...anchor, kind: undefined });
  const text = `advice: ${parts.join('; ')}; for ${threadsText(threads)}, estimated from the run above with ${from} (${duration(anchor.measuredMs)})`;
  return hang('', text.split(' '), WIDTH, 8);
}
