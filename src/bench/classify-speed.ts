/** How fast pages are classified: dry runs of the engine, in this process, by its own clock of that phase. */

import { dump } from '../workers/dump.ts';
import type { DumpObserver, DumpReport, DumpRequest } from '../workers/report.ts';
import type { BenchRequest, ClassifyingReport } from './report.ts';
import { type Pace, takeTurns } from './rounds.ts';
import { rateOf, spreadOf } from './spread.ts';

const SILENT: DumpObserver = { onInput: () => {}, onProgress: () => {}, onWarning: () => {} };

/** Classifies and writes nothing. @throws SmeltError */
export function dryRun(
  request: BenchRequest,
  files: { readonly input: string; readonly output: string },
  threads: number | undefined,
  signal: AbortSignal,
  observer: DumpObserver = SILENT,
): Promise<DumpReport> {
  const { dumpLevel, codec, compressionLevel, smeMask, vmcoreinfoFile } = request;
  const asked: DumpRequest = {
    ...files,
    dumpLevel,
    codec,
    compressionLevel,
    codecMaker: undefined,
    threads,
    mmap: undefined,
    overwrite: true,
    excludeShared: false,
    allowCiphertext: false,
    requireEncryptedTarget: false,
    saveDmesg: undefined,
    partialDmesg: false,
    vtop: undefined,
    workDir: undefined,
    splitblockBytes: undefined,
    keepIncomplete: false,
    strict: false,
    smeMask,
    vmcoreinfoFile,
    dryRun: true,
    dedup: false,
  };
  return dump(asked, observer, signal);
}

/** `structPageBytes` and what one thread reads of memory give the share of it; undefined: it is not known. */
export async function measureClassifying(
  pace: Pace,
  request: BenchRequest,
  files: { readonly input: string; readonly output: string },
  threadCounts: readonly number[],
  structPageBytes: number | undefined,
  memoryBytesPerSecond: number,
): Promise<ClassifyingReport[]> {
  const results = await takeTurns(pace, 'classifying', threadCounts, threadsText, async (threads) => {
    const { totalPages, phases, input } = await dryRun(request, files, threads, pace.signal);
    const ms = Math.max(phases.find(({ phase }) => phase === 'classify')?.ms ?? 0, 1e-3);
    return { totalPages, ms, pageSizeBytes: input.pageSizeBytes };
  });
  return results.map(({ variant: threads, rounds }) => {
    const { totalPages, pageSizeBytes } = rounds[0]!;
    const each = rounds.map(({ ms }) => ms);
    const pagesPerSecond = rateOf(totalPages, each);
    return {
      threads,
      pages: totalPages,
      nsPerPage: spreadOf(each.map((ms) => (ms * 1e6) / totalPages)),
      pagesPerSecond,
      ramBytesPerSecond: rateOf(totalPages * pageSizeBytes, each),
      shareOfMemory: structPageBytes && (pagesPerSecond.median * structPageBytes) / memoryBytesPerSecond,
    };
  });
}

/** "1 thread", "2 threads". */
export function threadsText(threads: number): string {
  return threads === 1 ? '1 thread' : `${threads} threads`;
}
