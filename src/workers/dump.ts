/** A dump from beginning to end: open, describe, plan, classify, compress and place, seal. */

import { closeSync } from 'node:fs';
import type { PageCodec } from '../codec/codec.ts';
import { usedLevel } from '../codec/levels.ts';
import { openCodec } from '../codec/makers.ts';
import { asSmeltError, SmeltError } from '../errors.ts';
import { DumpLevel } from '../filter/page-class.ts';
import { type Plan, planWindows, urgencyOrder } from '../filter/plan.ts';
import type { Machine } from '../kernel/machine.ts';
import type { DumpFile } from '../read/dump-file.ts';
import { comma } from '../read/file.ts';
import { isInMemory } from '../read/live.ts';
import { openDump } from '../read/open.ts';
import { maskBit } from '../sme/mask.ts';
import { dataOffset, encodeKdumpHeader, type KdumpLayout, layoutKdump } from '../write/kdump.ts';
import { incompleteName, isSameFile, openTarget, type TargetFile, writeFully } from '../write/target-file.ts';
import { cannotFilter, freePagesWarning, refuseOldKernel, whyNothingFound, whyUnreadable } from './checks.ts';
import type { CompressResult } from './compress-phase.ts';
import { type Description, describe } from './describe.ts';
import { estimate } from './estimate.ts';
import { headerOf, outputNotes } from './headers.ts';
import { type Helpers, startHelpers } from './helpers.ts';
import { createShared, type Job, type JobTarget } from './job.ts';
import { outputLevel } from './level.ts';
import type { DumpObserver, DumpReport, DumpRequest, InputReport } from './report.ts';
import { defaultThreads, peakRssBytes } from './resources.ts';
import { searchWith } from './search.ts';
import {
  applyCarries,
  type Classified,
  type KeptBits,
  keptBitsAgain,
  keptBitsIn,
  sumClassified,
  sumCompressed,
} from './sums.ts';
import { assembleTeam, type Team } from './team.ts';
import { openReader } from './thread.ts';

/** @throws SmeltError; INTERRUPTED when the signal was aborted. What is left behind then, the message says. */
export async function dump(
  request: DumpRequest,
  observer: DumpObserver,
  signal: AbortSignal,
): Promise<DumpReport> {
  const began = performance.now();
  const file = openDump(request.input);
  try {
    return await new Dump(request, observer, signal, file, began).run();
  } finally {
    closeSync(file.fd);
  }
}

/** What the report says of the input and of who worked. */
interface About {
  readonly input: InputReport;
  readonly codec: PageCodec | undefined;
  readonly machine: Machine;
}

class Dump {
  private readonly request: DumpRequest;
  private readonly observer: DumpObserver;
  private readonly signal: AbortSignal;
  private readonly file: DumpFile;
  private readonly began: number;
  private readonly warnings: string[] = [];
  /** Whether the output has room for descriptors, and so is something that can be opened. */
  private hasDescriptors = false;
  /** The output's level: what was really left out. */
  private level = 0;

  constructor(
    request: DumpRequest,
    observer: DumpObserver,
    signal: AbortSignal,
    file: DumpFile,
    began: number,
  ) {
    this.request = request;
    this.observer = observer;
    this.signal = signal;
    this.file = file;
    this.began = began;
  }

  async run(): Promise<DumpReport> {
    const { request, file } = this;
    this.refuseInputAsOutput();
    const codec =
      request.codec &&
      (await openCodec(request.codec, { kind: request.codecMaker, level: request.compressionLevel }));
    // Which maker serves is settled here, so that all threads have the same one.
    codec?.close();
    const wanted = Math.max(1, request.threads ?? defaultThreads());
    const plan = planWindows(file, wanted);
    // More threads than windows have nothing to do.
    const others = Math.min(wanted, plan.starts.length) - 1;
    const helpers = others > 0 ? await startHelpers(others) : undefined;
    try {
      return await this.dumpWith(helpers, plan, codec);
    } finally {
      await helpers?.close();
    }
  }

