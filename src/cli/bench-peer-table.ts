/** smelt and a peer side by side: each pair of runs, what they spent their time on, and whether they kept the same pages. */

import { basename } from 'node:path';
import type { BenchReport, PeerReport, SamePagesReport, SideReport } from '../bench/report.ts';
import { LETTER_OF_CODEC } from '../bench/whole-runs.ts';
import { count, fileSize, memory } from '../units.ts';
import { INDENT, range, seconds, shortTime, WIDTH } from './bench-format.ts';
import { columns } from './columns.ts';
import { pages } from './format.ts';
import { hang, printable } from './text.ts';

const ratio = (value: number): string => value.toFixed(2);

export function peerTable(peer: PeerReport, { codec, dumpLevel }: BenchReport): string[] {
  const name = printable(basename(peer.program));
  const options = `${LETTER_OF_CODEC[codec]} -d ${dumpLevel}${peer.dryRun ? ' --dry-run' : ''}`;
  const threads = (n: number) => (n === 0 ? 'none' : String(n));
  const tried = peer.peerTrials.map((trial) => threads(trial.threads));
  const best = tried.length > 1 ? `, its best of ${tried.slice(0, -1).join(', ')} and ${tried.at(-1)}` : '';
  const how = `${options}; threads: smelt ${peer.threads}, ${name} ${threads(peer.peerThreads)}${best}`;
  return [
    ...hang(INDENT, printable(peer.version).split(' '), WIDTH),
    ...hang(INDENT, how.split(' '), WIDTH),
    '',
    ...columns(
      ['left', 'right', 'right', 'right', 'left'],
      [
        ['pair', 'smelt, s', `${name}, s`, 'smelt / peer'],
        ...peer.pairs.map(({ smeltMs, peerMs, ratio: each }, index) => [
          String(index + 1),
          seconds(smeltMs),
          seconds(peerMs),
          ratio(each),
        ]),
        [
          'median',
          seconds(peer.smelt.wallMs.median),
          seconds(peer.peer.wallMs.median),
          ratio(peer.ratio.median),
          range(peer.ratio, ratio),
        ],
      ],
    ),
    '',
    ...sideLines('smelt', peer.smelt),
    ...sideLines(name, peer.peer),
    ...(peer.samePages === undefined ? [] : ['', ...sameLines(peer.samePages, name)]),
  ];
}

function sideLines(name: string, { phases, syncMs, sizeBytes, peakRssBytes }: SideReport): string[] {
  const facts = [
    ...phases.map((phase) => `${printable(phase.name)} ${shortTime(phase.ms.median)}`),
    ...(syncMs === undefined ? [] : [`to the disk after its end ${shortTime(syncMs.median)}`]),
    ...(sizeBytes === undefined ? [] : [`output ${fileSize(sizeBytes)}`]),
    ...(peakRssBytes === undefined ? [] : [`memory ${memory(peakRssBytes)}`]),
  ];
  return hang(`${INDENT}${name}: `, facts.join(', ').split(' '), WIDTH, 4);
}

function sameLines(same: SamePagesReport, name: string): string[] {
  const rows: string[] = [
    same.same
      ? `same pages: yes, ${pages(same.keptByBoth)}`
      : `same pages: no, ${count(same.differ)} differ; ${pages(same.keptByBoth)} kept by both`,
  ];
  const { onlySmelt, onlyPeer, behindPeersEnd, partlyInInput, unexplained } = same;
  if (onlySmelt > 0) rows.push(`${INDENT}kept by smelt alone: ${count(onlySmelt)}`);
  if (behindPeersEnd > 0)
    rows.push(
      `${INDENT}${INDENT}${count(behindPeersEnd)} behind the end of ${name}'s map: firmware, a known difference`,
    );
  if (partlyInInput > 0)
    rows.push(
      `${INDENT}${INDENT}${count(partlyInInput)} that the input has only in part: a known difference`,
    );
  if (onlyPeer > 0) rows.push(`${INDENT}kept by ${name} alone: ${count(onlyPeer)}`);
  if (unexplained.length > 0) {
    const runs = unexplained.map(
      ({ pfn, count: length, keptBy }) =>
        `0x${pfn.toString(16)}${length === 1 ? '' : `+${count(length)}`} (${keptBy === 'smelt' ? 'smelt' : name})`,
    );
    rows.push(...hang(`${INDENT}unexplained: `, runs.join(', ').split(' '), WIDTH, 4));
  }
  const { comparedContents, differentContents } = same;
  const sampled = comparedContents < same.keptByBoth ? ', a sample' : '';
  rows.push(
    `same contents: ${differentContents === 0 ? 'yes' : `no, ${count(differentContents)} differ`}, ${pages(comparedContents)} compared${sampled}`,
  );
  return rows.map((line) => `${INDENT}${line}`);
}
