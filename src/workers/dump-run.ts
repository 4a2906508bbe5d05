import type { PageCodec } from '../codec/codec.ts';
import { usedLevel } from '../codec/levels.ts';
import { asSmeltError, SmeltError } from '../errors.ts';
import { DumpLevel } from '../filter/page-class.ts';
import { urgencyOrder } from '../filter/plan.ts';
import { erasedBytes } from '../kernel/erase/eraser.ts';
import type { FrameSet } from '../sme/census/frame-set.ts';
import type { Destination } from '../write/destination.ts';
import { FORMAT_NAMES } from '../write/formats.ts';
import { hasNoRoom, whyNoTarget } from '../write/target-file.ts';
import { onlyShared, takeCensus, whyNothingShared } from './census.ts';
import {
  cannotFilter,
  freePagesWarning,
  missingPagesWarning,
  refuseOldKernel,
  whyNothingFound,
  whyUnreadable,
} from './checks.ts';
import { UndecidedPages } from './classify-phase.ts';
import { cleanUp } from './clean-up.ts';
import type { SavedLog } from './dmesg.ts';
import type { Erasing } from './erase.ts';
import { estimate } from './estimate.ts';
import { type Input, isUnreadable, refuseCiphertext, stopIfAborted } from './input.ts';
import { createShared, type Job, placeWindows } from './job.ts';
import { outputLevel } from './level.ts';
import type { Means } from './means.ts';
import { expectedBytes, openOutput } from './outputs/open-output.ts';
import type { Output, Settled } from './outputs/output.ts';
import {
  type CensusReport,
  type DumpObserver,
  type DumpReport,
  type DumpRequest,
  type LogReport,
  outputPaths,
  type TargetProtection,
} from './report.ts';
import { peakRssBytes, whyTooLarge } from './resources.ts';
import { expectedSizes, type Sizes, whyOverLimit, withSize, writtenSizes } from './sizes.ts';
import { takeSteps } from './steps.ts';
import {
  type Classified,
  type KeptBits,
  keptBitsAgain,
  keptBitsIn,
  LateDrops,
  settle,
  sumClassified,
  sumCompressed,
  sumZero,
  withZeroPages,
} from './sums.ts';
import { protectionOf, protectionOfFile, protectionWarning, requireEncrypted } from './target-protection.ts';
import { assembleTeam, type Team } from './team.ts';
import type { ZeroResult } from './zero-phase.ts';

export class DumpRun {
  private readonly request: DumpRequest;
  private readonly observer: DumpObserver;
  private readonly signal: AbortSignal;
  private readonly input: Input;
  private readonly codec: PageCodec | undefined;
  private readonly doneWithout: readonly string[];
  private readonly began: number;
  private readonly log: LogReport | undefined;
  private readonly erasing: Erasing | undefined;
  private readonly warnings: string[];
  /** Whether there is no other level to try where the dump does not fit. */
  private readonly isLast: boolean;
  /** The output's level: what was really left out. */
  private level = 0;
  private census: CensusReport | undefined;
  private protection: TargetProtection | undefined;

  constructor(
    means: Means,
    observer: DumpObserver,
    signal: AbortSignal,
    input: Input,
    protection: TargetProtection | undefined,
    saved: SavedLog | undefined,
    erasing: Erasing | undefined,
    began: number,
    isLast: boolean,
  ) {
    this.isLast = isLast;
    this.erasing = erasing;
    this.request = means.request;
    this.codec = means.codec;
    this.doneWithout = means.warnings;
    this.observer = observer;
    this.signal = signal;
    this.input = input;
    this.protection = protection;
    this.log = saved?.log;
    this.warnings = [...(saved?.warnings ?? [])];
    this.began = began;
  }

