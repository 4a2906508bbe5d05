/** Whole runs of smelt, each in a process of its own, because peak memory is a process's own. */

import { unlinkSync } from 'node:fs';
import type { CodecName } from '../codec/codec.ts';
import { SmeltError } from '../errors.ts';
import type { DumpReport } from '../workers/report.ts';
import { type Finished, lastWords, runProgram } from './child.ts';
import { threadsText } from './classify-speed.ts';
import type { BenchRequest, RunReport } from './report.ts';
import { type Pace, takeTurns } from './rounds.ts';
import { rateOf, spreadOf } from './spread.ts';
import type { WorkDir } from './work-dir.ts';

export const LETTER_OF_CODEC = { zstd: '-z', zlib: '-c', lzo: '-l', snappy: '-p' } as const satisfies Record<
  CodecName,
  string
>;

export interface SmeltRun {
  readonly wallMs: number;
  readonly report: DumpReport;
}

/** What smelt is told of the dump, besides the files and the number of threads. */
export function dumpOptions(request: BenchRequest): string[] {
  const { codec, dumpLevel, compressionLevel, smeMask, vmcoreinfoFile } = request;
  return [
    LETTER_OF_CODEC[codec],
    '-d',
    String(dumpLevel),
    ...(compressionLevel === undefined ? [] : ['--compression-level', String(compressionLevel)]),
    ...(smeMask === undefined ? [] : ['--sme-mask', `0x${smeMask.toString(16)}`]),
    ...(vmcoreinfoFile === undefined ? [] : ['-i', vmcoreinfoFile]),
  ];
}

/** One run. @throws SmeltError what the process says, and INTERRUPTED */
export async function runSmelt(
  request: BenchRequest,
  args: readonly string[],
  signal: AbortSignal,
): Promise<SmeltRun> {
  const finished = await runProgram(
    [...request.program, 'dump', ...dumpOptions(request), '--json', '--quiet', ...args],
    signal,
  );
  if (finished.code !== 0) throw failureOf(finished);
  const { report } = JSON.parse(finished.stdout, (_key, value) => value ?? undefined) as {
    report: DumpReport;
  };
  return { wallMs: finished.wallMs, report };
}

/** A dump that is small has no work for many threads. */
export function warnOfFewerThreads(
  asked: number,
  { threads }: DumpReport,
  warn: (sentence: string) => void,
): void {
  if (threads < asked)
    warn(`of ${threadsText(asked)} asked for, ${threads} worked: the dump is too small for more`);
}

function failureOf(finished: Finished): SmeltError {
  try {
    const { error } = JSON.parse(finished.stdout);
    const hint = typeof error.hint === 'string' ? { hint: error.hint } : {};
    return new SmeltError(error.code, error.message, hint);
  } catch {
    const end = finished.endedBy === undefined ? `exit code ${finished.code}` : finished.endedBy;
    return new SmeltError(
      'INTERNAL',
      `a run of smelt ended with ${end}: ${lastWords(finished) ?? 'no word'}`,
    );
  }
}

export async function measureRuns(
  pace: Pace,
  request: BenchRequest,
  input: string,
  workDir: WorkDir,
  threadCounts: readonly number[],
  warn: (sentence: string) => void,
): Promise<RunReport[]> {
  const output = workDir.file('dump');
  const results = await takeTurns(pace, 'whole runs', threadCounts, threadsText, async (threads) => {
    const args = ['--num-threads', String(threads), '--', input, output];
    const run = await runSmelt(request, args, pace.signal);
    unlinkSync(output);
    return run;
  });
  return results.map(({ variant: threads, rounds }) => {
    const { report } = rounds[0]!;
    warnOfFewerThreads(threads, report, warn);
    const phase = (name: string) =>
      spreadOf(rounds.map((run) => run.report.phases.find((each) => each.phase === name)?.ms ?? 0));
    const wallMs = rounds.map((run) => run.wallMs);
    return {
      threads,
      wallMs: spreadOf(wallMs),
      startMs: spreadOf(rounds.map((run) => run.wallMs - run.report.totalMs)),
      classifyMs: phase('classify'),
      compressMs: phase('compress'),
      keptBytesPerSecond: rateOf(report.keptPages * report.input.pageSizeBytes, wallMs),
      sizeBytes: report.output.sizeBytes,
      dataBytes: report.dataBytes,
      peakRssBytes: Math.max(...rounds.map((run) => run.report.peakRssBytes)),
    };
  });
}

/** 1, 2, 4 … up to the CPUs, and all of them. */
export function threadCountsUpTo(cpus: number): number[] {
  const counts: number[] = [];
  for (let threads = 1; threads < cpus; threads *= 2) counts.push(threads);
  return [...counts, cpus];
}
