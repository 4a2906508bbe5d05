/** An output with pages as they lay in memory: an ELF core, a raw image or LiME's ranges, as a file or as a flattened stream. */

import { archByName } from '../../arch/architectures.ts';
import { windowOf, windowSpan } from '../../filter/plan.ts';
import { runsOf, testBit } from '../../read/bitmap.ts';
import { drain } from '../../read/drain.ts';
import { EM_X86_64 } from '../../read/elf.ts';
import { pfnRuns } from '../../read/extents.ts';
import { findTables } from '../../sme/mask-of-tables.ts';
import type { Destination } from '../../write/destination.ts';
import { type ElfLayout, type ElfSource, layoutElf } from '../../write/elf.ts';
import type { ImageFormat } from '../../write/formats.ts';
import type { ImageLayout, ImageSegments } from '../../write/image.ts';
import { type Outlet, outletOf, writeAt } from '../../write/outlet.ts';
import { layoutLime, layoutRaw } from '../../write/raw.ts';
import type { Scratch } from '../../write/scratch.ts';
import type { OutputNotes } from '../headers.ts';
import { bitmapsIn, type JobTarget } from '../job.ts';
import { takeSteps } from '../steps.ts';
import type { KeptBits } from '../sums.ts';
import type { Thread } from '../thread.ts';
import type { LastTask } from '../worker.ts';
import type { Output, OutputInput, Settled, WrittenFile } from './output.ts';

/** Where the kernel itself is mapped; the direct map lies below. */
const START_KERNEL_MAP = 0xffffffff80000000n;

export class ImageOutput implements Output {
  readonly job: JobTarget;
  readonly to: Destination;
  hasPages = false;
  readonly useOfPart = 'pages that are missing in it read as zeros';
  /** In the others every page of memory has its place, whether it is kept or not. */
  readonly zeroFirst: boolean;
  private readonly outlet: Outlet;
  private readonly scratch: Scratch;
  private readonly format: ImageFormat;
  private readonly input: OutputInput;
  private readonly notes: OutputNotes;
  private readonly eraseInfoOf: (kept: KeptBits) => Uint8Array;
  private layout: (ImageLayout & Partial<Pick<ElfLayout, 'flags'>>) | undefined;

  constructor(
    to: Destination,
    scratch: Scratch,
    format: ImageFormat,
    input: OutputInput,
    notes: OutputNotes,
    eraseInfoOf: (kept: KeptBits) => Uint8Array,
  ) {
    this.to = to;
    this.outlet = outletOf(to.outlets[0]!);
    this.scratch = scratch;
    this.format = format;
    this.input = input;
    this.notes = notes;
    this.eraseInfoOf = eraseInfoOf;
    this.zeroFirst = format === 'elf';
    this.job = {
      bitmaps: bitmapsIn(scratch, input.plan.maxMapnr),
      outlets: [this.outlet],
      layout: undefined,
    };
  }

  /** Nothing can be said before it is known which pages are kept. */
  begin(): void {}

  async lay({ kept, thread }: Settled): Promise<LastTask> {
    const layout = await this.layoutOf(kept, thread);
    const { segments, fileBytes } = layout;
    this.layout = layout;
    await takeSteps(this.writeAround(layout));
    this.hasPages = true;
    if (!this.to.isStream) return { phase: 'copy', segments, endPage: undefined };
    const endPage = fileBytes - this.input.file.pageSize;
    if (segments.pfn.length > 0 && !this.isLastKept(segments, kept))
      await takeSteps(writeAt(this.outlet, Buffer.alloc(this.input.file.pageSize), endPage));
    return { phase: 'copy', segments, endPage };
  }

  async seal(missing: boolean): Promise<readonly WrittenFile[]> {
    await takeSteps(this.makeWhole(missing));
    return [{ path: this.outlet.path, sizeBytes: this.layout!.fileBytes }];
  }

  markIncomplete(): boolean {
    if (!this.hasPages) return false;
    drain(this.mark(true));
    return this.layout?.flags !== undefined;
  }

  close(): void {
    this.scratch.close();
  }

  private *writeAround({ pieces, fileBytes }: ImageLayout): Generator<void, void> {
    const { to, outlet } = this;
    yield* to.begin();
    for (const { bytes, byteOffset } of pieces) yield* writeAt(outlet, bytes, byteOffset);
    // A stream says it when it is known, and a file until it is known.
    if (!to.isStream) yield* this.mark(true);
    // What is not written is a hole, at the end of the file too. Where that is not allowed, there is what comes before.
    to.files[0]?.resize(Math.min(fileBytes, outlet.mostBytes ?? Infinity));
  }

  private *makeWhole(missing: boolean): Generator<void, void> {
    const { to } = this;
    to.sync();
    if (!to.isStream || missing) yield* this.mark(missing);
    yield* to.seal();
  }

  /** ELF alone can say of itself that it is not whole. */
  private *mark(incomplete: boolean): Generator<void, void> {
    const flags = this.layout?.flags?.(incomplete);
    if (flags !== undefined) yield* writeAt(this.outlet, flags.bytes, flags.byteOffset);
  }

  private isLastKept(segments: ImageSegments, kept: KeptBits): boolean {
    const pfn = segments.pfn.at(-1)! + segments.pages.at(-1)! - 1;
    const { plan } = this.input;
    const index = windowOf(plan, pfn);
    return testBit(kept.read(index), pfn - windowSpan(plan, index).pfn);
  }

  private async layoutOf(kept: KeptBits, thread: Thread): Promise<ImageLayout> {
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
    return layoutElf(
      {
        machine: EM_X86_64,
        pageSize,
        memory,
        notes: this.notes.blob,
        eraseInfo: this.eraseInfoOf(kept),
        incomplete: file.incomplete,
        vaddrOffset: await this.directMap(thread),
        image: this.image(),
      },
      runs,
    );
  }

  /** As /proc/vmcore has it: the image where the kernel runs. */
  private image(): ElfSource['image'] {
    const { memoryMap, physBase } = this.input.description.machine;
    const ranges = memoryMap?.image?.ranges ?? [];
    return { ranges, vaddrOffset: START_KERNEL_MAP - physBase };
  }

  /**
   * What the kernel's direct map adds to a physical address: as the input's own segments have it, or else as the page tables do. By
   * that makedumpfile finds its way. Where nothing says it addresses stand as they are, as in QEMU's dumps.
   */
  private async directMap({ reader }: Thread): Promise<bigint> {
    const { file, description } = this.input;
    const mappings = file.format === 'elf' ? file.mappings : [];
    const mapped = mappings.find(
      ({ vaddr, paddr }) => vaddr !== BigInt(paddr) && vaddr < START_KERNEL_MAP && vaddr !== 0n,
    );
    if (mapped !== undefined) return mapped.vaddr - BigInt(mapped.paddr);
    const arch = archByName(description.machine.arch);
    if (arch === undefined) return 0n;
    const { info, encryptionMask } = description;
    const found = await takeSteps(findTables(file, reader, arch, info, encryptionMask));
    return found === undefined ? 0n : BigInt(found.direct.offset) * BigInt(file.pageSize);
  }
}