  async run(): Promise<DumpReport> {
    const { request } = this;
    const { file, plan, helpers, description, mmap, verdict } = this.input;
    const { machine } = description;
    const dumpLevel = outputLevel(file, request.dumpLevel);
    if (dumpLevel.warning !== undefined) this.warn(dumpLevel.warning);
    if (!request.allowCiphertext) refuseCiphertext(verdict);
    else if (isUnreadable(verdict)) this.warn(verdict.sentence);
    refuseOldKernel(request.input, machine, dumpLevel.level);
    const unreadable = whyUnreadable(machine);
    this.level = dumpLevel.level;
    if (unreadable !== undefined) this.keepAll(unreadable);
    for (const warning of [...this.doneWithout, ...description.warnings]) this.warn(warning);

    const paths = outputPaths(request);
    const parts = Math.max(1, paths.length);
    const job: Job = {
      file,
      mmap,
      memoryMap: machine.memoryMap,
      dumpLevel: dumpLevel.level,
      plan,
      order: urgencyOrder(plan, [machine.memoryMap?.image?.ranges ?? [], this.input.wayToLog]),
      erase: this.erasing?.plan,
      codec: request.codec,
      codecMaker: this.codec?.kind,
      compressionLevel: request.compressionLevel,
      target: undefined,
      shared: createShared(
        plan.starts.length,
        helpers?.count ?? 0,
        request.dedup && !request.dryRun ? plan.totalPages : 0,
        parts,
      ),
    };
    const assemble = (all: Job) =>
      assembleTeam(all, helpers, this.observer.onProgress.bind(this.observer), this.signal);
    if (request.dryRun || (paths.length === 0 && request.stream === undefined)) {
      return this.estimate(job, await assemble(job));
    }
    if (request.stream !== undefined) this.observer.onStream?.();
    return this.write(job, openOutput(request, this.input, job.shared, this.erasing), assemble);
  }

  /** Before the first byte: memory that was encrypted while the machine ran is not to be left less protected without a word. */
  private async checkTargets({ outlets, isStream }: Destination): Promise<void> {
    const { requireEncryptedTarget } = this.request;
    if (!requireEncryptedTarget && !this.isOfEncryptedMemory()) return;
    const found = await Promise.all(outlets.map(({ path, fd }) => protectionOfFile(path, fd)));
    for (const [index, protection] of found.entries())
      if (requireEncryptedTarget) requireEncrypted(isStream ? undefined : outlets[index]!.path, protection);
    // Of several parts the one that is least protected stands for all.
    this.warnOf(found.find(({ encrypted }) => encrypted !== 'all legs') ?? found[0]!);
  }

  private isOfEncryptedMemory(): boolean {
    return this.input.description.encryptionMask !== 0n;
  }

  private warnOf(protection: TargetProtection): void {
    this.protection = protection;
    const warning = protectionWarning(protection);
    if (warning !== undefined) this.warn(warning);
  }

  /** A dry run: all that is decided by the struct pages is found, and the rest estimated. */
  private async estimate(job: Job, team: Team): Promise<DumpReport> {
    try {
      for (const path of outputPaths(this.request)) {
        const why = whyNoTarget(path, this.request.overwrite);
        const todo = why?.hint === undefined ? '' : ` (${why.hint.replace(/\.$/, '')})`;
        if (why !== undefined) this.warn(`a run that writes would be refused: ${why.message}${todo}`);
      }
      const { stream, requireEncryptedTarget } = this.request;
      if (stream !== undefined && (requireEncryptedTarget || this.isOfEncryptedMemory())) {
        const protection = await protectionOfFile(stream.path, stream.fd);
        if (requireEncryptedTarget) requireEncrypted(undefined, protection);
        this.warnOf(protection);
      }
      if (this.isOfEncryptedMemory())
        for (const path of outputPaths(this.request).slice(0, 1)) this.warnOf(await protectionOf(path));
      const drop = await this.takeCensus(team);
      const again = (late: LateDrops) => keptBitsAgain(team.thread, late);
      const { classified, keptPages, kept } = await this.classify(job, team, drop, again);
      const { undecided } = classified.classes;
      const compressed = await estimate(team.thread, kept, { keptPages, undecided }, () =>
        stopIfAborted(this.signal),
      );
      if (team.fallback !== undefined) this.warn(team.fallback);
      const missing = missingPagesWarning(this.input.file, compressed);
      if (missing !== undefined) this.warn(missing);
      // At level 0 pages of zeros have their places, as holes.
      const zeroPages = this.leavesOutZeros() ? compressed.zeroPages : 0;
      const sizeBytes = expectedBytes(this.request, this.input, { ...compressed, keptPages, zeroPages });
      const tooLarge = whyOverLimit(this.request, sizeBytes);
      if (tooLarge !== undefined && !this.isLast) throw new SmeltError('TOO_LARGE', tooLarge);
      if (tooLarge !== undefined) this.warn(tooLarge);
      const written = expectedSizes(this.request, sizeBytes, compressed.dataBytes);
      return this.report(job, classified, compressed, keptPages, written, team);
    } finally {
      team.close();
    }
  }