  private async dumpWith(
    helpers: Helpers | undefined,
    plan: Plan,
    codec: PageCodec | undefined,
  ): Promise<DumpReport> {
    const { request, file } = this;
    const reader = await openReader(file, request.mmap ?? !isInMemory(file));
    const search = searchWith(this.observer.onProgress.bind(this.observer), () => this.stopIfAborted());
    const description = await describe(file, reader, request, search).finally(() => reader.close());
    const { machine } = description;
    const dumpLevel = outputLevel(file, request.dumpLevel);
    if (dumpLevel.warning !== undefined) this.warn(dumpLevel.warning);
    const input = inputReport(file, description);
    this.observer.onInput(input);
    refuseOldKernel(request.input, machine, dumpLevel.level);
    const unreadable = whyUnreadable(machine);
    this.level = dumpLevel.level;
    if (unreadable !== undefined) this.keepAll(unreadable);
    for (const warning of description.warnings) this.warn(warning);

    const notes = outputNotes(file.notes, description);
    const layout = layoutKdump(file.pageSize, notes.blob.length, plan.maxMapnr);
    const job: Job = {
      file,
      // What came of it: without koffi, and for pages stored one by one, there is no mapping.
      mmap: reader.mapped,
      memoryMap: machine.memoryMap,
      dumpLevel: dumpLevel.level,
      plan,
      order: urgencyOrder(plan, machine.memoryMap?.image?.ranges ?? []),
      codec: request.codec,
      codecMaker: codec?.kind,
      compressionLevel: request.compressionLevel,
      target: undefined,
      shared: createShared(
        plan.starts.length,
        helpers?.count ?? 0,
        request.dedup && !request.dryRun ? plan.totalPages : 0,
      ),
    };
    const about = { input, codec, machine };
    const assemble = (all: Job) =>
      assembleTeam(all, helpers, this.observer.onProgress.bind(this.observer), this.signal);
    if (request.dryRun || request.output === undefined) {
      return this.estimate(job, layout, await assemble(job), about);
    }
    const header = headerOf(file, description, notes, request.codec, plan.maxMapnr);
    const target = openTarget(request.output, request.overwrite);
    const { path, fd } = target;
    return this.write({ ...job, target: { path, fd, layout } }, target, assemble, header, about);
  }

  /** A dry run: all that is decided by the struct pages is found, and the rest estimated. */
  private async estimate(job: Job, layout: KdumpLayout, team: Team, about: About): Promise<DumpReport> {
    try {
      const kept = keptBitsAgain(team.thread);
      const { classified, keptPages } = await this.classify(job, team, kept, about.machine);
      const compressed = await estimate(team.thread, kept, keptPages, () => this.stopIfAborted());
      if (team.fallback !== undefined) this.warn(team.fallback);
      this.checkRead(compressed);
      const sizeBytes = dataOffset(layout, keptPages) + layout.blockSize + compressed.dataBytes;
      return this.report(job, about, classified, compressed, keptPages, sizeBytes, team);
    } finally {
      await team.close();
    }
  }

  private async classify(
    job: Job,
    team: Team,
    kept: KeptBits,
    machine: Machine,
  ): Promise<{ classified: Classified; keptPages: number }> {
    const classified = sumClassified(await team.classify(job.plan.totalPages));
    this.stopIfAborted();
    applyCarries(job, classified, kept);
    const keptPages = placeWindows(job.plan, job.shared);
    this.checkClassified(job, machine, classified);
    return { classified, keptPages };
  }

