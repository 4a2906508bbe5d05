/** smelt beside another program, as whole processes on the same dump: A B A B, and whether both kept the same pages. */

import { closeSync, fsyncSync, openSync, rmSync, statSync } from 'node:fs';
import type { CodecName } from '../codec/codec.ts';
import { SmeltError, systemReason } from '../errors.ts';
import { type Finished, lastWords, runProgram } from './child.ts';
import { threadsText } from './classify-speed.ts';
import { lackedCodecs, type PeerStep, stepsOf, versionLine } from './peer-output.ts';
import type { BenchRequest, PeerReport, PhaseSpread, SideReport } from './report.ts';
import { type Pace, timed } from './rounds.ts';
import { comparePages } from './same-pages.ts';
import { spreadOf } from './spread.ts';
import { LETTER_OF_CODEC, runSmelt, warnOfFewerThreads } from './whole-runs.ts';
import type { WorkDir } from './work-dir.ts';

/** makedumpfile's report (16) has its steps, its errors (4) the reason of a failure. */
const MESSAGE_LEVEL = 20;

interface SideRun {
  readonly wallMs: number;
  readonly syncMs: number;
  readonly sizeBytes: number;
  readonly peakRssBytes: number | undefined;
  readonly steps: readonly PeerStep[];
}

export interface PeerContext {
  readonly request: BenchRequest;
  readonly input: string;
  readonly workDir: WorkDir;
  readonly pace: Pace;
  readonly threads: number;
  readonly dryRun: boolean;
  readonly cpus: number;
  readonly warn: (sentence: string) => void;
}

/** The first line of what it says of itself. @throws SmeltError PEER */
export async function askVersion(program: string, codec: CodecName, signal: AbortSignal): Promise<string> {
  const asked = await runProgram([program, '--version'], signal);
  // makedumpfile knows only the letter.
  const told = asked.code === 0 ? asked : await runProgram([program, '-v'], signal);
  const text = `${told.stdout}\n${told.stderr}`;
  refuseLackedCodec(program, codec, text);
  const line = told.code === 0 ? versionLine(text) : undefined;
  if (line !== undefined) return line;
  throw new SmeltError('PEER', `${program}: says no version: ${lastWords(told) ?? 'not a word'}`, {
    hint: 'Give makedumpfile, or a program that takes its options.',
  });
}

function refuseLackedCodec(program: string, codec: CodecName, text: string): void {
  if (!lackedCodecs(text).includes(codec)) return;
  throw new SmeltError(
    'PEER',
    `${program}: was built without ${codec}, so ${LETTER_OF_CODEC[codec]} cannot be compared`,
    {
      hint: 'Give another codec: every makedumpfile has -c (zlib).',
    },
  );
}

export async function measurePeer(context: PeerContext, version: string): Promise<PeerReport> {
  const { request, pace, threads, dryRun, workDir } = context;
  const { program, threads: given } = request.peer!;
  const files = { smelt: workDir.file('by-smelt'), peer: workDir.file('by-peer') };
  const clear = () => {
    for (const path of Object.values(files)) rmSync(path, { force: true });
  };
  const step = (detail: string, round: number) =>
    pace.onStep({ part: 'side by side', detail, round, rounds: pace.rounds });

  step('smelt', 0);
  const warmUp = { smelt: await runOurs(context, files.smelt) };
  const trials: { threads: number; run: SideRun }[] = [];
  let samePages: PeerReport['samePages'];
  for (const tried of given === undefined ? threadsToTry(threads) : [given]) {
    step(tried === 0 ? program : `${program}, ${threadsText(tried)}`, 0);
    trials.push({ threads: tried, run: await runTheirs(context, program, tried, files.peer, true) });
    if (trials.length === 1 && !dryRun) {
      pace.onStep({ part: 'comparing', detail: 'the pages of both', round: 0, rounds: pace.rounds });
      samePages = await comparePages(context.input, files.smelt, files.peer, pace.signal);
    }
    clear();
  }
  const best = trials.reduce((one, other) => (other.run.wallMs < one.run.wallMs ? other : one));

  const rounds: { smelt: SideRun; peer: SideRun }[] = [];
  for (let round = 1; round <= pace.rounds; round++) {
    step('smelt', round);
    const smelt = await runOurs(context, files.smelt);
    step(program, round);
    const peer = await runTheirs(context, program, best.threads, files.peer, false);
    rounds.push({ smelt, peer });
    clear();
  }
  warnOfPeersWays(context, best.run);
  const pairs = rounds.map(({ smelt, peer }) => ({
    smeltMs: smelt.wallMs,
    peerMs: peer.wallMs,
    ratio: smelt.wallMs / peer.wallMs,
  }));
  const side = (which: 'smelt' | 'peer'): SideReport => ({
    ...sumSide(
      rounds.map((run) => run[which]),
      dryRun,
    ),
    peakRssBytes: { smelt: warmUp.smelt, peer: best.run }[which].peakRssBytes,
  });
  return {
    program,
    version,
    dryRun,
    threads,
    peerThreads: best.threads,
    peerTrials: trials.map(({ threads: tried, run }) => ({ threads: tried, ms: run.wallMs })),
    pairs,
    smelt: side('smelt'),
    peer: side('peer'),
    ratio: spreadOf(pairs.map(({ ratio }) => ratio)),
    samePages,
  };
}