  /** What the page tables say of encryption, where it says something; gives the page frames that are left out for it. */
  private async takeCensus(team: Team): Promise<FrameSet | undefined> {
    const { request, input } = this;
    if (input.description.encryptionMask === 0n && !request.excludeShared) return undefined;
    const look = () => stopIfAborted(this.signal);
    const tooLarge = whyTooLarge('census');
    if (tooLarge !== undefined) {
      this.warn(`which pages were encrypted is not told here, but by \`smelt sme\` of the dump: ${tooLarge}`);
      if (request.excludeShared) this.warn('--exclude-shared leaves nothing out');
      return undefined;
    }
    const taken = await takeCensus(input, team, 'sums', look).catch((error: unknown) => {
      stopIfAborted(this.signal);
      // It is beside the point of a dump: a dump without it beats none.
      this.warn(`which pages were encrypted is not told: ${asSmeltError(error).message}`);
      return undefined;
    });
    stopIfAborted(this.signal);
    this.census = taken?.report;
    if (!request.excludeShared) return undefined;
    const why = taken === undefined ? 'no page tables can be found' : whyNothingShared(taken);
    if (taken === undefined || why !== undefined) {
      this.warn(`--exclude-shared leaves nothing out: ${why}`);
      return undefined;
    }
    return onlyShared(taken.census);
  }

  private async classify(
    job: Job,
    team: Team,
    drop: FrameSet | undefined,
    keptBits: (late: LateDrops) => KeptBits,
  ): Promise<{ classified: Classified; keptPages: number; kept: KeptBits }> {
    const classified = sumClassified(await team.classify(job.plan.totalPages));
    const look = () => stopIfAborted(this.signal);
    look();
    const done = team.phases.findLast(({ phase }) => phase === 'classify')!.pages;
    if (done !== job.plan.totalPages)
      throw new SmeltError('INTERNAL', `${done} of ${job.plan.totalPages} pages were classified`);
    // Before pages go that nobody could decide about: they are what is counted.
    this.checkClassified(job, classified);
    const late = new LateDrops(job.plan, classified.carries, drop);
    const kept = keptBits(late);
    await takeSteps(settle(job, classified, late, kept, new UndecidedPages(team.thread)), look);
    const keptPages = placeWindows(job.plan, job.shared);
    return { classified, keptPages, kept };
  }

  private async write(job: Job, output: Output, assemble: (job: Job) => Promise<Team>): Promise<DumpReport> {
    let team: Team | undefined;
    let settled: Settled | undefined;
    try {
      await this.checkTargets(output.to);
      output.begin();
      const writing: Job = { ...job, target: output.job };
      team = await assemble(writing);
      const drop = await this.takeCensus(team);
      const kept = keptBitsIn(output.job.bitmaps, job.plan);
      const { classified, keptPages } = await this.classify(writing, team, drop, () => kept);

      const zero = await this.dropZeroPages(output, team, keptPages);
      stopIfAborted(this.signal);
      const stored = keptPages - zero.zeroPages;
      const { thread } = team;
      settled = { kept, keptPages: stored, dumpLevel: this.level, thread };
      const task = await output.lay(settled);
      stopIfAborted(this.signal);
      const compressed = withZeroPages(sumCompressed(await team.finish(task, stored)), zero);
      stopIfAborted(this.signal);
      if (team.fallback !== undefined) this.warn(team.fallback);

      const missing = missingPagesWarning(this.input.file, compressed);
      if (missing !== undefined) this.warn(missing);
      const files = await output.seal(compressed.missingPages > 0);
      const written = writtenSizes(files, output.to.isStream);
      const report = this.report(job, classified, compressed, keptPages, written, team);
      team.close();
      return report;
    } catch (error) {
      const failure = failureOf(error, this.signal);
      const sized =
        failure.code === 'TOO_LARGE' && this.isLast && settled !== undefined
          ? await withSize(failure, this.request, this.input, settled, () => stopIfAborted(this.signal))
          : failure;
      team?.close();
      throw cleanUp(output, sized, {
        interrupted: this.signal.aborted && !this.request.keepIncomplete,
        again: !this.isLast && hasNoRoom(failure),
      });
    } finally {
      output.close();
    }
  }

