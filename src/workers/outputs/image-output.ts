/** An output with pages as they lay in memory: an ELF core, a raw image or LiME's ranges, as a file or as a flattened stream. */

import { windowSpan } from '../../filter/plan.ts';
import { runsOf, testBit } from '../../read/bitmap.ts';
import { pfnRuns } from '../../read/extents.ts';
import { type ElfLayout, layoutElf } from '../../write/elf.ts';
import type { ImageFormat } from '../../write/formats.ts';
import type { ImageLayout } from '../../write/image.ts';
import { writeAt } from '../../write/outlet.ts';
import { layoutLime, layoutRaw } from '../../write/raw.ts';
import type { Scratch } from '../../write/scratch.ts';
import type { Target } from '../../write/target-file.ts';
import type { OutputNotes } from '../headers.ts';
import { bitmapsIn, type JobTarget } from '../job.ts';
import type { KeptBits } from '../sums.ts';
import type { LastTask } from '../worker.ts';
import type { Output, OutputInput, WrittenFile } from './output.ts';

/** In every one of them. Source: elf.h. */
const EM_X86_64 = 62;
/** Where the kernel itself is mapped; the direct map lies below. */
const START_KERNEL_MAP = 0xffffffff80000000n;

export class ImageOutput implements Output {
  readonly job: JobTarget;
  readonly targets: readonly Target[];
  hasPages = false;
  /** Every kept page has a place. */
  readonly zeroFirst = true;
  private readonly target: Target;
  private readonly scratch: Scratch;
  private readonly format: ImageFormat;
  private readonly input: OutputInput;
  private readonly notes: OutputNotes;
  private layout: (ImageLayout & Partial<Pick<ElfLayout, 'flags'>>) | undefined;

  constructor(target: Target, scratch: Scratch, format: ImageFormat, input: OutputInput, notes: OutputNotes) {
    this.target = target;
    this.targets = [target];
    this.scratch = scratch;
    this.format = format;
    this.input = input;
    this.notes = notes;
    const { path, fd, mostBytes, stream } = target;
    this.job = {
      bitmaps: bitmapsIn(scratch, input.plan.maxMapnr),
      outlets: [{ path, fd, mostBytes, stream }],
      layout: undefined,
    };
  }

  /** Nothing can be said before it is known which pages are kept. */
  begin(): void {}

  lay(kept: KeptBits): LastTask {
    const { target } = this;
    const { file, plan } = this.input;
    const layout = this.layoutOf(kept);
    this.layout = layout;
    for (const { bytes, byteOffset } of layout.pieces) writeAt(target, bytes, byteOffset);
    // A stream says it when it is known, and a file until it is known.
    if (target.stream === undefined) this.mark(true);
    const { segments, fileBytes } = layout;
    const last = plan.starts.length - 1;
    const lastPfn = segments.pfn.at(-1)! + segments.pages.at(-1)! - 1;
    if (segments.pfn.length > 0 && !testBit(kept.read(last), lastPfn - windowSpan(plan, last).pfn))
      writeAt(target, Buffer.alloc(file.pageSize), fileBytes - file.pageSize);
    this.hasPages = true;
    return { phase: 'copy', segments, fileBytes };
  }

  seal(missing: boolean): readonly WrittenFile[] {
    const { target } = this;
    target.sync();
    if (target.stream === undefined || missing) this.mark(missing);
    target.seal();
    return [{ path: target.path, sizeBytes: this.layout!.fileBytes }];
  }

  markIncomplete(): void {
    if (this.layout !== undefined) this.mark(true);
  }

  close(): void {
    this.scratch.close();
  }

  private mark(incomplete: boolean): void {
    const flags = this.layout?.flags?.(incomplete);
    if (flags !== undefined) writeAt(this.target, flags.bytes, flags.byteOffset);
  }

  private layoutOf(kept: KeptBits): ImageLayout {
    const { file, plan } = this.input;
    const { pageSize } = file;
    const memory = [...pfnRuns(file.memory, pageSize)];
    if (this.format === 'raw') return layoutRaw(memory, pageSize);
    if (this.format === 'lime') return layoutLime(memory, pageSize);
    function* runs() {
      for (let index = 0; index < plan.starts.length; index++) {
        const { pfn, count } = windowSpan(plan, index);
        for (const [from, to] of runsOf(kept.read(index), 0, count)) yield [pfn + from, pfn + to] as const;
      }
    }
    const eraseInfo = file.format === 'kdump' ? file.eraseInfo : new Uint8Array(0);
    return layoutElf(
      {
        machine: EM_X86_64,
        pageSize,
        memory,
        notes: this.notes.blob,
        eraseInfo,
        vaddrOffset: this.directMap(),
      },
      runs,
    );
  }

  /** What the input's own segments add to a physical address, where they do; else addresses stand as they are, as in QEMU's dumps. */
  private directMap(): bigint {
    const { file } = this.input;
    if (file.format !== 'elf') return 0n;
    const mapped = file.mappings.find(
      ({ vaddr, paddr }) => vaddr !== BigInt(paddr) && vaddr < START_KERNEL_MAP && vaddr !== 0n,
    );
    return mapped === undefined ? 0n : mapped.vaddr - BigInt(mapped.paddr);
  }
}
