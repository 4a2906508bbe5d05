/** Each part of a dump on its own, whole runs, and what follows from them. */

import { rmSync } from 'node:fs';
import { usedLevel } from '../codec/levels.ts';
import { SmeltError } from '../errors.ts';
import type { DumpFile } from '../read/dump-file.ts';
import { closeDump, openDump } from '../read/open.ts';
import { openReader } from '../workers/thread.ts';
import { advise } from './advice.ts';
import { measureClassifying } from './classify-speed.ts';
import { measureCodecs } from './codec-speed.ts';
import { measureMemory } from './memory-speed.ts';
import { measureReading } from './read-speed.ts';
import type { BenchRequest, ClassifyingReport, PartsReport } from './report.ts';
import type { Pace } from './rounds.ts';
import { type Sample, samplePages } from './sample.ts';
import { measureRuns, runSmelt, threadCountsUpTo } from './whole-runs.ts';
import type { WorkDir } from './work-dir.ts';
import { measureWriting } from './write-speed.ts';
import { measureZeroes } from './zero-speed.ts';

export interface PartsContext {
  readonly request: BenchRequest;
  readonly file: DumpFile;
  readonly workDir: WorkDir;
  readonly pace: Pace;
  readonly cpus: number;
  /** What a dump takes when nobody says. */
  readonly defaultThreads: number;
  /** SIZE(page) of VMCOREINFO, where it is known. */
  readonly structPageBytes: number | undefined;
  readonly warn: (sentence: string) => void;
}

const SAMPLE_PAGES = 2000;
const SEED = 1;

export async function measureParts(context: PartsContext): Promise<PartsReport> {
  const { request, file, workDir, pace, cpus } = context;
  const output = workDir.file('dump');
  const counts = request.threads === undefined ? threadCountsUpTo(cpus) : [Math.max(1, request.threads)];
  const threads = Math.max(1, request.threads ?? context.defaultThreads);
  const { sample, storedPages } = await takeSample(context, output, threads);
  const memory = await measureMemory(pace);
  const reading = await measureReading(pace, file);
  const classifying = await measureClassifying(
    pace,
    request,
    { input: file.path, output },
    counts,
    context.structPageBytes,
    memory.bytesPerSecond.median,
  );
  warnOfShortPhase(context, classifying);
  const zeroes = await measureZeroes(pace, sample);
  const { codecs, missing } = await measureCodecs(pace, sample, {
    codec: request.codec,
    level: request.compressionLevel,
  });
  const writing = await measureWriting(pace, workDir);
  const runs = await measureRuns(pace, request, file.path, workDir, counts, context.warn);
  const { pages, pageSize: pageSizeBytes, keptPages } = sample;
  const about = { pages, pageSizeBytes, seed: SEED, keptPages, storedPages };
  const advice = advise({
    threads,
    reading,
    classifying,
    sample: about,
    codecs,
    writing,
    runs,
    used: { codec: request.codec, level: usedLevel(request.codec, request.compressionLevel) },
  });
  return { memory, reading, classifying, zeroes, sample: about, codecs, missing, writing, runs, advice };
}

/** Below this the start of threads is most of what several of them take. */
const SHORT_MS = 20;

function warnOfShortPhase({ warn }: PartsContext, classifying: readonly ClassifyingReport[]): void {
  const longest = Math.max(...classifying.map(({ nsPerPage, pages }) => (nsPerPage.median * pages) / 1e6));
  if (longest >= SHORT_MS) return;
  warn(
    `this dump is classified in ${longest.toFixed(0)} ms, which says little about threads: --synthetic 64G makes one that takes longer`,
  );
}

/** Of the pages that a run of smelt kept: its second bitmap says which, and its report how many of them are not zero. */
async function takeSample(
  context: PartsContext,
  output: string,
  threads: number,
): Promise<{ sample: Sample; storedPages: number }> {
  const { request, file, pace } = context;
  pace.onStep({ part: 'sampling', detail: 'kept pages', round: 0, rounds: pace.rounds });
  const args = ['--num-threads', String(threads), '--', file.path, output];
  const { report } = await runSmelt(request, args, pace.signal);
  const dump = openDump(output);
  try {
    if (dump.format !== 'kdump') throw new SmeltError('INTERNAL', `${output}: is no kdump-compressed file`);
    const reader = await openReader(file, false);
    try {
      return {
        sample: samplePages(dump, reader, SAMPLE_PAGES, SEED),
        storedPages: report.storedPages,
      };
    } finally {
      reader.close();
    }
  } finally {
    closeDump(dump);
    rmSync(output, { force: true });
  }
}
