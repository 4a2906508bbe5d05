/** The last phase of a kdump-compressed output: each window's kept pages are packed, or taken as they are, and placed in it. */

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
import type { SeenPages } from './seen-pages.ts';
import { SharedPlaces, StoredPacker } from './stored-packer.ts';
import { keptBitsIn, sumCompressed } from './sums.ts';
import type { Thread } from './thread.ts';
import type { LastTask } from './worker.ts';

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
  /** Of pages that were taken as they are stored: how many there are of each PageState. */
  readonly states: readonly number[] | undefined;
  /** Undefined: nobody asked for it. */
  readonly dedup: DedupResult | undefined;
}

/** How pages are taken that the input has one by one. */
export interface Gathering {
  /** Whether each is unpacked, to see that it is whole. */
  readonly check: boolean;
}

/** Puts runs of pages into a placer. */
export interface Packer {
  /** Up to `count` pages from `pfn`, as many as are done at once and the placer takes; returns how many, at least one. */
  pack(pfn: number, count: number): number;
  result(): CompressResult;
  /** Page frames of the window that are undecided; bit 0 is `windowPfn`. */
  undecided: Uint8Array | undefined;
  windowPfn: number;
}

/** Pages between two looks at the world: at the slowest codec a few hundredths of a second. */
const LOOK_PAGES = 64;

/** Does windows until there are none left. Yields every so many pages. */
export function* compressWindows(
  thread: Thread,
  codec: PageCodec | undefined,
  task: Extract<LastTask, { phase: 'compress' | 'gather' }>,
  seat?: number,
): Generator<void, CompressResult> {
  const { parts, phase } = task;
  const { job } = thread;
  const { plan, shared, target } = job;
  if (target === undefined) throw new SmeltError('INTERNAL', 'pages were to be written without a target');
  const kept = keptBitsIn(target.bitmaps, plan);
  const undecided = new UndecidedPages(thread);
  // A thread that does not come to a part needs no buffers for it.
  const writers: (PartWriter | undefined)[] = parts.map(() => undefined);
  const results = () => sumCompressed(writers.flatMap((writer) => writer?.packer.result() ?? []));
  for (const index of takeWindows(job, phase, seat)) {
    const { pfn, count } = windowSpan(plan, index);
    if (shared.keptPages[index] === 0) continue;
    const bits = kept.read(index);
    const open = undecided.of(index);
    for (const [number, part] of parts.entries()) {
      const first = Math.max(0, part.startPfn - pfn);
      const end = Math.min(count, part.endPfn - pfn);
      if (first >= end) continue;
      writers[number] ??= new PartWriter(thread, codec, task, number);
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
  readonly packer: Packer;
  private readonly shared: Shared;
  private readonly part: Part;
  private readonly phase: 'compress' | 'gather';
  private readonly placer: PagePlacer;
  private readonly seen: SeenPages | undefined;

  constructor(
    { job, pages: reader }: Thread,
    codec: PageCodec | undefined,
    task: Extract<LastTask, { phase: 'compress' | 'gather' }>,
    number: number,
  ) {
    const { layout, outlets, dataless } = job.target!;
    if (layout === undefined)
      throw new SmeltError('INTERNAL', 'pages were to be compressed without a layout');
    const outlet = outlets[number]!;
    const { pageSize } = reader;
    const part = task.parts[number]!;
    this.shared = job.shared;
    this.part = part;
    this.phase = task.phase;
    /** Of a page that the codec made smaller. */
    const flag = codec === undefined ? 0 : CompressionFlag[codec.name];
    const table = job.shared.placedPages?.[number];
    const stored = task.phase === 'gather' ? reader.stored : undefined;
    const dedup =
      stored === undefined && table !== undefined ? new Dedup(reader, table, MAX_PAGES, flag) : undefined;
    const shares =
      stored !== undefined && table !== undefined
        ? new SharedPlaces(stored, pageSize, codec && flag, table, MAX_PAGES)
        : undefined;
    const seen = dedup ?? shares;
    this.seen = seen;
    this.placer = new PagePlacer(
      {
        outlet,
        pageSize,
        descOffset: layout.descOffset,
        zeroPageOffset: dataOffset(layout, part.allPages),
        nextByte: job.shared.nextByte,
        index: number,
        dataless: dataless === true,
      },
      Math.max(pageSize, codec?.outSize(pageSize) ?? 0),
      seen && ((index, byteOffset, size) => seen.placed(index, byteOffset, size)),
      // The crash kernel has no memory to spare; anywhere else the dump may well be read next.
      isLive(job.file) && outlet.stream === undefined ? WriteBehind.open(outlet.path, outlet.fd) : undefined,
    );
    this.packer =
      stored === undefined || task.phase !== 'gather'
        ? new PagePacker(reader, codec, flag, this.placer, dedup)
        : new StoredPacker(stored, pageSize, codec, task.check, this.placer, shares);
  }

  /** The pages that follow are kept ones from number `kept` of the whole output on. */
  begin(kept: number): void {
    this.placer.begin(kept - this.part.firstDescriptor);
  }

  get isFull(): boolean {
    return this.placer.isFull;
  }

  *flush(): Generator<void, void> {
    addDone(this.shared, this.phase, this.placer.count);
    yield* this.placer.flush();
    this.seen?.flushed();
  }
}

/** Compresses them, from a reader that has memory as it lay or can make it so. */
class PagePacker implements Packer {
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
      states: undefined,
      dedup: this.dedup?.result(),
    };
  }

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
