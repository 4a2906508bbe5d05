/** Runs the program on a file system of a given size, in a name space of its own: nothing stays mounted. */
import { mkdirSync, rmSync } from 'node:fs';
import { type ProgramResult, run, SMELT } from './smelt.ts';

const SCRIPT = `set -e
mount -t tmpfs -o size=$1 none "$2"
cd "$2"
status=0
"$3" "$4" "\${@:6}" || status=$?
cp -a --sparse=always . "$5"
exit $status`;

/** Names without a folder are on the small file system; what is left there is copied to `out`. */
export function onSmallDisk(size: string, out: string, ...args: readonly string[]): ProgramResult {
  const small = `${out}.small`;
  mkdirSync(small);
  try {
    return run([
      'unshare',
      '-rm',
      'bash',
      '-c',
      SCRIPT,
      'bash',
      size,
      small,
      process.execPath,
      SMELT,
      out,
      ...args,
    ]);
  } finally {
    rmSync(small, { recursive: true });
  }
}

const probe = run(['unshare', '-rm', 'mount', '-t', 'tmpfs', 'none', '/mnt']);

/** Why there is none here; undefined where there is. */
export const cannotMount: string | undefined =
  probe.status === 0 ? undefined : `no small file system can be made here: ${probe.stderr.trim()}`;