  private leavesOutZeros(): boolean {
    return (this.level & DumpLevel.zero) !== 0;
  }

  /** Where the output wants them gone. */
  private async dropZeroPages(output: Output, team: Team, keptPages: number): Promise<ZeroResult> {
    if (!output.zeroFirst || !this.leavesOutZeros()) return sumZero([]);
    return sumZero(await team.dropZeroPages(keptPages));
  }

  private report(
    job: Job,
    classified: Classified,
    compressed: ReturnType<typeof sumCompressed>,
    keptPages: number,
    sizes: Sizes,
    team: Team,
  ): DumpReport {
    const { request } = this;
    const { codec } = this;
    // At level 0 zero pages are pages like any other, though they share their data.
    const countZero = (job.dumpLevel & DumpLevel.zero) !== 0;
    const zero = countZero ? compressed.zeroPages : 0;
    const undecided = classified.classes.undecided - (countZero ? compressed.undecidedZeroPages : 0);
    return {
      input: this.input.report,
      vtop: undefined,
      output: {
        path: request.output ?? request.stream?.path,
        format: FORMAT_NAMES[request.format ?? 'kdump'],
        ...sizes,
        dumpLevel: this.level,
        codec: request.codec,
        compressionLevel: request.codec && usedLevel(request.codec, request.compressionLevel),
        codecMaker: codec && `${codec.maker} (${codec.kind})`,
      },
      totalPages: job.plan.totalPages,
      holePages: job.plan.maxMapnr - job.plan.totalPages,
      keptPages,
      classes: { ...classified.classes, kernel: keptPages - undecided - zero, undecided, zero },
      absentPages: classified.absent,
      kernelFreePages: this.input.description.machine.kernelFreePages,
      census: this.census,
      verdict: this.input.verdict,
      targetProtection: this.protection,
      log: this.log,
      erased: this.erasing && {
        places: this.erasing.found.erasures.length,
        bytes: erasedBytes(this.erasing.plan),
      },
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

  private checkClassified({ plan, dumpLevel, memoryMap }: Job, classified: Classified): void {
    if (memoryMap === undefined) return;
    const nothing = whyNothingFound(classified, plan.totalPages);
    if (nothing !== undefined) {
      this.keepAll(nothing);
      return;
    }
    const { file, description } = this.input;
    const warning = freePagesWarning(file, description.machine, classified, dumpLevel);
    if (warning !== undefined) this.warn(warning);
  }

  /** Nothing can be told apart but pages of zeros, so the header must not claim that more was left out. */
  private keepAll(reason: string): void {
    const { file } = this.input;
    const old = file.format === 'kdump' ? file.dumpLevel : 0;
    this.level = old | (this.level & DumpLevel.zero);
    this.warn(cannotFilter(this.request, reason, this.level));
  }
}

/** After a signal whatever else goes wrong follows from it, unless smelt says something of its own. */
function failureOf(error: unknown, { aborted, reason }: AbortSignal): SmeltError {
  const follows = !(error instanceof SmeltError) || error.code === 'INTERRUPTED';
  return asSmeltError(aborted && follows && reason instanceof SmeltError ? reason : error);
}
