/** From what was measured to a setting: an estimate for each codec and level, and the three that are worth a name. */

import type { CodecName } from '../codec/codec.ts';
import type {
  AdviceReport,
  ClassifyingReport,
  CodecReport,
  Estimate,
  ReadingReport,
  RunReport,
  SampleReport,
  WritingReport,
} from './report.ts';

export interface Costs {
  readonly threads: number;
  readonly reading: readonly ReadingReport[];
  readonly classifying: readonly ClassifyingReport[];
  readonly sample: SampleReport;
  readonly codecs: readonly CodecReport[];
  readonly writing: WritingReport;
  readonly runs: readonly RunReport[];
  /** What the runs were made with. */
  readonly used: { readonly codec: CodecName; readonly level: number | undefined };
}

/** The model is described at AdviceReport. */
export function advise(costs: Costs): AdviceReport {
  const { threads, used } = costs;
  const run = nearestTo(threads, costs.runs);
  const modelled = usedByDefault(costs.codecs).map((codec) => estimate(codec, run, costs));
  // The runs' own codec and level are always among those measured.
  const same = modelled.find(({ codec, level }) => codec === used.codec && level === used.level)!;
  const measuredMs = run.wallMs.median;
  const estimates = modelled.map((each) => ({ ...each, ms: anchored(each.ms, same.ms, measuredMs) }));
  const least = (of: (estimate: Estimate) => number) =>
    estimates.reduce((best, each) => (of(each) < of(best) ? each : best));
  return {
    threads,
    estimates,
    fastest: least(({ ms }) => ms),
    smallest: least(({ bytes }) => bytes),
    between: least(({ ms, bytes }) => ms * bytes),
    anchor: { ...used, threads: run.threads, measuredMs, modelledMs: same.ms },
  };
}

/**
 * What a run takes besides, starting threads and writing what is not pages, it takes with every codec. Where the parts
 * alone come to more than the whole run, they are all too slow by as much.
 */
function anchored(ms: number, modelledMs: number, measuredMs: number): number {
  return modelledMs < measuredMs ? ms + (measuredMs - modelledMs) : ms * (measuredMs / modelledMs);
}

/** What was measured with the number of threads that comes nearest. */
function nearestTo<T extends { readonly threads: number }>(threads: number, measured: readonly T[]): T {
  return measured.reduce((best, each) =>
    Math.abs(each.threads - threads) < Math.abs(best.threads - threads) ? each : best,
  );
}

/** Of each codec the maker that a dump takes when nobody chooses one: the native one where there is one. */
function usedByDefault(codecs: readonly CodecReport[]): CodecReport[] {
  const native = new Set(codecs.filter(({ kind }) => kind === 'native').map(({ codec }) => codec));
  return codecs.filter(({ codec, kind }) => kind !== 'portable' || !native.has(codec));
}

function estimate(
  { codec, level, kind, ratio, compressBytesPerSecond }: CodecReport,
  run: RunReport,
  { threads, reading, classifying, sample, writing }: Costs,
): Estimate {
  const pageBytes = sample.storedPages * sample.pageSizeBytes;
  // Headers, bitmaps and page descriptors are the same with every codec.
  const bytes = pageBytes / ratio + (run.sizeBytes - run.dataBytes);
  const perSecond = (amount: number, rate: number) => (amount / rate) * 1000;
  const read = reading.find(({ access }) => access === 'read')!.bytesPerSecond.median;
  const pageMs =
    perSecond(pageBytes, read) +
    perSecond(pageBytes, compressBytesPerSecond.median) +
    perSecond(bytes, writing.bytesPerSecond.median);
  const classified = nearestTo(threads, classifying);
  const classifyMs = (classified.nsPerPage.median * classified.pages) / 1e6;
  const workMs = classifyMs + pageMs / Math.max(1, threads);
  const diskMs = perSecond(bytes, writing.syncedBytesPerSecond.median);
  return { codec, level, kind, ms: run.startMs.median + Math.max(workMs, diskMs), bytes };
}
