/** `smelt dmesg` */

import type { ShowLogReport, ShowLogRequest } from '../../inspect/dmesg.ts';
import { type LogRecord, logLine } from '../../kernel/log.ts';
import type { DisplayOptions } from '../display.ts';
import type { Host } from '../host.ts';
import { painted, printable } from '../text.ts';
import type { Token } from '../tokens.ts';
import { lookCommand } from './commands.ts';
import { type Look, type LookArgs, runLook, type Screen } from './look.ts';

export const runDmesg = (tokens: readonly Token[], display: DisplayOptions, host: Host) =>
  runLook(look, lookCommand('dmesg'), tokens, display, host);

const look: Look<ShowLogRequest, 'dmesg'> = {
  name: 'dmesg',
  parse,
  run: (looks, request, observer, signal, pass, screen) =>
    looks.dmesg(request, observer, signal, (records) =>
      pass(records.map((record) => shown(record, screen)).join('')),
    ),
  text: () => undefined,
  exitCode: (report) => ((report as ShowLogReport).shownRecords > 0 ? 0 : 1),
};

function parse({ values, request }: LookArgs): ShowLogRequest {
  return {
    ...request,
    wanted: {
      sinceUs: values.since,
      levels: values.level,
      fromTrouble: values['follow-panic'] ?? false,
    },
    withEntries: values.json ?? false,
  };
}

const TIME_STYLE = '32';
/** From emerg to warn; what is less urgent is as any text. */
const LEVEL_STYLES = ['1;31', '1;31', '1;31', '31', '33'];
const START = /^\[ *\d+\.\d+\] (?:\[ *[CT]\d+\] )?/;

/** Byte for byte what --dump-dmesg writes, but on a terminal: there nothing of it moves the cursor, and it has colours. */
function shown(record: LogRecord, { isTerminal, coloured }: Screen): string {
  const text = logLine(record);
  if (!isTerminal) return text;
  const lines = text.replace(/\n$/, '').replaceAll('\t', '        ').split('\n').map(printable);
  return `${lines.map((line) => (coloured ? paint(line, record) : line)).join('\n')}\n`;
}

function paint(line: string, { priority }: LogRecord): string {
  const start = START.exec(line)?.[0] ?? '';
  const rest = line.slice(start.length);
  const style = priority && LEVEL_STYLES[priority.level];
  const head = start === '' ? '' : `${painted(start.trimEnd(), TIME_STYLE)} `;
  return head + (style === undefined || rest === '' ? rest : painted(rest, style));
}
