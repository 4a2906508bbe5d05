/** A dump of what is whole in one that is cut short or damaged: no page is in it that cannot be believed. */

import { asSmeltError, SmeltError } from '../errors.ts';
import { windowSpan } from '../filter/plan.ts';
import type { DumpFile } from '../read/dump-file.ts';
import { comma } from '../read/file.ts';
import { isInMemory } from '../read/live.ts';
import { NT_PRSTATUS, parseNotes } from '../read/notes.ts';
import { State } from '../read/page-state.ts';
import { existingBits, storedBits } from '../read/stored-pages.ts';
import type { Broken } from '../salvage/broken.ts';
import { openingBroken } from '../salvage/open.ts';
import { dropSuspects } from '../salvage/overlap.ts';
import { missingParts } from '../salvage/parts.ts';
import { type Settled, settlePages } from '../salvage/settle.ts';
import { countTakenOut } from '../salvage/taken-out.ts';
import type { CompressResult } from './compress-phase.ts';
import { describeByNotes } from './describe.ts';
import { countLog, type Emitted } from './dmesg.ts';
import { gather } from './gather.ts';
import {
  type Described,
  describing,
  type Input,
  inputReport,
  inputsOf,
  refuseInputAsOutput,
  stopIfAborted,
  withHelpers,
} from './input.ts';
import type { JobTarget } from './job.ts';
import type { DumpObserver, LostPages, SalvageReport, SalvageRequest } from './report.ts';
import { peakRssBytes } from './resources.ts';
import { takeSteps } from './steps.ts';
import { protectionOf, requireEncrypted } from './target-protection.ts';

/** @throws SmeltError where nothing can be saved; INTERRUPTED when the signal was aborted */
export async function salvage(
  request: SalvageRequest,
  observer: DumpObserver,
  signal: AbortSignal,
): Promise<SalvageReport> {
  const began = performance.now();
  const { output } = request;
  refuseInputAsOutput(request, output);
  if (output !== undefined && request.requireEncryptedTarget)
    requireEncrypted(output, await protectionOf(output));
  const broken = await takeSteps(openingBroken(inputsOf(request)), () => stopIfAborted(signal));
  const { file } = broken;
  const warnings: string[] = [];
  const onWarning = (sentence: string) => {
    warnings.push(sentence);
    observer.onWarning(sentence);
  };
  return withHelpers(file, request, async (planned) => {
    const mmap = request.mmap ?? !isInMemory(file);
    const known = await describing(
      file,
      mmap,
      request,
      observer,
      signal,
      async (described) => ({
        description: described.description,
        mmap: described.reader.mapped,
        report: inputReport(file, request, described.description),
        log: await logOf(described, signal),
      }),
      (error) => {
        // What machine it was need not be understood to save its pages.
        if (!(error instanceof SmeltError) || error.code !== 'UNSUPPORTED' || file.format === 'elf')
          throw error;
        return describeByNotes(file);
      },
    );
    for (const warning of known.description.warnings) onWarning(warning);
    const lostBefore = await lostBeforeOf(file, () => stopIfAborted(signal));
    const kept = new Kept(broken, planned, () => stopIfAborted(signal));
    const { path, sizeBytes, codec, targetProtection, threads, phases } = await gather(
      { ...planned, ...known },
      request.dryRun ? { ...request, output: undefined } : request,
      {
        check: true,
        onPages: () => {},
        settle: (target, compressed) => kept.settle(target, compressed),
      },
      { onProgress: observer.onProgress.bind(observer), onWarning },
      signal,
    );
    const { savedPages, lostPages, lostRanges, firstLost, lastLost } = kept.settled!;
    return {
      input: known.report,
      damage: damageOf(broken),
      lostBefore,
      output: {
        path,
        sizeBytes,
        incomplete: lostPages > 0 || file.incomplete,
        codec: request.codec,
        codecMaker: codec && `${codec.maker} (${codec.kind})`,
      },
      claimedPages: savedPages + lostPages,
      savedPages,
      lostPages,
      lost: kept.lost!,
      lostRanges,
      firstLost,
      lastLost,
      cpus: cpusOf(file),
      ...known.log,
      targetProtection,
      threads,
      phases,
      totalMs: performance.now() - began,
      peakRssBytes: peakRssBytes(),
      warnings,
    };
  });
}

