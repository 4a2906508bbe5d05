/** A kdump-compressed output: one file, a set of files (--split), or a flattened stream (-F). */

import { drain } from '../../read/drain.ts';
import { readPart } from '../../read/file.ts';
import { PageDescriptor } from '../../read/kdump-layout.ts';
import type { Destination } from '../../write/destination.ts';
import { dataOffset, encodeKdumpHeader, type KdumpLayout } from '../../write/kdump.ts';
import { checkLimit, type Outlet, outletOf, writeAt } from '../../write/outlet.ts';
import type { Scratch } from '../../write/scratch.ts';
import type { HeaderOf } from '../headers.ts';
import type { JobTarget, Part, Shared } from '../job.ts';
import { takeSteps } from '../steps.ts';
import type { KeptBits } from '../sums.ts';
import type { LastTask } from '../worker.ts';
import type { Output, Settled, WrittenFile } from './output.ts';
import { partsOf } from './parts.ts';

/** Bytes of the bitmaps that are copied at once. */
const COPY_BYTES = 1024 * 1024;

export class KdumpOutput implements Output {
  readonly job: JobTarget;
  readonly to: Destination;
  hasPages = false;
  readonly useOfPart =
    '`smelt --dump-dmesg` mostly shows the log of it, and crash opens it as far as it goes';
  /** All of them share one. */
  readonly zeroFirst = false;
  private readonly layout: KdumpLayout;
  private readonly header: HeaderOf;
  private readonly eraseInfoOf: (kept: KeptBits) => Uint8Array;
  private readonly shared: Shared;
  /** Where the bitmaps grow when the output cannot be read back. */
  private readonly scratch: Scratch | undefined;
  private parts: readonly Part[] = [];
  private eraseInfo: Uint8Array = new Uint8Array(0);
  private level = 0;

  /** `scratch`: needed where the output is a stream. `dataless`: pages are not written. */
  constructor(
    to: Destination,
    scratch: Scratch | undefined,
    layout: KdumpLayout,
    header: HeaderOf,
    eraseInfoOf: (kept: KeptBits) => Uint8Array,
    shared: Shared,
    dataless = false,
  ) {
    this.to = to;
    this.layout = layout;
    this.header = header;
    this.eraseInfoOf = eraseInfoOf;
    this.shared = shared;
    this.scratch = scratch;
    const { path, fd } = scratch ?? to.files[0]!;
    const bitmaps = { path, fd, bitmap1Offset: layout.bitmap1Offset, bitmap2Offset: layout.bitmap2Offset };
    this.job = { bitmaps, outlets: to.outlets.map(outletOf), layout, dataless };
  }

  /** From the first moment on a file says of itself that it is incomplete: even a power cut leaves a readable part. */
  begin(): void {
    for (const file of this.to.files) drain(this.writeHeader(file, true));
    for (const outlet of this.to.outlets) checkLimit(outlet, this.layout.descOffset);
  }

  async lay({ kept, keptPages, dumpLevel, thread }: Settled): Promise<LastTask> {
    this.level = dumpLevel;
    this.eraseInfo = this.eraseInfoOf(kept);
    this.parts = await partsOf(thread, kept, keptPages, this.to.outlets.length);
    await takeSteps(this.writeAround());
    this.hasPages = true;
    return { phase: 'compress', parts: this.parts };
  }

  /** All but descriptors and pages. */
  private *writeAround(): Generator<void, void> {
    const { to, layout, shared, eraseInfo } = this;
    yield* to.begin();
    for (const [index, outlet] of to.outlets.entries()) {
      const { keptPages, allPages } = this.parts[index]!;
      const zeroPageOffset = dataOffset(layout, allPages);
      const eraseAt = this.eraseAt(index);
      checkLimit(outlet, eraseAt + eraseInfo.length);
      // No byte of a stream is written twice, if that can be: who puts it in order need not know which one counts.
      if (to.isStream) yield* this.writeHeader(outlet, false, index);
      if (outlet.fd !== this.job.bitmaps.fd) yield* this.copyBitmaps(outlet);
      to.files[index]?.reserve(layout.descOffset, keptPages * PageDescriptor.size);
      yield* writeAt(outlet, Buffer.alloc(layout.blockSize), zeroPageOffset);
      yield* writeAt(outlet, eraseInfo, eraseAt);
      Atomics.store(shared.nextByte, index, BigInt(eraseAt + eraseInfo.length));
    }
  }

  async seal(missing: boolean): Promise<readonly WrittenFile[]> {
    await takeSteps(this.makeWhole(missing));
    return this.to.outlets.map(({ path }, index) => ({
      path,
      sizeBytes: Number(Atomics.load(this.shared.nextByte, index)),
    }));
  }

  private *makeWhole(missing: boolean): Generator<void, void> {
    const { to } = this;
    // All of it is on the disk before the header stops saying that it is not.
    to.sync();
    for (const [index, outlet] of to.outlets.entries())
      if (!to.isStream || missing) yield* this.writeHeader(outlet, missing, index);
    yield* to.seal();
  }

  markIncomplete(): boolean {
    for (const [index, file] of this.to.files.entries())
      if (file.isOpen) drain(this.writeHeader(file, true, this.hasPages ? index : undefined));
    return true;
  }

  close(): void {
    this.scratch?.close();
  }

  /** `index`: of the part that it is, when that is settled. */
  private writeHeader(outlet: Outlet, incomplete: boolean, index?: number): Generator<void, void> {
    const split = index === undefined || this.parts.length === 1 ? undefined : this.parts[index];
    const { length } = this.eraseInfo;
    const eraseInfo =
      index === undefined || length === 0 ? undefined : { byteOffset: this.eraseAt(index), length };
    const header = this.header({ incomplete, dumpLevel: this.level, eraseInfo, split });
    return writeAt(outlet, encodeKdumpHeader(this.layout, header), 0);
  }

  private eraseAt(index: number): number {
    return dataOffset(this.layout, this.parts[index]!.allPages) + this.layout.blockSize;
  }

  private *copyBitmaps(outlet: Outlet): Generator<void, void> {
    const { path, fd, bitmap1Offset } = this.job.bitmaps;
    for (let at = bitmap1Offset; at < this.layout.descOffset; at += COPY_BYTES) {
      const length = Math.min(COPY_BYTES, this.layout.descOffset - at);
      const bytes = readPart(path, fd, 'the bitmaps', at, length);
      // Most of it are holes where memory lies far apart.
      if (bytes.some((byte) => byte !== 0)) yield* writeAt(outlet, bytes, at);
      yield;
    }
  }
}
