/** How fast the work directory takes bytes: into the system's cache, and from there to the disk. */

import { randomFillSync } from 'node:crypto';
import { closeSync, fsyncSync, openSync, unlinkSync } from 'node:fs';
import { writeFully } from '../write/target-file.ts';
import type { WritingReport } from './report.ts';
import { type Pace, takeTurns, timed } from './rounds.ts';
import { rateOf, spreadOf } from './spread.ts';
import type { WorkDir } from './work-dir.ts';

/** As the page placer writes. */
const CHUNK_BYTES = 2 ** 20;
const FIRST_BYTES = 32 * 2 ** 20;
const MOST_BYTES = 256 * 2 ** 20;
/** A round on a slow disk is made about this long. */
const ROUND_MS = 2000;

export async function measureWriting(pace: Pace, workDir: WorkDir): Promise<WritingReport> {
  workDir.require(FIRST_BYTES, 'measuring how fast it is written to');
  // Nothing that a file system could compress or share.
  const chunk = randomFillSync(Buffer.alloc(CHUNK_BYTES));
  const path = workDir.file('written');
  let bytes = FIRST_BYTES;
  const [{ rounds }] = await takeTurns(
    pace,
    'writing',
    [undefined],
    () => '',
    (_variant, round) => {
      const fd = openSync(path, 'wx', 0o600);
      try {
        const writeMs = timed(() => {
          for (let at = 0; at < bytes; at += CHUNK_BYTES) writeFully(path, fd, chunk, at);
        });
        const syncMs = timed(() => fsyncSync(fd));
        const measured = { writeMs, syncMs };
        // The warm-up says how much can be written in a round.
        if (round === 0) bytes = roundBytes(bytes, writeMs + syncMs, workDir.freeBytes());
        return measured;
      } finally {
        closeSync(fd);
        unlinkSync(path);
      }
    },
  );
  return {
    bytes,
    bytesPerSecond: rateOf(
      bytes,
      rounds.map(({ writeMs }) => writeMs),
    ),
    syncMs: spreadOf(rounds.map(({ syncMs }) => syncMs)),
    syncedBytesPerSecond: rateOf(
      bytes,
      rounds.map(({ writeMs, syncMs }) => writeMs + syncMs),
    ),
  };
}

/** Whole chunks that take about ROUND_MS, as many as there are room for. */
function roundBytes(bytes: number, ms: number, freeBytes: number): number {
  const wanted = Math.min(MOST_BYTES, (bytes / ms) * ROUND_MS, freeBytes / 2);
  return Math.max(1, Math.floor(wanted / CHUNK_BYTES)) * CHUNK_BYTES;
}
