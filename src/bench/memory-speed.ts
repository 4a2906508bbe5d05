/** How fast one thread reads memory here: what classifying is held against. */

import type { MemoryReport } from './report.ts';
import { type Pace, takeTurns, timed } from './rounds.ts';
import { rateOf } from './spread.ts';

/** Larger than most caches. */
const LARGEST_BUFFER = 256 * 2 ** 20;

/**
 * memcmp of two equal buffers: it reads each byte once, writes none, and the C library does it with the widest loads there
 * are. A sum in JavaScript would be as slow as its additions, and a copy counts what is written as well.
 */
export async function measureMemory(pace: Pace): Promise<MemoryReport> {
  const each = Math.max(2 ** 20, Math.min(LARGEST_BUFFER, Math.floor(process.availableMemory() / 16)));
  // Filled with what is not zero: else all its pages could be one.
  const [a, b] = [Buffer.alloc(each, 0x55), Buffer.alloc(each, 0x55)];
  const [{ rounds }] = await takeTurns(
    pace,
    'memory',
    [undefined],
    () => '',
    () => timed(() => Buffer.compare(a, b)),
  );
  return { by: 'memcmp of two buffers', bytes: 2 * each, bytesPerSecond: rateOf(2 * each, rounds) };
}
