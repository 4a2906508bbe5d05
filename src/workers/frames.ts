/** What each page frame of a window is, when all windows are classified: a byte each. */

import type { Carry } from '../filter/classify.ts';
import { FrameDetails, type FrameDetailsData, type OwnerOffsets } from '../filter/frame-details.ts';
import { FrameFlag, KERNEL_KINDS, KIND_BITS, KIND_OF_CLASS, KindIndex } from '../filter/frame-kind.ts';
import { windowSpan } from '../filter/plan.ts';
import { storedBits } from '../read/stored-pages.ts';
import { FrameSet, type FrameSetData } from '../sme/census/frame-set.ts';
import { WindowSorter } from './classify-phase.ts';
import type { Job } from './job.ts';
import { type KeptBits, keptBitsIn, LateDrops } from './sums.ts';
import type { Thread } from './thread.ts';

/** What all threads are told. */
export interface FrameSources {
  /** What reaches from one window into the next ones. */
  readonly carries: readonly Carry[];
  /** Of the census, where there is one. */
  readonly encrypted: FrameSetData | undefined;
  readonly shared: FrameSetData | undefined;
  /** Undefined: nobody asks for them. */
  readonly owners: OwnerOffsets | undefined;
}

const { kernel: KERNEL, undecided: UNDECIDED, zero: ZERO, none: NONE } = KindIndex;
/** Whether a page frame of the kind stays, so that it may be one of zeros. */
const STAYS = Uint8Array.from(
  { length: KIND_BITS + 1 },
  (_, kind) => +(kind === KERNEL || kind === UNDECIDED),
);

const KERNELS = Uint8Array.from(
  { length: KIND_BITS + 1 },
  (_, kind) => +KERNEL_KINDS.some((name) => KindIndex[name] === kind),
);

export class WindowFrames {
  private readonly job: Job;
  private readonly sorter: WindowSorter;
  private readonly details: FrameDetails | undefined;
  private readonly kept: KeptBits;
  private readonly late: LateDrops;
  private readonly sets: readonly (readonly [FrameSet, flag: number])[];
  private readonly codes: Uint8Array;
  private readonly stored: Uint8Array;
  private windowPfn = 0;

  constructor(thread: Thread, { carries, encrypted, shared, owners }: FrameSources) {
    const { job } = thread;
    this.job = job;
    this.codes = new Uint8Array(job.plan.windowPages);
    this.stored = new Uint8Array(job.plan.windowPages / 8);
    this.sorter = new WindowSorter(thread, (pfn, end, pageClass) => {
      this.codes.fill(KIND_OF_CLASS[pageClass]!, pfn - this.windowPfn, end - this.windowPfn);
    });
    const readable = thread.memoryMap();
    this.details = readable && new FrameDetails(thread.reader, readable, owners);
    this.kept = keptBitsIn(job.target!.bitmaps, job.plan);
    this.late = new LateDrops(job.plan, carries, undefined);
    this.sets = [
      ...(encrypted === undefined ? [] : [[FrameSet.from(encrypted), FrameFlag.encrypted] as const]),
      ...(shared === undefined ? [] : [[FrameSet.from(shared), FrameFlag.shared] as const]),
    ];
  }

  /** Valid until the next call. */
  of(index: number): Uint8Array {
    const { job, sorter, codes, stored } = this;
    const { pfn, count } = windowSpan(job.plan, index);
    this.windowPfn = pfn;
    codes.fill(KERNEL);
    sorter.sort(index);
    for (const { from, to, pageClass } of this.late.of(index))
      for (let i = from; i < to; i++) if (STAYS[codes[i]!] === 1) codes[i] = KIND_OF_CLASS[pageClass]!;
    const { existing } = sorter;
    storedBits(job.file, pfn, count, existing, stored.fill(0));
    this.details?.look(pfn, count, existing, codes);
    const kept = this.kept.read(index);
    for (let i = 0; i < count; i++) {
      const byte = i >>> 3;
      const bit = 1 << (i & 7);
      if ((existing[byte]! & bit) === 0) codes[i] = NONE;
      else if ((stored[byte]! & bit) === 0) codes[i]! |= FrameFlag.absent;
      else if ((kept[byte]! & bit) === 0 && KERNELS[codes[i]!] === 1) codes[i] = ZERO;
    }
    for (const [set, flag] of this.sets)
      for (const [from, to] of set.runsIn(pfn, count))
        for (let i = from - pfn; i < to - pfn; i++) if (codes[i] !== NONE) codes[i]! |= flag;
    return codes.subarray(0, count);
  }

  get detailsData(): FrameDetailsData | undefined {
    return this.details?.data;
  }
}
