/** Runs the real makedumpfile and reads what it says and writes, by hand. */
import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ClassCounts } from './expected.ts';

/** SMELT_MAKEDUMPFILE names another makedumpfile than the one on the PATH. */
const program = process.env.SMELT_MAKEDUMPFILE ?? 'makedumpfile';
const version = spawnSync(program, ['-v'], { encoding: 'utf8' });

/** Why the tests against makedumpfile cannot run here; undefined: they can. */
export const makedumpfileMissing: string | undefined = version.error
  ? 'makedumpfile is not installed'
  : undefined;

const [minor = 0, patch = 0] =
  /version 1\.(\d+)\.(\d+)/.exec(`${version.stdout}${version.stderr}`)?.slice(1).map(Number) ?? [];

/** Why the page encodings of kernels from 6.3 to 7.x cannot be checked: 1.7.9 is the first to know them all. */
export const newKernelsMissing: string | undefined =
  minor * 100 + patch >= 709 ? undefined : 'needs makedumpfile 1.7.9, see SMELT_MAKEDUMPFILE';

export interface PeerResult {
  readonly status: number | null;
  /** stdout and stderr. */
  readonly said: string;
  readonly bitmap1: Uint8Array;
  readonly bitmap2: Uint8Array;
  readonly maxMapnr: number;
  readonly counts: ClassCounts;
  readonly outputBytes: number;
}

const reportLines: { readonly [K in Exclude<keyof ClassCounts, 'kept'>]: string } = {
  zero: 'Pages filled with zero',
  cache: 'Non-private cache pages',
  cachePrivate: 'Private cache pages',
  user: 'User process data pages',
  free: 'Free pages',
  hwpoison: 'Hwpoison pages',
  offline: 'Offline pages',
};

/** `makedumpfile -c -d level core` and its report. Throws when makedumpfile fails, with what it said. */
export function runMakedumpfile(core: string, level: number, extra: readonly string[] = []): PeerResult {
  const dir = mkdtempSync(join(tmpdir(), 'smelt-peer-'));
  const out = join(dir, 'out');
  try {
    const run = spawnSync(program, ['-c', '-d', `${level}`, '--message-level', '31', ...extra, core, out], {
      encoding: 'utf8',
      env: { ...process.env, TMPDIR: dir },
    });
    const said = run.stdout + run.stderr;
    if (run.status !== 0) throw new Error(`makedumpfile -d ${level} ${core}: exit ${run.status}\n${said}`);
    const fd = openSync(out, 'r');
    try {
      return { status: run.status, said, ...readBitmaps(fd), counts: readReport(said) };
    } finally {
      closeSync(fd);
    }
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

function readBitmaps(fd: number): Pick<PeerResult, 'bitmap1' | 'bitmap2' | 'maxMapnr' | 'outputBytes'> {
  const read = (offset: number, bytes: number): Buffer => {
    const buffer = Buffer.alloc(bytes);
    readSync(fd, buffer, 0, bytes, offset);
    return buffer;
  };
  const header = read(0, 8192);
  if (header.toString('latin1', 0, 8) !== 'KDUMP   ') throw new Error('the output is no kdump file');
  const block = header.readUInt32LE(428);
  const subHeaderBlocks = header.readUInt32LE(432);
  const bitmapBlocks = header.readUInt32LE(436);
  const half = (bitmapBlocks * block) / 2;
  const start = (1 + subHeaderBlocks) * block;
  return {
    bitmap1: read(start, half),
    bitmap2: read(start + half, half),
    maxMapnr: Number(header.readBigUInt64LE(block + 96)),
    outputBytes: start,
  };
}

function readReport(said: string): ClassCounts {
  const number = (label: string): number => {
    const match = new RegExp(`${label}\\s*: 0x([0-9a-f]+)`).exec(said);
    if (!match) throw new Error(`no "${label}" in what makedumpfile said:\n${said}`);
    return Number.parseInt(match[1], 16);
  };
  const counts = {} as ClassCounts;
  for (const [key, label] of Object.entries(reportLines)) counts[key as keyof ClassCounts] = number(label);
  counts.kept = number('Remaining pages') + counts.zero;
  return counts;
}

/** `makedumpfile --dump-dmesg`. */
export function peerDmesg(core: string, ...options: readonly string[]): string {
  const dir = mkdtempSync(join(tmpdir(), 'smelt-peer-'));
  try {
    const out = join(dir, 'log');
    const run = spawnSync(program, ['--dump-dmesg', ...options, core, out], {
      encoding: 'utf8',
      timeout: 10_000,
    });
    if (run.status !== 0) throw new Error(run.stdout + run.stderr);
    const fd = openSync(out, 'r');
    const buffer = Buffer.alloc(2 ** 20);
    const n = readSync(fd, buffer, 0, buffer.length, 0);
    closeSync(fd);
    return buffer.toString('latin1', 0, n);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
