/** A benchmark from beginning to end: a place to work, a dump, and then its parts, or smelt and a peer by turns. */

import { existsSync } from 'node:fs';
import { usedLevel } from '../codec/levels.ts';
import { SmeltError } from '../errors.ts';
import { Vmcoreinfo, vmcoreinfoFromNotes } from '../kernel/vmcoreinfo.ts';
import type { DumpFile } from '../read/dump-file.ts';
import { isLive } from '../read/live.ts';
import { parseNotes } from '../read/notes.ts';
import { closeDump } from '../read/open.ts';
import { openInput } from '../workers/input.ts';
import type { DumpReport } from '../workers/report.ts';
import { defaultThreads } from '../workers/resources.ts';
import { dryRun } from './classify-speed.ts';
import { machineReport } from './machine.ts';
import { measureParts } from './parts.ts';
import { askVersion, measurePeer } from './peer.ts';
import type {
  BenchObserver,
  BenchReport,
  BenchRequest,
  PartsReport,
  PeerReport,
  SyntheticReport,
} from './report.ts';
import { type Pace, stopPoint } from './rounds.ts';
import { writeSynthetic } from './synthetic.ts';
import { openWorkDir, type WorkDir } from './work-dir.ts';

/** @throws SmeltError; INTERRUPTED when the signal was aborted. The work directory is gone in any case. */
export async function bench(
  request: BenchRequest,
  observer: BenchObserver,
  signal: AbortSignal,
): Promise<BenchReport> {
  const began = performance.now();
  const warnings: string[] = [];
  const warn = (sentence: string) => {
    if (warnings.includes(sentence)) return;
    warnings.push(sentence);
    observer.onWarning(sentence);
  };
  const workDir = openWorkDir(request.workDir);
  observer.onWorkDir(workDir.report.path);
  try {
    const pace: Pace = { rounds: request.rounds, signal, onStep: (step) => observer.onStep(step) };
    // Whether there is a peer at all is settled before a dump is made for it.
    const version = request.peer && (await askVersion(request.peer.program, request.codec, signal));
    const synthetic = request.synthetic && (await makeSynthetic(request, workDir, pace));
    const input = synthetic?.file ?? request.input!;
    const measured = await measure({ request, input, version, workDir, pace, observer, warn });
    if (workDir.report.inMemory && request.rounds > 0) {
      warn(
        `${request.workDir} is a file system in memory: speeds of writing are not those of a disk; --work-dir gives another place`,
      );
    }
    const { codec, compressionLevel, rounds } = request;
    return {
      ...measured,
      machine: machineReport(),
      codec,
      compressionLevel: usedLevel(codec, compressionLevel),
      rounds,
      workDir: workDir.report,
      synthetic: synthetic?.report,
      totalMs: performance.now() - began,
      warnings,
    };
  } finally {
    workDir.remove();
  }
}

const JOIN_FIRST =
  'A benchmark is of one file: join the parts first, `smelt --reassemble PART1 PART2 … DUMPFILE`.';

interface Context {
  readonly request: BenchRequest;
  readonly input: string;
  /** Of the peer. */
  readonly version: string | undefined;
  readonly workDir: WorkDir;
  readonly pace: Pace;
  readonly observer: BenchObserver;
  readonly warn: (sentence: string) => void;
}

interface Measured extends Pick<BenchReport, 'input' | 'dumpLevel'> {
  readonly parts: PartsReport | undefined;
  readonly peer: PeerReport | undefined;
}

async function measure(context: Context): Promise<Measured> {
  const { request, input, version, workDir, pace, warn } = context;
  const file = await openOne(input, pace.signal);
  try {
    refuseLive(file);
    const look = await lookAt(context);
    const about = { input: look.input, dumpLevel: look.output.dumpLevel };
    if (request.rounds === 0) return { ...about, parts: undefined, peer: undefined };
    // With a peer there are two at a time. What a sample estimates may be off.
    const outputs = request.dryRun ? 0 : version === undefined ? 1 : 2;
    workDir.require(Math.ceil(look.output.sizeBytes * outputs * 1.5), 'what is written here');
    const threads = Math.max(1, request.threads ?? defaultThreads());
    if (version !== undefined) {
      if (request.compressionLevel !== undefined)
        warn(`${request.peer!.program} has no compression levels, and compresses as its level 1`);
      const peer = await measurePeer(
        { request, input, workDir, pace, threads, dryRun: request.dryRun, cpus: machineReport().cpus, warn },
        version,
      );
      return { ...about, parts: undefined, peer };
    }
    const parts = await measureParts({
      request,
      file,
      workDir,
      pace,
      cpus: machineReport().cpus,
      defaultThreads: threads,
      structPageBytes: structPageBytes(file),
      warn,
    });
    return { ...about, parts, peer: undefined };
  } finally {
    closeDump(file);
  }
}

/** @throws SmeltError */
function openOne(input: string, signal: AbortSignal): Promise<DumpFile> {
  return openInput({ input }, signal).catch((error: unknown) => {
    if (!(error instanceof SmeltError) || error.code !== 'PARTS') throw error;
    throw new SmeltError('PARTS', error.message, { hint: JOIN_FIRST, cause: error });
  });
}

/** Classifies once: says what the dump is, and fails at once where a run of smelt would. */
async function lookAt({ request, input, workDir, pace, observer, warn }: Context): Promise<DumpReport> {
  pace.onStep({ part: 'looking', detail: 'at the dump', round: 0, rounds: pace.rounds });
  return dryRun(request, { input, output: workDir.file('looked-at') }, 0, pace.signal, {
    onInput: (report) => observer.onInput(report),
    onProgress: () => {},
    onWarning: warn,
  });
}

/** Runs read the dump again and again, and what /proc/vmcore and its like say changes, or is all that is left of a crash. */
function refuseLive(file: DumpFile): void {
  if (!isLive(file)) return;
  throw new SmeltError(
    'UNSUPPORTED',
    `${file.path}: is the memory of a machine, not a file, and is not measured`,
    {
      hint: 'Save it first: `smelt -l -d 0 /proc/vmcore DUMPFILE`.',
    },
  );
}

function structPageBytes(file: DumpFile): number | undefined {
  const text = vmcoreinfoFromNotes(parseNotes(file.notes, file.littleEndian));
  return text === undefined ? undefined : new Vmcoreinfo(text).size('page');
}

/** What a synthetic dump takes on the disk: the struct pages of 64 GiB at most, and some contents. */
const SYNTHETIC_BYTES = 2 * 2 ** 30;

async function makeSynthetic(
  request: BenchRequest,
  workDir: WorkDir,
  pace: Pace,
): Promise<{ file: string; report: SyntheticReport }> {
  const { ramBytes, seed } = request.synthetic!;
  const path = request.input ?? workDir.file('synthetic');
  if (existsSync(path)) {
    throw new SmeltError('TARGET', `${path}: already exists, and --synthetic would make it`, {
      hint: 'Leave --synthetic out to measure it, or give another name.',
    });
  }
  workDir.require(Math.min(ramBytes, SYNTHETIC_BYTES), 'a synthetic dump');
  const began = performance.now();
  await stopPoint(pace.signal);
  const summary = await writeSynthetic(
    { path, ramBytes, ...(seed === undefined ? {} : { seed }) },
    (done, total) => {
      const percent = Math.floor((done / Math.max(1, total)) * 100);
      pace.onStep({ part: 'making a dump', detail: `${percent} %`, round: 0, rounds: pace.rounds });
    },
    pace.signal,
  );
  const report = { ...summary, seed, path: request.input, ms: performance.now() - began };
  return { file: path, report };
}
