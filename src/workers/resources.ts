/** What this process may use of the machine, and what it used. */

import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { memory } from '../units.ts';

/** What a run takes in one thread, and what each worker thread adds at most (measured: 65 to 73 MB, 15 to 22 MB). */
const BASE_BYTES = 80 * 1024 * 1024;
const WORKER_BYTES = 24 * 1024 * 1024;

/** Left to the kernel, which writes the dump through a file system and perhaps dm-crypt: below it runs go wrong. */
const LEFT_BYTES = 24 * 1024 * 1024;

/** What a run may have and can do without, with the most memory that it takes. */
export const EXTRA_BYTES = {
  /** The table of --dedup. */
  dedup: 16 * 1024 * 1024,
  /** zstd-codec, in each thread: 16 MiB of its own, and its code. */
  portableZstd: 24 * 1024 * 1024,
  /** Bitmaps of shared page frames, as far as they were seen to grow. */
  census: 32 * 1024 * 1024,
} as const;

/** Why there is no memory for something: a clause. Undefined where there is, or nobody says how much there is. */
export function whyTooLarge(
  extra: keyof typeof EXTRA_BYTES,
  availableBytes = memAvailableBytes(),
): string | undefined {
  const needed = EXTRA_BYTES[extra] + LEFT_BYTES;
  if (availableBytes === undefined || availableBytes >= needed) return undefined;
  return `only ${memory(availableBytes)} of memory are available, and ${memory(needed)} are needed`;
}

/** As many threads as there are CPUs that this process may use, and as memory is there for; one at least. */
export function defaultThreads(): number {
  const affordable = ((memAvailableBytes() ?? Infinity) - BASE_BYTES) / WORKER_BYTES;
  return Math.max(1, Math.min(availableParallelism(), 1 + Math.floor(affordable)));
}

/** VmHWM is this program's own peak; ru_maxrss begins with that of whoever started it. */
export function peakRssBytes(): number {
  return (kibibytesOf('/proc/self/status', 'VmHWM') ?? process.resourceUsage().maxRSS) * 1024;
}

function memAvailableBytes(): number | undefined {
  const available = kibibytesOf('/proc/meminfo', 'MemAvailable');
  return available && available * 1024;
}

function kibibytesOf(path: string, key: string): number | undefined {
  try {
    const value = new RegExp(`^${key}:\\s*(\\d+) kB$`, 'm').exec(readFileSync(path, 'latin1'))?.[1];
    return value === undefined ? undefined : Number(value);
  } catch {
    // Without /proc nobody says.
    return undefined;
  }
}
