/** What all threads of a dump work on: plain data that is sent to them once, and the numbers that they share. */

import type { CodecName, MakerKind } from '../codec/codec.ts';
import type { Plan } from '../filter/plan.ts';
import type { ErasePlan } from '../kernel/erase/eraser.ts';
import type { MemoryMapInfo } from '../kernel/machine.ts';
import type { DumpFile } from '../read/dump-file.ts';
import type { KdumpLayout } from '../write/kdump.ts';
import type { Outlet } from '../write/outlet.ts';
import { createPlacedPages } from '../write/placed-pages.ts';
import type { Phase } from './report.ts';

export interface Job {
  readonly file: DumpFile;
  readonly mmap: boolean;
  readonly memoryMap: MemoryMapInfo | undefined;
  readonly dumpLevel: number;
  /** Page frames that the input does not have are classified too: their struct pages may be there. */
  readonly sortAbsent?: boolean;
  readonly plan: Plan;
  /** The order in which windows are compressed and written. */
  readonly order: Int32Array;
  /** What is erased of the pages that are written; undefined: nothing. */
  readonly erase?: ErasePlan | undefined;
  readonly codec: CodecName | undefined;
  readonly codecMaker: MakerKind | undefined;
  readonly compressionLevel: number | undefined;
  /** Undefined: nothing is written. */
  readonly target: JobTarget | undefined;
  readonly shared: Shared;
}

export interface JobTarget {
  readonly bitmaps: BitmapPlace;
  /** The output, or all that it is split into. */
  readonly outlets: readonly Outlet[];
  /** Of each of them, where they are kdump-compressed. */
  readonly layout: KdumpLayout | undefined;
  /** Pages get their places and are not written: somebody only wants to know. */
  readonly dataless?: boolean;
}

/** Where the windows' slices of both bitmaps are while the work goes on. */
export interface BitmapPlace {
  readonly path: string;
  readonly fd: number;
  readonly bitmap1Offset: number;
  readonly bitmap2Offset: number;
}

/** One behind the other in a working file. */
export function bitmapsIn({ path, fd }: Pick<BitmapPlace, 'path' | 'fd'>, maxMapnr: number): BitmapPlace {
  return { path, fd, bitmap1Offset: 0, bitmap2Offset: Math.ceil(maxMapnr / 8) };
}

/** What of the kept pages goes to one outlet: page frames from `startPfn` to `endPfn - 1`. */
export interface Part {
  readonly startPfn: number;
  readonly endPfn: number;
  /** Kept pages before it. */
  readonly firstDescriptor: number;
  readonly keptPages: number;
  /** Of all parts: the data begins where it would in the whole dump, or `makedumpfile --reassemble` stores each page of zeros anew. */
  readonly allPages: number;
}

/** Memory that all threads see. */
export interface Shared {
  /** Next window, or piece of the census, to do in each phase; taken with Atomics.add. */
  readonly nextTurn: Int32Array;
  /** Page frames done in each phase, in units of one: above 2^31 on large machines, so 64 bits. */
  readonly donePages: BigInt64Array;
  /** Not 0: everybody stops at the next opportunity. */
  readonly stop: Int32Array;
  /** Of each part of the output: its first byte that has no place in it yet. */
  readonly nextByte: BigInt64Array;
  /** Page frames kept in each window, how many of them undecided, and the descriptor of the first one. */
  readonly keptPages: Uint32Array;
  readonly undecidedPages: Uint32Array;
  readonly firstDescriptor: Float64Array;
  /** What each helper does in each phase, one of SEAT. Indexed by `seatOf`. */
  readonly seats: Int32Array;
  /** One for each part of the output; undefined: identical pages are stored as often as they come. */
  readonly placedPages: readonly Int32Array[] | undefined;
}

/** The phases that threads share. */
export type SharedPhase = Exclude<Phase, 'search'>;