  private async write(
    job: Job & { readonly target: JobTarget },
    target: TargetFile,
    assemble: (job: Job) => Promise<Team>,
    header: ReturnType<typeof headerOf>,
    about: About,
  ): Promise<DumpReport> {
    const { plan, shared } = job;
    const { layout } = job.target;
    const writeHeader = (incomplete: boolean, eraseAt?: number) =>
      writeFully(
        target.path,
        target.fd,
        encodeKdumpHeader(layout, header(incomplete, this.level, eraseAt)),
        0,
      );
    let team: Team | undefined;
    try {
      // From the first moment on the file says of itself that it is incomplete: even a power cut leaves a readable part.
      writeHeader(true);
      team = await assemble(job);
      const kept = keptBitsIn(job.target, plan);
      const { classified, keptPages } = await this.classify(job, team, kept, about.machine);

      const zeroPageOffset = dataOffset(layout, keptPages);
      target.reserve(layout.descOffset, zeroPageOffset - layout.descOffset);
      writeFully(target.path, target.fd, Buffer.alloc(layout.blockSize), zeroPageOffset);
      this.hasDescriptors = true;
      Atomics.store(shared.nextByte, 0, BigInt(zeroPageOffset + layout.blockSize));
      const compressed = sumCompressed(await team.compress(keptPages));
      this.stopIfAborted();
      if (team.fallback !== undefined) this.warn(team.fallback);

      this.checkRead(compressed);
      const eraseAt = Number(Atomics.load(shared.nextByte, 0));
      const { eraseInfo } = header.source;
      writeFully(target.path, target.fd, eraseInfo, eraseAt);
      // All of it is on the disk before the header stops saying that it is not.
      target.sync();
      writeHeader(compressed.missingPages > 0, eraseAt);
      target.seal();
      const report = this.report(
        job,
        about,
        classified,
        compressed,
        keptPages,
        eraseAt + eraseInfo.length,
        team,
      );
      await team.close().catch(() => {});
      return report;
    } catch (error) {
      await team?.close().catch(() => {});
      // After a signal whatever else goes wrong follows from it.
      const { aborted, reason } = this.signal;
      throw this.cleanUp(
        target,
        asSmeltError(aborted && !(error instanceof SmeltError) ? reason : error),
        () => writeHeader(true),
      );
    }
  }

  private report(
    job: Job,
    about: About,
    classified: Classified,
    compressed: ReturnType<typeof sumCompressed>,
    keptPages: number,
    sizeBytes: number,
    team: Team,
  ): DumpReport {
    const { request } = this;
    const { codec } = about;
    // At level 0 zero pages are pages like any other, though they share their data.
    const countZero = (job.dumpLevel & DumpLevel.zero) !== 0;
    const zero = countZero ? compressed.zeroPages : 0;
    const undecided = classified.classes.undecided - (countZero ? compressed.undecidedZeroPages : 0);
    return {
      input: about.input,
      output: {
        path: request.output,
        format: 'kdump-compressed',
        sizeBytes,
        estimated: job.target === undefined,
        dumpLevel: this.level,
        codec: request.codec,
        compressionLevel: request.codec && usedLevel(request.codec, request.compressionLevel),
        codecMaker: codec && `${codec.maker} (${codec.kind})`,
      },
      totalPages: job.plan.totalPages,
      keptPages,
      classes: { ...classified.classes, kernel: keptPages - undecided - zero, undecided, zero },
      absentPages: classified.absent,
      kernelFreePages: about.machine.kernelFreePages,
      missingPages: compressed.missingPages,
      dataBytes: compressed.dataBytes,
      storedPages: compressed.storedPages,
      dedup: compressed.dedup,
      threads: team.threads,
      mmap: job.mmap,
      phases: team.phases,
      totalMs: performance.now() - this.began,
      peakRssBytes: peakRssBytes(),
      warnings: this.warnings,
    };
  }

  private warn(sentence: string): void {
    this.warnings.push(sentence);
    this.observer.onWarning(sentence);
  }

  private checkClassified(
    { plan, dumpLevel, memoryMap }: Job,
    machine: Machine,
    classified: Classified,
  ): void {
    if (memoryMap === undefined) return;
    const nothing = whyNothingFound(classified, plan.totalPages);
    if (nothing !== undefined) {
      this.keepAll(nothing);
      return;
    }
    const warning = freePagesWarning(this.file, machine, classified, dumpLevel);
    if (warning !== undefined) this.warn(warning);
  }

