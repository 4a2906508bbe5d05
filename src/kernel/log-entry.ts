/** A record of the kernel log by its parts, whatever form the log has: for whoever looks for some of them, and for programs. */

import { callerName, type LogRecord } from './log.ts';
import { textOf } from './text.ts';

/** As dmesg(1) has them, the most urgent first. */
export const LEVEL_NAMES = ['emerg', 'alert', 'crit', 'err', 'warn', 'notice', 'info', 'debug'] as const;
export type LevelName = (typeof LEVEL_NAMES)[number];

/** Those that dmesg(1) has names for; others are numbers. */
const FACILITY_NAMES = [
  ...['kern', 'user', 'mail', 'daemon', 'auth', 'syslog'],
  ...['lpr', 'news', 'uucp', 'cron', 'authpriv', 'ftp'],
];

export interface LogEntry {
  /** Microseconds of the log's clock; undefined for lines of old kernels that were told to print none. */
  readonly timeUs: number | undefined;
  readonly level: LevelName | undefined;
  /** "kern" for what the kernel logged, "user", "daemon" for what was written to /dev/kmsg. */
  readonly facility: string | undefined;
  /** "T1" for a thread, "C0" for a CPU. */
  readonly caller: string | undefined;
  /** Without a line's end; may have several lines. */
  readonly text: string;
}

export function logEntry({ tsNsec, callerId, priority, text }: LogRecord): LogEntry {
  const message = textOf(text);
  if (tsNsec === undefined) return plainEntry(message);
  return {
    timeUs: Number(tsNsec / 1000n),
    ...named(priority?.level, priority?.facility),
    caller: callerId === undefined ? undefined : callerName(callerId),
    text: message,
  };
}

/** "<6>[    1.234567] message", of kernels before v3.5: the level in front only where a line begins, the time where it was wanted. */
function plainEntry(line: string): LogEntry {
  const parts = /^(?:<(\d{1,4})>)?(?:\[ {0,12}(\d{1,12})\.(\d{6})\] )?([\s\S]*?)\n?$/.exec(line)!;
  const [, priority, seconds, micros, text] = parts;
  const number = priority === undefined ? undefined : Number(priority);
  return {
    timeUs: seconds === undefined ? undefined : Number(seconds) * 1e6 + Number(micros),
    ...named(number && number & 7, number && number >> 3),
    caller: undefined,
    text: text!,
  };
}

function named(
  level: number | undefined,
  facility: number | undefined,
): Pick<LogEntry, 'level' | 'facility'> {
  return {
    level: level === undefined ? undefined : LEVEL_NAMES[level],
    facility: facility === undefined ? undefined : (FACILITY_NAMES[facility] ?? String(facility)),
  };
}