/** Of what was salvaged before. */
async function lostBeforeOf(file: DumpFile, look: () => void): Promise<number> {
  return file.format === 'kdump' ? (await takeSteps(countTakenOut(file), look)).pages : 0;
}

function damageOf({ file, damage }: Broken): string[] {
  const parts = file.format === 'kdump' ? missingParts(file) : undefined;
  const unfinished = file.incomplete ? ['it says of itself that it is incomplete'] : [];
  return [...damage, ...unfinished, ...(parts === undefined ? [] : [parts])];
}

/** What is left of the log, by what is left of the memory. */
async function logOf(
  described: Described,
  signal: AbortSignal,
): Promise<Pick<SalvageReport, 'log' | 'noLog'>> {
  try {
    const { records, lostRecords }: Emitted = await countLog(described, signal);
    return { log: { records, lostRecords }, noLog: undefined };
  } catch (error) {
    stopIfAborted(signal);
    const { message } = asSmeltError(error);
    return { log: undefined, noLog: message.replace(`${described.file.path}: `, '') };
  }
}

function cpusOf({ notes, littleEndian }: DumpFile): number {
  let cpus = 0;
  for (const { name, type } of parseNotes(notes, littleEndian))
    if (name === 'CORE' && type === NT_PRSTATUS) cpus++;
  return cpus;
}

/** Makes an output say what it has, when all that could be had is in it. */
class Kept {
  settled: Settled | undefined;
  lost: LostPages | undefined;
  private readonly broken: Broken;
  private readonly plan: Input['plan'];
  private readonly look: () => void;

  constructor(broken: Broken, { plan }: Pick<Input, 'plan'>, look: () => void) {
    this.broken = broken;
    this.plan = plan;
    this.look = look;
  }

  /** Whether pages are missing. @throws SmeltError where there are none at all */
  async settle({ bitmaps, layout }: JobTarget, compressed: CompressResult): Promise<boolean> {
    const { file, claimed } = this.broken;
    const { path, fd, bitmap2Offset } = bitmaps;
    const { descOffset } = layout!;
    let overlapping = 0;
    for (const part of file.format === 'kdump' ? file.parts : [])
      overlapping += await takeSteps(dropSuspects(part, file.pageSize, { path, fd, descOffset }), this.look);
    const whole = claimed === undefined || file.format !== 'elf' ? file : { ...file, stored: claimed };
    const claim = (pfn: number, count: number, bits: Uint8Array) => {
      const existing = new Uint8Array(bits.length);
      existingBits(whole, pfn, count, existing);
      bits.fill(0);
      storedBits(whole, pfn, count, existing, bits);
    };
    const settled = await takeSteps(
      settlePages({ path, fd, bitmap2Offset, descOffset }, this.spans(), claim),
      this.look,
    );
    this.settled = settled;
    this.lost = this.reasons(compressed, overlapping, settled);
    if (settled.savedPages > 0) return settled.lostPages > 0;
    const cut = this.lost.cutOff > 0 && this.lost.cutOff >= settled.lostPages / 2;
    throw new SmeltError(
      cut ? 'TRUNCATED' : 'CORRUPT',
      `${file.path}: none of its ${comma(settled.lostPages)} pages is there and whole`,
      {
        hint: cut
          ? 'The file ends before them. Copy it again from where it was made.'
          : 'Nothing can be saved.',
      },
    );
  }

  private *spans() {
    for (let i = 0; i < this.plan.starts.length; i++) yield windowSpan(this.plan, i);
  }

  private reasons(
    { states, missingPages }: CompressResult,
    overlapping: number,
    settled: Settled,
  ): LostPages {
    const of = (state: number) => states?.[state] ?? 0;
    // Of an ELF core what is not in the file was never asked for.
    const notAsked = states === undefined ? settled.lostPages - missingPages : 0;
    return {
      neverWritten: of(State.marked),
      cutOff: of(State.cut) + of(State.noDescriptor) + notAsked,
      badDescriptor: of(State.implausible),
      notWhole: of(State.undecodable),
      overlapping,
      unreadable: of(State.unreadable) + (states === undefined ? missingPages : 0),
      noCodec: of(State.noCodec),
      otherPart: of(State.absent),
    };
  }
}
