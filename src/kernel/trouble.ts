/** Lines of the kernel log that say that something went wrong in the kernel itself: where a report of a crash begins. */

import type { LogEntry } from './log-entry.ts';

/** What of a record counts. */
type Line = Pick<LogEntry, 'text' | 'facility'>;

/** No such line has its words further behind. */
const HEAD_CHARS = 256;

const BEGINNINGS: readonly RegExp[] = [
  /^Kernel panic - not syncing/,
  // "BUG: unable to handle …", "watchdog: BUG: soft lockup - …"
  /^(?:[\w ]{1,32}: )?(?:BUG|PANIC): /,
  /^kernel BUG at /,
  /^Oops(?:: | - )/,
  // "general protection fault, probably for …: 0000 [#1] SMP": what die() prints on x86.
  /: [0-9a-f]{4,16} \[#\d{1,5}\]/,
  // arm64
  /^(?:Unable to handle kernel |Internal error: )/,
  /^(?:[\w ]{1,32}: )?Watchdog detected hard LOCKUP/,
  /^INFO: task .{1,64} blocked for more than /,
  /^(?:rcu: )?INFO: rcu_\w{1,32} (?:self-)?detected /,
  /^mce: \[Hardware Error\]: /,
  /^[Ss]ys[Rr]q ?: Trigger a crash/,
];

/** What a program wrote to /dev/kmsg says nothing of the kernel, whatever it says. */
function isByKernel({ facility }: Line): boolean {
  return facility === undefined || facility === 'kern';
}

export function isTrouble(line: Line): boolean {
  const { text } = line;
  if (!isByKernel(line)) return false;
  const head = text.slice(0, HEAD_CHARS);
  return BEGINNINGS.some((beginning) => beginning.test(head));
}

export function isPanic(line: Line): boolean {
  return isByKernel(line) && line.text.startsWith('Kernel panic - not syncing');
}

/** Who was running, as the kernel says it in such a report. */
export interface Culprit {
  readonly cpu: number;
  readonly pid: number;
  readonly comm: string;
  /** "G        W" of "Tainted: G        W", '' where it says "Not tainted". */
  readonly taint: string | undefined;
}

/** "CPU: 1 PID: 77 Comm: sh Kdump: loaded Tainted: G        W          6.1.0-56-amd64 #1" */
export function culpritOf(line: Line): Culprit | undefined {
  const { text } = line;
  if (!isByKernel(line)) return undefined;
  const match =
    /^CPU: (\d{1,5}) (?:UID: \d{1,10} )?PID: (\d{1,10}) Comm: (.{1,64}?) (?:Kdump: loaded )?(?:Not tainted|Tainted: ([A-Z ]{1,32}?) +[\d[])/.exec(
      text.slice(0, HEAD_CHARS),
    );
  if (match === null) return undefined;
  const [, cpu, pid, comm, taint] = match;
  return { cpu: Number(cpu), pid: Number(pid), comm: comm!, taint: taint ?? '' };
}
