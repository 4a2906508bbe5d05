/** The folder that a benchmark writes in: its own, for its owner alone, and gone in the end. */

import { mkdtempSync, rmSync, statfsSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { errnoName, SmeltError, systemReason } from '../errors.ts';
import { fileSize } from '../units.ts';
import type { WorkDirReport } from './report.ts';

export interface WorkDir {
  readonly report: WorkDirReport;
  /** A path in it. */
  file(name: string): string;
  /** @throws SmeltError TARGET where fewer bytes are free; `what` is for, in words */
  require(bytes: number, what: string): void;
  freeBytes(): number;
  remove(): void;
}

/** What statfs(2) says of file systems in memory. Source: linux/magic.h, TMPFS_MAGIC and RAMFS_MAGIC. */
const IN_MEMORY = [0x01021994, 0x858458f6];

/** Makes a folder inside `parent`. @throws SmeltError TARGET */
export function openWorkDir(parent: string): WorkDir {
  let path: string;
  try {
    if (!statSync(parent).isDirectory()) throw new SmeltError('TARGET', `${parent}: is not a directory`);
    path = mkdtempSync(join(resolve(parent), 'smelt-bench-'));
  } catch (cause) {
    if (cause instanceof SmeltError) throw cause;
    const hint = errnoName(cause) === 'ENOENT' ? 'Make it first, or give another' : 'Give another one';
    throw new SmeltError('TARGET', `${parent}: cannot be worked in: ${systemReason(cause)}`, {
      hint: `${hint} with --work-dir.`,
      cause,
    });
  }
  const freeBytes = () => {
    const { bavail, bsize } = statfsSync(path);
    return bavail * bsize;
  };
  return {
    report: { path, inMemory: IN_MEMORY.includes(statfsSync(path).type) },
    file: (name) => join(path, name),
    require(bytes, what) {
      const free = freeBytes();
      if (free >= bytes) return;
      throw new SmeltError(
        'TARGET',
        `${parent}: has ${fileSize(free)} free, and ${what} may need ${fileSize(bytes)}`,
        { hint: 'Give a directory with more room with --work-dir.' },
      );
    },
    freeBytes,
    remove: () => rmSync(path, { recursive: true, force: true }),
  };
}
