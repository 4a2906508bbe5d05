/** What a person is told of a benchmark: tables of at most 80 columns, and the advice in the end. */

import { threadsText } from '../bench/classify-speed.ts';
import type { BenchReport, Estimate, PartsReport } from '../bench/report.ts';
import type { Spread } from '../bench/spread.ts';
import { INDENT, inMb, range, seconds, settingOptions, short, WIDTH } from './bench-format.ts';
import { peerTable } from './bench-peer-table.ts';
import { columns } from './columns.ts';
import { count, duration, fileSize, memory, percent } from './format.ts';
import { inputLine } from './summary.ts';
import { hang, printable } from './text.ts';

export function benchTable(report: BenchReport): string {
  const { parts, peer } = report;
  const body = parts ? partTables(parts, report.input.format !== 'ELF') : peer ? peerTable(peer, report) : [];
  return [...head(report), ...body].join('\n');
}

function head({ input, machine, dumpLevel, rounds, workDir, synthetic }: BenchReport): string[] {
  const cpus = machine.cpus === 1 ? '1 CPU' : `${count(machine.cpus)} CPUs`;
  const facts = `${machine.cpu}, ${cpus}, ${memory(machine.memoryBytes)} of memory, Node ${machine.node}, Linux ${machine.kernel}`;
  const made =
    synthetic && `synthetic: ${fileSize(synthetic.writtenBytes)} written in ${duration(synthetic.ms)}`;
  const how = `dump level ${dumpLevel}; median and (least … most) of ${rounds === 1 ? '1 round' : `${count(rounds)} rounds`}; outputs in ${printable(workDir.path)}${workDir.inMemory ? ' (memory)' : ''}, removed`;
  return [
    inputLine(input, WIDTH),
    ...(made === undefined ? [] : [`${INDENT}${made}`]),
    ...hang(INDENT, printable(facts).split(' '), WIDTH),
    ...hang(INDENT, how.split(' '), WIDTH),
  ];
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
  const { fastest, smallest, between, threads, check } = advice;
  const told = (one: Estimate) => `${settingOptions(one)} (${duration(one.ms)}, ${fileSize(one.bytes)})`;
  const names = new Map<Estimate, string[]>();
  for (const [name, one] of [
    ['fastest', fastest],
    ['in between', between],
    ['smallest', smallest],
  ] as const) {
    names.set(one, [...(names.get(one) ?? []), name]);
  }
  const parts = [...names].map(([one, all]) => `${all.join(' and ')} ${told(one)}`);
  const checked =
    check &&
    `; the runs above took ${duration(check.measuredMs)}, by the same estimate ${duration(check.estimatedMs)}`;
  const text = `advice: ${parts.join('; ')}; estimated for ${threadsText(threads)}${checked ?? ''}`;
  return hang('', text.split(' '), WIDTH, 8);
}