  /** Nothing can be told apart but pages of zeros, so the header must not claim that more was left out. */
  private keepAll(reason: string): void {
    const old = this.file.format === 'kdump' ? this.file.dumpLevel : 0;
    this.level = old | (this.level & DumpLevel.zero);
    this.warn(cannotFilter(this.request, reason, this.level));
  }

  /** Pages that could not be read are told; where the input is cut short, what is there of it is written, but it is a part. */
  private checkRead({ missingPages, cutPages }: CompressResult): void {
    const { path, fileBytes } = this.file;
    if (missingPages > 0 && cutPages === 0) {
      this.warn(
        `${comma(missingPages)} pages could not be read from ${path}: they are marked as missing, and readers will call the dump incomplete`,
      );
    }
    if (cutPages === 0) return;
    throw new SmeltError(
      'TRUNCATED',
      `${path}: the data of ${comma(cutPages)} pages lie behind the end of the file, which has ${comma(fileBytes)} bytes`,
      { hint: 'The file is cut short: copy it again from where it was made.' },
    );
  }

  private refuseInputAsOutput(): void {
    const { input, output } = this.request;
    if (output === undefined) return;
    for (const path of [output, incompleteName(output)]) {
      if (!isSameFile(input, path)) continue;
      throw new SmeltError('TARGET', `${path}: is the input itself, and would be written over`, {
        hint: 'Give another name for the dump.',
      });
    }
  }

  private stopIfAborted(): void {
    if (!this.signal.aborted) return;
    const { reason } = this.signal;
    throw reason instanceof SmeltError ? reason : new SmeltError('INTERRUPTED', 'interrupted');
  }

  /** After a failed write the part that is there stays; whoever interrupts wants nothing, unless they said otherwise. */
  private cleanUp(target: TargetFile, error: SmeltError, markIncomplete: () => void): SmeltError {
    // The dump is whole, and only its name could not be had.
    if (error.code === 'TARGET') return error;
    const { code, message, exitCode, cause } = error;
    const unwanted = this.signal.aborted && !this.request.keepIncomplete;
    if (unwanted || (!this.hasDescriptors && code !== 'WRITE')) {
      const removed = target.discard();
      const kept =
        unwanted && removed ? 'What was written is removed; --keep-incomplete would have kept it.' : '';
      const hint = [error.hint ?? '', kept].filter((part) => part !== '').join(' ');
      return new SmeltError(code, message, { ...(hint === '' ? {} : { hint }), exitCode, cause });
    }
    try {
      markIncomplete();
    } catch {
      // The header says so since the beginning; only its last rewrite is missing.
    }
    const left = target.leaveIncomplete();
    const use = this.hasDescriptors
      ? 'crash opens it as far as it goes, and with --minimal often shows the log'
      : 'there are no pages in it yet';
    const hint = `${error.hint === undefined ? '' : `${error.hint} `}What was written is in ${left}, marked incomplete; ${use}.`;
    return new SmeltError(code, message, { hint, exitCode, cause });
  }
}

/** Gives each window its first descriptor: the pages kept in all windows before it. Returns the sum. */
function placeWindows(plan: Plan, shared: Job['shared']): number {
  let sum = 0;
  for (let i = 0; i < plan.starts.length; i++) {
    shared.firstDescriptor[i] = sum;
    sum += shared.keptPages[i]!;
  }
  return sum;
}

function inputReport(file: DumpFile, { machine, infoFrom, encryptionMask }: Description): InputReport {
  return {
    path: file.path,
    format: file.format === 'elf' ? 'ELF' : 'kdump-compressed',
    ramBytes: file.memory.sizeBytes.reduce((sum, size) => sum + size, 0),
    release: machine.release,
    architecture: machine.arch,
    pageSizeBytes: file.pageSize,
    pageTableLevels: machine.pageTableLevels,
    vmcoreinfoFrom: infoFrom,
    smeMask: encryptionMask === 0n ? undefined : `0x${encryptionMask.toString(16)}`,
    smeMaskBit: encryptionMask === 0n ? undefined : maskBit(encryptionMask),
    dumpLevel: file.format === 'kdump' ? file.dumpLevel : 0,
  };
}
