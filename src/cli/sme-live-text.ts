/** What a person is told by `smelt sme --live`: one screen, of which the last line is the answer. */

import type { Fact, LiveReport } from '../sme/live/report.ts';
import { memory } from '../units.ts';
import { hang, printable } from './text.ts';

const MAX_WIDTH = 80;
const MAX_LINES = 24;
const INDENT = '  ';
const LABEL_WIDTH = 16;
const MAX_HEAD_LINES = 3;
const PROBLEM = 'problem: ';

/** At most 24 lines of at most 80 columns, fewer where `width` is less. */
export function liveText(report: LiveReport, width: number): string[] {
  const columns = Math.min(width, MAX_WIDTH);
  const head = [...headLines(report, columns), ...rowLines(report, columns)];
  const last = ['', answer(report)];
  const room = MAX_LINES - head.length - last.length;
  const lines = [...head, ...bodyLines(report, columns, room), ...last];
  return lines.map((line) => clip(line, columns));
}

function headLines({ cpu, kernel, memory: { ramBytes } }: LiveReport, columns: number): string[] {
  const facts = [
    cpu.model.value ?? 'CPU not known',
    kernel.release.value === undefined ? 'release not known' : `Linux ${kernel.release.value}`,
    ramBytes.value === undefined ? 'RAM not known' : `${memory(ramBytes.value)} of RAM`,
    ...(cpu.isGuest.value ? ['a guest'] : []),
  ];
  const words = facts.map((each, index) => printable(index < facts.length - 1 ? `${each},` : each));
  return hang('machine'.padEnd(LABEL_WIDTH), words, columns).slice(0, MAX_HEAD_LINES);
}

/** Without a value the source takes its place, and as many as two lines. */
type Row = readonly [label: string, value: string | undefined, source: string];

function rowLines(report: LiveReport, columns: number): string[] {
  const rows = rowsOf(report).map(([label, value, source]): Row => {
    return [label, value === undefined ? undefined : printable(value), printable(source)];
  });
  const valueWidth = Math.max(...rows.map(([, value]) => value?.length ?? 0));
  return rows.flatMap(([label, value, source]) => {
    const start = `${INDENT}${label.padEnd(LABEL_WIDTH - INDENT.length)}`;
    return value === undefined
      ? wrapped(start, source, columns, 3)
      : wrapped(`${start}${value.padEnd(valueWidth)}  `, source, columns, 3);
  });
}

/** Only what bears on this machine: nobody who has no AMD host needs to hear of mem_encrypt=. */
function rowsOf({ cpu, kernel, kdump, memory: { reservedBytes, wantedBytes }, row }: LiveReport): Row[] {
  const rows: Row[] = [fact('memory', kernel.encryption, (kind) => encryptionText(kind, cpu.cBit))];
  const canDiffer = row.first !== row.kdump || kernel.encryption.value === 'SME';
  if (canDiffer && cpu.syscfgMemEncrypt.value !== undefined)
    rows.push(fact('firmware', cpu.syscfgMemEncrypt, (is) => `SYSCFG bit 23 is ${is ? 1 : 0}`));
  rows.push(fact('crash kernel', kdump.loaded, (is) => (is ? 'loaded' : 'not loaded')));
  if (kdump.release.value !== undefined && kdump.release.value !== kernel.release.value)
    rows.push(fact('', kdump.release, (release) => `Linux ${release}`));
  if (canDiffer) rows.push(fact('', kdump.memEncrypt, (state) => `mem_encrypt ${state}`));
  const short = (bytes: number) => wantedBytes.value !== undefined && bytes < wantedBytes.value;
  const wanted = (bytes: number) => (short(bytes) ? `, ${memory(wantedBytes.value!)} wanted` : '');
  rows.push(fact('reserved', reservedBytes, (bytes) => `${memory(bytes)}${wanted(bytes)}`));
  if (row.readable) rows.push(['dump', undefined, row.why]);
  return rows;
}

function fact<T>(label: string, { value, source }: Fact<T>, text: (value: T) => string): Row {
  return value === undefined ? [label, undefined, `not known: ${source}`] : [label, text(value), source];
}

function encryptionText(kind: string, cBit: Fact<number>): string {
  if (kind === 'none') return 'not encrypted';
  return cBit.value === undefined || kind === 'TDX'
    ? `encrypted: ${kind}`
    : `encrypted: ${kind}, bit ${cBit.value}`;
}

/** Problems and notes, as far as there is room; the first problem always has some. */
function bodyLines({ problems, notes }: LiveReport, columns: number, room: number): string[] {
  const blocks = [
    ...problems.map(({ what, todo }) => [
      ...wrapped(PROBLEM, what, columns, 6),
      ...wrapped(' '.repeat(PROBLEM.length), todo, columns, 8),
    ]),
    ...notes.map((note) => wrapped('note: ', note, columns, 2)),
  ];
  const shown: string[] = [];
  for (const [index, block] of blocks.entries()) {
    const left = blocks.length - index;
    // A blank line before all of it, and one to say that there is more.
    if (1 + shown.length + block.length + (left > 1 ? 1 : 0) > room) {
      // Of the first one as much as there is room for.
      if (index === 0) shown.push(...block.slice(0, Math.max(0, room - 2)));
      shown.push(`${left} more: --json has all`);
      break;
    }
    shown.push(...block);
  }
  return shown.length === 0 ? [] : ['', ...shown];
}

function answer({ readable, kdump, memory: { reservedBytes } }: LiveReport): string {
  if (readable === undefined) return 'whether a crash now would leave a dump that can be read is not known';
  if (readable) return 'a crash now would leave a dump that can be read';
  return kdump.loaded.value === false || reservedBytes.value === 0
    ? 'a crash now would leave no dump'
    : 'a crash now would leave no dump that can be read';
}

/** At most `maxLines`; what a file says is made printable first. */
function wrapped(start: string, text: string, columns: number, maxLines: number): string[] {
  const lines = hang(start, printable(text).split(' '), columns);
  if (lines.length <= maxLines) return lines;
  return [...lines.slice(0, maxLines - 1), `${lines[maxLines - 1]} …`];
}

const clip = (line: string, columns: number): string =>
  line.length > columns ? `${line.slice(0, Math.max(0, columns - 1))}…` : line;
