/** The kernel log of the crashed machine, record by record, and each as the lines that makedumpfile writes of it. */

import type { PageTableWalker } from '../arch/page-table.ts';
import { bufferRecords } from './log-records.ts';
import { ringRecords } from './log-ring.ts';
import type { Vmcoreinfo } from './vmcoreinfo.ts';

export interface LogRecord {
  readonly tsNsec: bigint;
  /** A thread's number, or that of a CPU with the topmost bit set; undefined where the kernel does not export it. */
  readonly callerId: number | undefined;
  readonly text: Uint8Array;
}

/**
 * Oldest first; undefined stands for a record that is damaged or not in the dump. Undefined altogether: VMCOREINFO does not lead to a
 * log, or to something that cannot be one.
 */
export function logRecords(
  info: Vmcoreinfo,
  walker: PageTableWalker,
): Generator<LogRecord | undefined> | undefined {
  return info.symbol('prb') === undefined ? bufferRecords(info, walker) : ringRecords(info, walker);
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
export function logLine({ tsNsec, callerId, text }: LogRecord): string {
  const seconds = String(tsNsec / 1_000_000_000n).padStart(SECONDS_WIDTH);
  const microseconds = String((tsNsec % 1_000_000_000n) / 1000n).padStart(6, '0');
  const start = `[${seconds}.${microseconds}] ${callerId === undefined ? '' : `[${callerOf(callerId)}] `}`;
  const message = Buffer.from(text.buffer, text.byteOffset, text.length).toString('latin1');
  const shown = message.replace(TO_ESCAPE, (char) =>
    char === '\n'
      ? `\n${' '.repeat(start.length)}`
      : `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
  return `${start}${shown}\n`;
}

function callerOf(callerId: number): string {
  const caller = callerId >= CALLER_IS_CPU ? `C${callerId - CALLER_IS_CPU}` : `T${callerId}`;
  return caller.padStart(CALLER_WIDTH);
}
