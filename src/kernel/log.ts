/** The kernel log of the crashed machine, record by record, and each as the lines that makedumpfile writes of it. */

import type { PageTableWalker } from '../arch/page-table.ts';
import { type LogArea, recordArea } from './log-layout.ts';
import { plainClear, plainLines } from './log-plain.ts';
import { bufferClear, bufferRecords } from './log-records.ts';
import { ringAreas, ringClear, ringRecords } from './log-ring.ts';
import type { Vmcoreinfo } from './vmcoreinfo.ts';

export interface Priority {
  readonly level: number;
  readonly facility: number;
}

export interface LogRecord {
  /** Undefined: `text` is a line as it is to be told, with its end, and what it says of time and caller is in it. */
  readonly tsNsec: bigint | undefined;
  /** A thread's number, or that of a CPU with the topmost bit set; undefined where the kernel does not export it. */
  readonly callerId: number | undefined;
  /** How urgent (0 emerg … 7 debug), and who logged it (0 the kernel); undefined where that is not known, or stands in the text. */
  readonly priority: Priority | undefined;
  readonly text: Uint8Array;
}

/**
 * Oldest first; undefined stands for a record that is damaged or not in the dump. Undefined altogether: VMCOREINFO does not lead to a
 * log, or to something that cannot be one. `clear`: only what came behind it.
 */
export function logRecords(
  info: Vmcoreinfo,
  walker: PageTableWalker,
  clear?: bigint,
): Generator<LogRecord | undefined> | undefined {
  const count = clear === undefined ? undefined : Number(clear);
  switch (formOf(info)) {
    case 'ring':
      return ringRecords(info, walker, clear);
    case 'records':
      return bufferRecords(info, walker, count);
    case 'plain text':
      return plainLines(info, walker, count);
  }
}

/**
 * Where the last `dmesg --clear` was: a sequence number (0 if there was none), a place in the buffer or a number of characters, by the
 * form of the log. Undefined where VMCOREINFO does not lead to it.
 */
export function lastClear(info: Vmcoreinfo, walker: PageTableWalker): bigint | undefined {
  switch (formOf(info)) {
    case 'ring':
      return ringClear(info, walker);
    case 'records':
      return whole(bufferClear(info, walker));
    case 'plain text':
      return whole(plainClear(info, walker));
  }
}

/** The memory that the log lies in: what a dump that is cut short should have early. Before v3.5 it is in the kernel image. */
export function logAreas(info: Vmcoreinfo, walker: PageTableWalker): readonly LogArea[] {
  switch (formOf(info)) {
    case 'ring':
      return ringAreas(info, walker);
    case 'records':
      return [recordArea(info, walker) ?? []].flat();
    case 'plain text':
      return [];
  }
}

const whole = (value: number | undefined) => (value === undefined ? undefined : BigInt(value));

/** Since v5.10, from v3.5 on, and before. */
function formOf(info: Vmcoreinfo): 'ring' | 'records' | 'plain text' {
  if (info.symbol('prb') !== undefined) return 'ring';
  return info.symbol('log_end') === undefined ? 'records' : 'plain text';
}

const CALLER_IS_CPU = 2 ** 31;
const CALLER_WIDTH = 8;
const SECONDS_WIDTH = 5;

/** All but what C's isprint and isspace know in the C locale, and line ends. */
const TO_ESCAPE = /[^\t\v\f\r -~]/g;

/**
 * "[    1.234567] [      T1] message", and its line end. Further lines of a message are indented by as much. Nothing but ASCII: any
 * other byte is told as \x1b.
 */
export function logLine({ tsNsec, callerId, text }: Pick<LogRecord, 'tsNsec' | 'callerId' | 'text'>): string {
  const message = Buffer.from(text.buffer, text.byteOffset, text.length).toString('latin1');
  if (tsNsec === undefined)
    return message.replace(TO_ESCAPE, (char) => (char === '\n' ? char : escaped(char)));
  const seconds = String(tsNsec / 1_000_000_000n).padStart(SECONDS_WIDTH);
  const microseconds = String((tsNsec % 1_000_000_000n) / 1000n).padStart(6, '0');
  const start = `[${seconds}.${microseconds}] ${callerId === undefined ? '' : `[${callerName(callerId).padStart(CALLER_WIDTH)}] `}`;
  const shown = message.replace(TO_ESCAPE, (char) =>
    char === '\n' ? `\n${' '.repeat(start.length)}` : escaped(char),
  );
  return `${start}${shown}\n`;
}

const escaped = (char: string) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`;

/** "T1" for a thread, "C0" for a CPU outside of any. */
export function callerName(callerId: number): string {
  return callerId >= CALLER_IS_CPU ? `C${callerId - CALLER_IS_CPU}` : `T${callerId}`;
}