/**
 * Threads of makedumpfile wait by spinning, and come on top of its main thread: as many as smelt has may be much slower than
 * none, and which number is best depends on the machine and the dump. Alone, smelt works in one thread, which is what
 * makedumpfile does without the option.
 */
function threadsToTry(threads: number): number[] {
  return threads === 1 ? [0] : [...new Set([0, 1, threads - 1, threads])];
}

/** What makedumpfile does so differently that the numbers would mislead. */
function warnOfPeersWays({ request, cpus, dryRun, warn }: PeerContext, { steps }: SideRun): void {
  const { program, threads } = request.peer!;
  if (threads !== undefined && threads > 0 && threads >= cpus) {
    warn(
      `threads of makedumpfile wait by spinning, and its main thread comes on top: on ${cpus === 1 ? '1 CPU' : `${cpus} CPUs`} it may be faster with fewer; without --peer-threads its best is found`,
    );
  }
  const copying = steps.find(({ name }) => name === 'Copying data');
  if (dryRun && copying !== undefined && copying.ms > 1) {
    warn(
      `in a dry run ${program} still reads and compresses all that it would write (its step "Copying data"), and smelt a sample: compare the steps before that`,
    );
  }
}

async function runOurs(
  { request, input, threads, dryRun, pace, warn }: PeerContext,
  output: string,
): Promise<SideRun> {
  const { wallMs, report } = await runSmelt(
    request,
    [...(dryRun ? ['--dry-run'] : []), '--num-threads', String(threads), '--', input, output],
    pace.signal,
  );
  warnOfFewerThreads(threads, report, warn);
  return {
    wallMs,
    ...settle(output, dryRun),
    peakRssBytes: report.peakRssBytes,
    steps: report.phases.map(({ phase, ms }) => ({ name: phase, ms })),
  };
}

async function runTheirs(
  { request, input, dryRun, pace }: PeerContext,
  program: string,
  threads: number,
  output: string,
  watchMemory: boolean,
): Promise<SideRun> {
  const { codec, dumpLevel, vmcoreinfoFile } = request;
  const finished = await runProgram(
    [
      program,
      LETTER_OF_CODEC[codec],
      '-d',
      String(dumpLevel),
      '--message-level',
      String(MESSAGE_LEVEL),
      ...(threads > 0 ? ['--num-threads', String(threads)] : []),
      ...(vmcoreinfoFile === undefined ? [] : ['-i', vmcoreinfoFile]),
      ...(dryRun ? ['--dry-run'] : []),
      input,
      output,
    ],
    pace.signal,
    { watchMemory },
  );
  const text = `${finished.stdout}\n${finished.stderr}`;
  refuseLackedCodec(program, codec, text);
  if (finished.code !== 0) throw peerFailed(program, finished);
  return {
    wallMs: finished.wallMs,
    ...settle(output, dryRun, program),
    peakRssBytes: finished.peakRssBytes,
    steps: stepsOf(text),
  };
}

function peerFailed(program: string, finished: Finished): SmeltError {
  const end =
    finished.endedBy === undefined ? `exit code ${finished.code}` : `was ended by ${finished.endedBy}`;
  return new SmeltError('PEER', `${program}: ${end}: ${lastWords(finished) ?? 'without a word'}`, {
    hint: `See whether ${program} can read this dump at all, and takes these options.`,
  });
}

/** Brings an output to the disk, so that the next run does not pay for it. */
function settle(path: string, dryRun: boolean, program = 'smelt'): Pick<SideRun, 'syncMs' | 'sizeBytes'> {
  if (dryRun) return { syncMs: 0, sizeBytes: 0 };
  try {
    const fd = openSync(path, 'r');
    try {
      return { syncMs: timed(() => fsyncSync(fd)), sizeBytes: statSync(path).size };
    } finally {
      closeSync(fd);
    }
  } catch (cause) {
    throw new SmeltError(
      'PEER',
      `${program}: ended well but its output cannot be opened: ${systemReason(cause)}`,
      {
        cause,
      },
    );
  }
}

function sumSide(runs: readonly SideRun[], dryRun: boolean): Omit<SideReport, 'peakRssBytes'> {
  const names = runs[0]!.steps.map(({ name }) => name);
  const phases = names.map((name): PhaseSpread => {
    const ms = runs.map(({ steps }) => steps.find((step) => step.name === name)?.ms ?? 0);
    return { name, ms: spreadOf(ms) };
  });
  return {
    wallMs: spreadOf(runs.map(({ wallMs }) => wallMs)),
    syncMs: dryRun ? undefined : spreadOf(runs.map(({ syncMs }) => syncMs)),
    sizeBytes: dryRun ? undefined : runs[0]!.sizeBytes,
    phases,
  };
}