const PHASE_INDEX: Readonly<Record<SharedPhase, number>> = {
  census: 0,
  classify: 1,
  zeros: 2,
  compress: 3,
  copy: 4,
  gather: 5,
  verify: 6,
  diff: 7,
  frames: 8,
};
const PHASES = Object.keys(PHASE_INDEX).length;

/** `dedupPages`: pages that may have to be remembered, 0 for none; `parts`: of the output. */
export function createShared(windows: number, helpers: number, dedupPages: number, parts = 1): Shared {
  const shared = (elementBytes: number, length: number) => new SharedArrayBuffer(elementBytes * length);
  return {
    nextTurn: new Int32Array(shared(4, PHASES)),
    donePages: new BigInt64Array(shared(8, PHASES)),
    stop: new Int32Array(shared(4, 1)),
    nextByte: new BigInt64Array(shared(8, parts)),
    keptPages: new Uint32Array(shared(4, windows)),
    undecidedPages: new Uint32Array(shared(4, windows)),
    firstDescriptor: new Float64Array(shared(8, windows)),
    seats: new Int32Array(shared(4, PHASES * helpers)),
    placedPages:
      dedupPages > 0
        ? Array.from({ length: parts }, () => createPlacedPages(Math.ceil(dedupPages / parts)))
        : undefined,
  };
}

/** Gives each window its first descriptor: the pages kept in all windows before it. Returns the sum. */
export function placeWindows(plan: Plan, shared: Shared): number {
  let sum = 0;
  for (let i = 0; i < plan.starts.length; i++) {
    shared.firstDescriptor[i] = sum;
    sum += shared.keptPages[i]!;
  }
  return sum;
}

/** As if nobody had begun with the phase. */
export function resetPhase(shared: Shared, phase: SharedPhase): void {
  const index = PHASE_INDEX[phase];
  Atomics.store(shared.stop, 0, 0);
  shared.nextTurn[index] = 0;
  shared.donePages[index] = 0n;
  for (let seat = index; seat < shared.seats.length; seat += PHASES) shared.seats[seat] = SEAT.empty;
}

/** The windows of a phase that nobody has taken, until there are none or work is to stop; a helper gives its seat. */
export function* takeWindows(
  { shared, plan, order }: Job,
  phase: Exclude<SharedPhase, 'census'>,
  seat: number | undefined,
): Generator<number> {
  for (const turn of takeTurns(shared, phase, plan.starts.length, seat)) {
    yield phase === 'compress' || phase === 'gather' ? order[turn]! : turn;
  }
}

/** Numbers below `total` that nobody has taken. */
export function* takeTurns(
  shared: Shared,
  phase: SharedPhase,
  total: number,
  seat: number | undefined,
): Generator<number> {
  // Before the first one is taken: who fails from here on leaves something undone.
  if (seat !== undefined) Atomics.store(shared.seats, seat, SEAT.working);
  while (!isStopped(shared)) {
    const turn = Atomics.add(shared.nextTurn, PHASE_INDEX[phase], 1);
    if (turn >= total) return;
    yield turn;
  }
}

/**
 * A helper's part in a phase. It takes its empty seat when it is up, before it loads anything; who finds nothing left to do
 * closes the empty seats, waits for those that are taken, and for nobody else.
 */
export const SEAT = { empty: 0, taken: 1, working: 2, closed: 3 } as const;

/** Where `seats` has a helper's part in a phase. */
export function seatOf(helper: number, phase: SharedPhase): number {
  return helper * PHASES + PHASE_INDEX[phase];
}

export function addDone(shared: Shared, phase: SharedPhase, pages: number): void {
  Atomics.add(shared.donePages, PHASE_INDEX[phase], BigInt(pages));
}

export function doneOf(shared: Shared, phase: SharedPhase): number {
  return Number(Atomics.load(shared.donePages, PHASE_INDEX[phase]));
}

export function isStopped(shared: Shared): boolean {
  return Atomics.load(shared.stop, 0) !== 0;
}
