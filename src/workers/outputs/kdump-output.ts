/** A kdump-compressed output: one file, a set of files (--split), or a flattened stream (-F). */

import type { Plan } from '../../filter/plan.ts';
import { readPart } from '../../read/file.ts';
import { dataOffset, encodeKdumpHeader, type KdumpLayout } from '../../write/kdump.ts';
import { writeAt } from '../../write/outlet.ts';
import type { Scratch } from '../../write/scratch.ts';
import type { Target } from '../../write/target-file.ts';
import type { HeaderOf } from '../headers.ts';
import type { JobTarget, Part, Shared } from '../job.ts';
import type { KeptBits } from '../sums.ts';
import type { LastTask } from '../worker.ts';
import type { Output, WrittenFile } from './output.ts';
import { partsOf } from './parts.ts';

/** Bytes of the bitmaps that are copied at once. */
const COPY_BYTES = 1024 * 1024;

export class KdumpOutput implements Output {
  readonly job: JobTarget;
  readonly targets: readonly Target[];
  hasPages = false;
  /** All of them share one. */
  readonly zeroFirst = false;
  private readonly layout: KdumpLayout;
  private readonly header: HeaderOf;
  private readonly plan: Plan;
  private readonly shared: Shared;
  /** Where the bitmaps grow when the output cannot be read back. */
  private readonly scratch: Scratch | undefined;
  private parts: readonly Part[] = [];
  private level = 0;

  /** `scratch`: needed where the output is a stream. `dataless`: pages are not written. */
  constructor(
    targets: readonly Target[],
    scratch: Scratch | undefined,
    layout: KdumpLayout,
    header: HeaderOf,
    plan: Plan,
    shared: Shared,
    dataless = false,
  ) {
    this.targets = targets;
    this.layout = layout;
    this.header = header;
    this.plan = plan;
    this.shared = shared;
    this.scratch = scratch;
    const { path, fd } = scratch ?? targets[0]!;
    const bitmaps = { path, fd, bitmap1Offset: layout.bitmap1Offset, bitmap2Offset: layout.bitmap2Offset };
    // Only what can be sent to another thread.
    const outlets = targets.map((target) => ({
      path: target.path,
      fd: target.fd,
      mostBytes: target.mostBytes,
      stream: target.stream,
    }));
    this.job = { bitmaps, outlets, layout, dataless };
  }

  /** From the first moment on a file says of itself that it is incomplete: even a power cut leaves a readable part. */
  begin(): void {
    for (const target of this.targets) if (target.stream === undefined) this.writeHeader(target, true);
  }

  lay(kept: KeptBits, keptPages: number, dumpLevel: number): LastTask {
    const { targets, layout, shared } = this;
    this.level = dumpLevel;
    this.parts = partsOf(this.plan, shared, kept, keptPages, targets.length);
    const { eraseInfo } = this.header.source;
    for (const [index, target] of targets.entries()) {
      const zeroPageOffset = dataOffset(layout, this.parts[index]!.keptPages);
      const eraseAt = this.eraseAt(index);
      // No byte of a stream is written twice, if that can be: who puts it in order need not know which one counts.
      if (target.stream !== undefined) this.writeHeader(target, false, index);
      if (target.fd !== this.job.bitmaps.fd) this.copyBitmaps(target);
      target.reserve(layout.descOffset, zeroPageOffset - layout.descOffset);
      writeAt(target, Buffer.alloc(layout.blockSize), zeroPageOffset);
      writeAt(target, eraseInfo, eraseAt);
      Atomics.store(shared.nextByte, index, BigInt(eraseAt + eraseInfo.length));
    }
    this.hasPages = true;
    return { phase: 'compress', parts: this.parts };
  }

  seal(missing: boolean): readonly WrittenFile[] {
    const { targets, shared } = this;
    // All of it is on the disk before the header stops saying that it is not.
    for (const target of targets) target.sync();
    for (const [index, target] of targets.entries()) {
      if (target.stream === undefined || missing) this.writeHeader(target, missing, index);
    }
    for (const target of targets) target.seal();
    return targets.map(({ path }, index) => ({
      path,
      sizeBytes: Number(Atomics.load(shared.nextByte, index)),
    }));
  }

  markIncomplete(): void {
    for (const [index, target] of this.targets.entries()) {
      if (target.stream === undefined) this.writeHeader(target, true, this.hasPages ? index : undefined);
    }
  }

  close(): void {
    this.scratch?.close();
  }

  /** `index`: of the part that it is, when that is settled. */
  private writeHeader(target: Target, incomplete: boolean, index?: number): void {
    const split = index === undefined || this.targets.length === 1 ? undefined : this.parts[index];
    const eraseAt = index === undefined ? undefined : this.eraseAt(index);
    const header = this.header({ incomplete, dumpLevel: this.level, eraseAt, split });
    writeAt(target, encodeKdumpHeader(this.layout, header), 0);
  }

  private eraseAt(index: number): number {
    return dataOffset(this.layout, this.parts[index]!.keptPages) + this.layout.blockSize;
  }

  private copyBitmaps(target: Target): void {
    const { path, fd, bitmap1Offset } = this.job.bitmaps;
    for (let at = bitmap1Offset; at < this.layout.descOffset; at += COPY_BYTES) {
      const length = Math.min(COPY_BYTES, this.layout.descOffset - at);
      const bytes = readPart(path, fd, 'the bitmaps', at, length);
      // Most of it are holes where memory lies far apart.
      if (bytes.some((byte) => byte !== 0)) writeAt(target, bytes, at);
    }
  }
}
