/** What time it was when the machine stopped: the kernel's own clocks, as its last tick left them. Source: include/linux/timekeeper_internal.h. */

import type { KernelView } from './view/view.ts';

export interface Clocks {
  /** Milliseconds since 1970. */
  readonly wallMs: number;
  /** Since boot, with what was slept. */
  readonly uptimeMs: number;
}

/** Symbols that this asks for. */
export const TIMEKEEPER_SYMBOLS = ['tk_core', 'timekeeper_data'] as const;

/** Before the timekeeper there is a seqcount of 4 bytes; "timekeeping: Split out timekeeper update …" (v6.13) gave the structure a name. */
const DEFAULT_OFFSET = 8;
const NSEC_PER_SEC = 1_000_000_000n;
/** A clock that says more is none. */
const MAX_SECONDS = 1n << 33n;

/** Undefined where the dump does not lead to them, or they make no sense. */
export function readClocks(view: KernelView): Clocks | undefined {
  // Since v6.17 there are several; the first is that of the system.
  const core = view.symbol('tk_core') ?? view.symbol('timekeeper_data');
  if (core === undefined) return undefined;
  const offset = view.field('tk_data', 'timekeeper')?.byteOffset ?? DEFAULT_OFFSET;
  const keeper = view.struct(core + BigInt(offset), 'timekeeper');
  const shift = keeper?.unsigned('tkr_mono.shift');
  const seconds = keeper?.unsigned('xtime_sec');
  const shifted = keeper?.unsigned('tkr_mono.xtime_nsec');
  const toMonoSec = keeper?.signed('wall_to_monotonic.tv_sec');
  const toMonoNsec = keeper?.signed('wall_to_monotonic.tv_nsec');
  const slept = keeper?.signed('offs_boot');
  if (seconds === undefined || shifted === undefined || shift === undefined || shift > 32n) return undefined;
  if (toMonoSec === undefined || toMonoNsec === undefined || slept === undefined) return undefined;
  if (seconds > MAX_SECONDS || shifted >> shift >= NSEC_PER_SEC * 2n) return undefined;
  const wall = seconds * NSEC_PER_SEC + (shifted >> shift);
  const uptime = wall + BigInt(toMonoSec) * NSEC_PER_SEC + BigInt(toMonoNsec) + BigInt(slept);
  if (uptime < 0n || uptime > MAX_SECONDS * NSEC_PER_SEC) return undefined;
  return { wallMs: toMs(wall), uptimeMs: toMs(uptime) };
}

const toMs = (nsec: bigint) => Number(nsec / 1_000_000n);
