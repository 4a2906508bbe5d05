/** The second phase: each window's kept pages are compressed and placed, data and descriptors, in the output. */

import type { PageCodec } from '../codec/codec.ts';
import { SmeltError } from '../errors.ts';
import { windowSpan } from '../filter/plan.ts';
import { openZeroTest, type ZeroTest } from '../native/zero-test.ts';
import { popcountIn, runsOf, testBit } from '../read/bitmap.ts';
import type { MemoryReader } from '../read/dump-file.ts';
import { CompressionFlag } from '../read/kdump-layout.ts';
import { isLive } from '../read/live.ts';
import { dataOffset } from '../write/kdump.ts';
import { MAX_PAGES, PagePlacer } from '../write/page-placer.ts';
import { WriteBehind } from '../write/write-behind.ts';
import { UndecidedPages } from './classify-phase.ts';
import { Dedup, type DedupResult } from './dedup.ts';
import { addDone, isStopped, type Part, type Shared, takeWindows } from './job.ts';
import { keptBitsIn, sumCompressed } from './sums.ts';
import type { Thread } from './thread.ts';

export interface CompressResult {
  readonly dataBytes: number;
  /** Pages with data of their own. */
  readonly storedPages: number;
  readonly zeroPages: number;
  /** Those of them that are undecided. */
  readonly undecidedZeroPages: number;
  /** Kept pages that could not be read: their descriptors are 0. */
  readonly missingPages: number;
  /** Those of them that a file cut short no longer has. */
  readonly cutPages: number;
  /** Undefined: nobody asked for it. */
  readonly dedup: DedupResult | undefined;
}

/** Pages between two looks at the world: at the slowest codec a few hundredths of a second. */
const LOOK_PAGES = 64;

/** Does windows until there are none left. Yields every so many pages. */
export function* compressWindows(
  thread: Thread,
  codec: PageCodec | undefined,
  parts: readonly Part[],
  seat?: number,
): Generator<void, CompressResult> {
  const { job } = thread;
  const { plan, shared, target } = job;
  if (target === undefined) throw new SmeltError('INTERNAL', 'pages were to be written without a target');
  const kept = keptBitsIn(target.bitmaps, plan);
  const undecided = new UndecidedPages(thread);
  // A thread that does not come to a part needs no buffers for it.
  const writers: (PartWriter | undefined)[] = parts.map(() => undefined);
  const results = () => sumCompressed(writers.flatMap((writer) => writer?.packer.result() ?? []));
  for (const index of takeWindows(job, 'compress', seat)) {
    const { pfn, count } = windowSpan(plan, index);
    if (shared.keptPages[index] === 0) continue;
    const bits = kept.read(index);
    const open = undecided.of(index);
    for (const [number, part] of parts.entries()) {
      const first = Math.max(0, part.startPfn - pfn);
      const end = Math.min(count, part.endPfn - pfn);
      if (first >= end) continue;
      writers[number] ??= new PartWriter(thread, codec, part, number);
      const writer = writers[number];
      const { packer } = writer;
      writer.begin(shared.firstDescriptor[index]! + popcountIn(bits, 0, first));
      packer.undecided = open;
      packer.windowPfn = pfn;
      let sinceLook = 0;
      for (const [from, to] of runsOf(bits, first, end)) {
        for (let at = from; at < to; ) {
          const n = packer.pack(pfn + at, to - at);
          at += n;
          if (writer.isFull) yield* writer.flush();
          sinceLook += n;
          if (sinceLook < LOOK_PAGES) continue;
          sinceLook = 0;
          yield;
          if (isStopped(shared)) {
            yield* writer.flush();
            return results();
          }
        }
      }
      yield* writer.flush();
    }
    yield;
  }
  return results();
}

/** A thread's way into one part of the output. */
class PartWriter {
  readonly packer: PagePacker;
  private readonly shared: Shared;
  private readonly part: Part;
  private readonly placer: PagePlacer;
  private readonly dedup: Dedup | undefined;

