/** What this process may use of the machine, and what it used. */

import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';

/** What a run takes in one thread, and what each worker thread adds at most (measured: 65 to 73 MB, 15 to 22 MB). */
const BASE_BYTES = 80 * 1024 * 1024;
const WORKER_BYTES = 24 * 1024 * 1024;

/** As many threads as there are CPUs that this process may use, and as memory is there for; one at least. */
export function defaultThreads(): number {
  const available = kibibytesOf('/proc/meminfo', 'MemAvailable');
  const affordable = available === undefined ? Infinity : (available * 1024 - BASE_BYTES) / WORKER_BYTES;
  return Math.max(1, Math.min(availableParallelism(), 1 + Math.floor(affordable)));
}

/** VmHWM is this program's own peak; ru_maxrss begins with that of whoever started it. */
export function peakRssBytes(): number {
  return (kibibytesOf('/proc/self/status', 'VmHWM') ?? process.resourceUsage().maxRSS) * 1024;
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
