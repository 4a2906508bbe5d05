/** A kdump-compressed output made of the pages that the input has: none is sorted, and none left out on purpose. */

import type { PageCodec } from '../codec/codec.ts';
import { openCodec } from '../codec/makers.ts';
import { asSmeltError, SmeltError } from '../errors.ts';
import { type TargetFile, writeFully } from '../write/target-file.ts';
import { cleanUp } from './clean-up.ts';
import type { CompressResult } from './compress-phase.ts';
import { type Input, stopIfAborted } from './input.ts';
import { createShared, type Job, type JobTarget, placeWindows } from './job.ts';
import { openOutput, openUnkeptOutput } from './outputs/open-output.ts';
import type { Output } from './outputs/output.ts';
import type { DumpObserver, GatherRequest, PhaseReport, TargetProtection } from './report.ts';
import { whyTooLarge } from './resources.ts';
import { keptBitsIn, sumCompressed } from './sums.ts';
import { protectionOfFile, protectionWarning, requireEncrypted } from './target-protection.ts';
import { assembleTeam, type Team } from './team.ts';
import type { Thread } from './thread.ts';

export interface GatherHow {
  /** Whether each page is unpacked, to see that it is whole; pages that are packed anew are in any case. */
  readonly check: boolean;
  /** Told when all pages have their places. @throws SmeltError */
  readonly onPages: (compressed: CompressResult) => void;
  /** Sets right what the output says of its pages; gives whether some are missing. What is half done is of no use to anybody. @throws SmeltError */
  readonly settle?: (target: JobTarget, compressed: CompressResult) => Promise<boolean>;
}

export interface Gathered {
  /** Undefined: nothing was asked to be written. */
  readonly path: string | undefined;
  readonly sizeBytes: number;
  readonly codec: PageCodec | undefined;
  readonly targetProtection: TargetProtection | undefined;
  readonly threads: number;
  readonly phases: readonly PhaseReport[];
}

type GatherInput = Pick<Input, 'file' | 'plan' | 'helpers' | 'description' | 'mmap'>;

/** @throws SmeltError; INTERRUPTED when the signal was aborted. What is left behind then, the message says. */
export async function gather(
  input: GatherInput,
  request: GatherRequest,
  how: GatherHow,
  observer: Pick<DumpObserver, 'onProgress' | 'onWarning'>,
  signal: AbortSignal,
): Promise<Gathered> {
  const { file, plan, helpers, mmap, description } = input;
  const { codec: name, codecMaker: kind, compressionLevel: level } = request;
  const codec = name && (await openCodec(name, { kind, level }));
  codec?.close();
  const oneByOne = file.format === 'kdump';
  const remembered = oneByOne && whyTooLarge('dedup') === undefined ? plan.totalPages : 0;
  const shared = createShared(plan.starts.length, helpers?.count ?? 0, remembered);
  const open = request.output === undefined ? openUnkeptOutput : openOutput;
  // Pages that stay packed as they are have the codec of the input.
  const output = open({ ...request, codec: name ?? (oneByOne ? file.codec : undefined) }, input, shared);
  let team: Team | undefined;
  try {
    const targetProtection =
      request.output === undefined
        ? undefined
        : await checkTarget(output.to.files[0]!, request, description.encryptionMask !== 0n, observer);
    output.begin();
    const job: Job = {
      file,
      mmap,
      memoryMap: undefined,
      dumpLevel: 0,
      plan,
      order: ascending(plan.starts.length),
      codec: name,
      codecMaker: codec?.kind,
      compressionLevel: level,
      target: output.job,
      shared,
    };
    team = await assembleTeam(
      job,
      helpers,
      (progress) => progress.phase === 'classify' || observer.onProgress(progress),
      signal,
    );
    await team.classify(plan.totalPages);
    stopIfAborted(signal);
    // Nobody asks what they are.
    shared.undecidedPages.fill(0);
    const pages = placeWindows(plan, shared);
    const { parts } = await layParts(output, team.thread, pages);
    const task = oneByOne
      ? ({ phase: 'gather', parts, check: how.check } as const)
      : ({ phase: 'compress', parts } as const);
    const compressed = sumCompressed(await team.finish(task, pages));
    stopIfAborted(signal);
    if (team.fallback !== undefined) observer.onWarning(team.fallback);
    how.onPages(compressed);
    const missing =
      how.settle === undefined
        ? compressed.missingPages > 0
        : await settleOutput(output, () => how.settle!(output.job, compressed));
    const [written] = await output.seal(missing);
    const { threads, phases } = team;
    return {
      path: request.output,
      sizeBytes: written!.sizeBytes,
      codec,
      targetProtection,
      threads,
      phases: phases.filter(({ phase }) => phase !== 'classify'),
    };
  } catch (error) {
    const { aborted, reason } = signal;
    const failure = asSmeltError(aborted && !(error instanceof SmeltError) ? reason : error);
    if (failure.cause instanceof Unsettled) {
      for (const file of output.to.files) file.discard();
      throw failure.cause.why;
    }
    throw cleanUp(output, failure, { interrupted: aborted && !request.keepIncomplete, again: false });
  } finally {
    team?.close();
    output.close();
  }
}

/** Why an output is neither what it was before it was settled nor what it should be. */
class Unsettled {
  readonly why: SmeltError;

  constructor(why: SmeltError) {
    this.why = why;
  }
}

/** Meanwhile nobody takes it for a dump, whatever happens to this machine. */
async function settleOutput(output: Output, settle: () => Promise<boolean>): Promise<boolean> {
  try {
    for (const { path, fd } of output.to.files) writeFully(path, fd, Buffer.alloc(8), 0);
    return await settle();
  } catch (error) {
    const why = asSmeltError(error);
    throw new SmeltError(why.code, why.message, { cause: new Unsettled(why) });
  }
}

async function layParts(output: Output, thread: Thread, keptPages: number) {
  const { file, plan, target } = thread.job;
  const dumpLevel = file.format === 'kdump' ? file.dumpLevel : 0;
  const kept = keptBitsIn(target!.bitmaps, plan);
  const task = await output.lay({ kept, keptPages, dumpLevel, thread });
  if (task.phase !== 'compress') throw new SmeltError('INTERNAL', 'the output takes no pages one by one');
  return task;
}

/** Before the first byte. @throws SmeltError UNENCRYPTED */
async function checkTarget(
  { path, fd }: TargetFile,
  { requireEncryptedTarget }: GatherRequest,
  ofEncryptedMemory: boolean,
  observer: Pick<DumpObserver, 'onWarning'>,
): Promise<TargetProtection | undefined> {
  if (!requireEncryptedTarget && !ofEncryptedMemory) return undefined;
  const protection = await protectionOfFile(path, fd);
  if (requireEncryptedTarget) requireEncrypted(path, protection);
  const warning = ofEncryptedMemory ? protectionWarning(protection) : undefined;
  if (warning !== undefined) observer.onWarning(warning);
  return protection;
}

/** Reading goes on where it was: the input is on a disk, and nobody waits for one page before the others. */
function ascending(count: number): Int32Array {
  const order = new Int32Array(new SharedArrayBuffer(count * Int32Array.BYTES_PER_ELEMENT));
  for (let i = 0; i < count; i++) order[i] = i;
  return order;
}