  constructor({ job, pages: reader }: Thread, codec: PageCodec | undefined, part: Part, number: number) {
    const { layout, outlets } = job.target!;
    if (layout === undefined)
      throw new SmeltError('INTERNAL', 'pages were to be compressed without a layout');
    const outlet = outlets[number]!;
    const { pageSize } = reader;
    this.shared = job.shared;
    this.part = part;
    /** Of a page that the codec made smaller. */
    const flag = codec === undefined ? 0 : CompressionFlag[codec.name];
    const table = job.shared.placedPages?.[number];
    const dedup = table && new Dedup(reader, table, MAX_PAGES, flag);
    this.dedup = dedup;
    this.placer = new PagePlacer(
      {
        outlet,
        pageSize,
        descOffset: layout.descOffset,
        zeroPageOffset: dataOffset(layout, part.keptPages),
        nextByte: job.shared.nextByte,
        index: number,
      },
      Math.max(pageSize, codec?.outSize(pageSize) ?? 0),
      dedup && ((index, byteOffset, size) => dedup.placed(index, byteOffset, size)),
      // The crash kernel has no memory to spare; anywhere else the dump may well be read next.
      isLive(job.file) && outlet.stream === undefined ? WriteBehind.open(outlet.path, outlet.fd) : undefined,
    );
    this.packer = new PagePacker(reader, codec, flag, this.placer, dedup);
  }

  /** The pages that follow are kept ones from number `kept` of the whole output on. */
  begin(kept: number): void {
    this.placer.begin(kept - this.part.firstDescriptor);
  }

  get isFull(): boolean {
    return this.placer.isFull;
  }

  *flush(): Generator<void, void> {
    addDone(this.shared, 'compress', this.placer.count);
    yield* this.placer.flush();
    this.dedup?.flushed();
  }
}

/** Compresses runs of pages from a reader into a placer. */
class PagePacker {
  /** Page frames of the window that are undecided; bit 0 is `windowPfn`. */
  undecided: Uint8Array | undefined;
  windowPfn = 0;
  private readonly reader: MemoryReader;
  private readonly codec: PageCodec | undefined;
  private readonly placer: PagePlacer;
  private readonly dedup: Dedup | undefined;
  private readonly isZero: ZeroTest;
  /** Of a page that the codec made smaller. */
  private readonly flag: number;
  private storedPages = 0;
  private zeroPages = 0;
  private undecidedZeroPages = 0;
  private missingPages = 0;
  private cutPages = 0;

  constructor(
    reader: MemoryReader,
    codec: PageCodec | undefined,
    flag: number,
    placer: PagePlacer,
    dedup: Dedup | undefined,
  ) {
    this.reader = reader;
    this.codec = codec;
    this.placer = placer;
    this.dedup = dedup;
    this.isZero = openZeroTest(reader.pageSize);
    this.flag = flag;
  }

  result(): CompressResult {
    const { storedPages, zeroPages, undecidedZeroPages, missingPages } = this;
    return {
      dataBytes: this.placer.dataBytes,
      storedPages,
      zeroPages,
      undecidedZeroPages,
      missingPages,
      cutPages: this.cutPages,
      dedup: this.dedup?.result(),
    };
  }

  /** Up to `count` pages from `pfn`, as many as one load gives and the placer takes; returns how many, at least one. */
  pack(pfn: number, count: number): number {
    const { reader, placer } = this;
    const { pageSize } = reader;
    const cutBefore = reader.cutPages;
    const loaded = reader.load(pfn, count);
    if (loaded === 0) {
      if (reader.cutPages > cutBefore) this.cutPages++;
      placer.addMissingPage();
      this.missingPages++;
      return 1;
    }
    const { bytes, start } = reader;
    let i = 0;
    while (i < loaded && !placer.isFull) {
      this.packPage(pfn + i, bytes, start + i * pageSize, pageSize);
      i++;
    }
    return i;
  }

  private packPage(pfn: number, bytes: Buffer, at: number, pageSize: number): void {
    const { placer, codec, dedup } = this;
    // The comparison stops at the first difference; looking at one byte first saves the call.
    if (bytes[at] === 0 && this.isZero(bytes, at)) {
      placer.addZeroPage();
      this.zeroPages++;
      if (this.undecided !== undefined && testBit(this.undecided, pfn - this.windowPfn))
        this.undecidedZeroPages++;
      return;
    }
    if (dedup !== undefined) {
      if (dedup.place(bytes, at, placer)) return;
      dedup.waits(placer.count, pfn);
    }
    this.storedPages++;
    const { data, used } = placer;
    const size = codec === undefined ? 0 : codec.compress(bytes, data, at, pageSize, used);
    if (size > 0) {
      placer.add(size, this.flag);
    } else {
      bytes.copy(data, used, at, at + pageSize);
      placer.add(pageSize, 0);
    }
  }
}
