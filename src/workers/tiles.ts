/**
 * A picture of memory in physical order, in two layers: tiles of one size for all of it, and each window frame by frame, run-length
 * coded and packed. Each window has a slot for its runs, and has them coarser where they do not fit; `fitRuns` makes all of them fit.
 */

import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { FrameFlag, KIND_BITS, KindIndex } from '../filter/frame-kind.ts';

/** What all threads are told; the arrays are shared. */
export interface TileRequest {
  /** Page frames of a tile of the first layer, as a power of two. */
  readonly tileShift: number;
  /** Of each tile two bytes: what most of it is, with flags, and how much of it in 255ths. */
  readonly tiles: Uint8Array;
  readonly tilesPerWindow: number;
  readonly runs: PackedRuns | undefined;
}

/** Of each window its runs, packed: each a byte that says what, and a length (7 bits a byte, the lowest first, the top bit: more follow). */
export interface PackedRuns {
  /** Runs are of 2^n page frames. */
  readonly shifts: Uint8Array;
  readonly lengths: Uint32Array;
  /** One slot behind the other. */
  readonly slots: Uint8Array;
  readonly slotBytes: number;
}

/** Of room that is there for all, a window may take so many times its share at first: others may take less. */
const SHARES = 2;
/** A run of all that a window is takes less. */
const LEAST_SLOT_BYTES = 32;

export function packedRuns(windows: number, mostBytes: number): PackedRuns {
  const slotBytes = Math.max(LEAST_SLOT_BYTES, Math.floor((SHARES * mostBytes) / windows));
  const shared = (bytes: number) => new SharedArrayBuffer(bytes);
  return {
    shifts: new Uint8Array(shared(windows)),
    lengths: new Uint32Array(shared(windows * Uint32Array.BYTES_PER_ELEMENT)),
    // What nobody writes to takes no memory.
    slots: new Uint8Array(shared(windows * slotBytes)),
    slotBytes,
  };
}

export function runsOfWindow({ slots, slotBytes, lengths }: PackedRuns, index: number): Uint8Array {
  return slots.subarray(index * slotBytes, index * slotBytes + lengths[index]!);
}

export class WindowTiles {
  private readonly request: TileRequest;
  private readonly packer = new RunPacker();

  constructor(request: TileRequest) {
    this.request = request;
  }

  draw(index: number, codes: Uint8Array): void {
    const { tileShift, tiles, tilesPerWindow, runs } = this.request;
    const { packer } = this;
    const each = 2 ** tileShift;
    for (let i = 0, at = index * tilesPerWindow * 2; i < codes.length; i += each, at += 2) {
      const to = Math.min(codes.length, i + each);
      tiles[at] = packer.mostly(codes, i, to);
      tiles[at + 1] = Math.round((packer.alike / (to - i)) * 255);
    }
    if (runs !== undefined) packer.store(runs, index, codes, 0, runs.slotBytes);
  }
}

/** Where there is no room for all runs, windows that take the most get coarser until there is. Yields after each. */
export function* fitRuns(runs: PackedRuns, windowPages: number, mostBytes: number): Generator<void, void> {
  const { shifts, lengths } = runs;
  const most = largestThatFits(lengths, mostBytes);
  const packer = new RunPacker();
  const cells = new Uint8Array(windowPages);
  for (const [index, length] of lengths.entries()) {
    if (length <= most) continue;
    const shift = shifts[index]!;
    const filled = readRuns(inflateRawSync(runsOfWindow(runs, index)), cells);
    packer.store(runs, index, cells.subarray(0, filled), shift, most);
    yield;
  }
}

/** What a window may take at most, so that all together take no more than `mostBytes`. */
function largestThatFits(lengths: Uint32Array, mostBytes: number): number {
  const takes = (most: number) => lengths.reduce((sum, length) => sum + Math.min(length, most), 0);
  let fits = 0;
  let tooMuch = mostBytes + 1;
  while (tooMuch - fits > 1) {
    const middle = Math.floor((fits + tooMuch) / 2);
    if (takes(middle) <= mostBytes) fits = middle;
    else tooMuch = middle;
  }
  return fits;
}

/** Into `cells`; returns how many they are. */
function readRuns(runs: Uint8Array, cells: Uint8Array): number {
  let filled = 0;
  for (let i = 0; i < runs.length; ) {
    const code = runs[i++]!;
    let length = 0;
    for (let shift = 0; ; shift += 7) {
      length |= (runs[i]! & 0x7f) << shift;
      if (runs[i++]! < 0x80) break;
    }
    cells.fill(code, filled, filled + length);
    filled += length;
  }
  return filled;
}

/** Higher levels take twice the time and hardly less room. */
const PACKING = 6;
/** Of one page frame by itself; long runs have longer lengths, and fewer of them. */
const MOST_RUN_BYTES = 2;

class RunPacker {
  /** Of those that `mostly` was asked of last, how many are what most of them are. */
  alike = 0;
  private runs = new Uint8Array(0);
  private cells = new Uint8Array(0);
  private readonly kinds = new Int32Array(KIND_BITS + 1);

  /** `codes`: each of 2^shift page frames. As fine as it is with at most so many bytes. */
  store(to: PackedRuns, index: number, codes: Uint8Array, shift: number, mostBytes: number): void {
    let coarser = 0;
    let packed = this.pack(codes);
    while (packed.length > mostBytes && codes.length > 2 ** coarser) {
      // A cell of twice the size: half of the runs at best, unless one kind swallows the others.
      coarser += Math.max(1, Math.floor(Math.log2(packed.length / Math.max(1, mostBytes))));
      packed = this.pack(this.coarser(codes, 2 ** coarser));
    }
    to.shifts[index] = shift + coarser;
    to.lengths[index] = Math.min(packed.length, to.slotBytes);
    to.slots.set(packed.subarray(0, to.slotBytes), index * to.slotBytes);
  }

  /**
   * What most of them are; flags as most of those have them, but that something is shared is told of a single one. `alike` says how
   * many.
   */
  mostly(codes: Uint8Array, from: number, to: number): number {
    const first = codes[from]!;
    let same = from + 1;
    while (same < to && codes[same] === first) same++;
    if (same === to) {
      this.alike = to - from;
      return first;
    }
    const { kinds } = this;
    kinds.fill(0);
    let absent = 0;
    let encrypted = 0;
    let shared = 0;
    for (let i = from; i < to; i++) {
      const code = codes[i]!;
      kinds[code & KIND_BITS]!++;
      if (code <= KIND_BITS) continue;
      if ((code & FrameFlag.absent) !== 0) absent++;
      if ((code & FrameFlag.encrypted) !== 0) encrypted++;
      if ((code & FrameFlag.shared) !== 0) shared++;
    }
    // Memory is seen before there is none.
    let best: number = KindIndex.none;
    for (let kind = 1; kind <= KIND_BITS; kind++)
      if (kinds[kind]! > 0 && (best === KindIndex.none || kinds[kind]! > kinds[best]!)) best = kind;
    const memory = to - from - kinds[KindIndex.none]!;
    const flags =
      (absent * 2 > memory ? FrameFlag.absent : 0) |
      (encrypted * 2 > memory ? FrameFlag.encrypted : 0) |
      (shared > 0 ? FrameFlag.shared : 0);
    this.alike = kinds[best]!;
    return best | flags;
  }

  private coarser(codes: Uint8Array, each: number): Uint8Array {
    const count = Math.ceil(codes.length / each);
    if (this.cells.length < count) this.cells = new Uint8Array(count);
    const { cells } = this;
    for (let cell = 0, i = 0; cell < count; cell++, i += each)
      cells[cell] = this.mostly(codes, i, Math.min(codes.length, i + each));
    return cells.subarray(0, count);
  }

  private pack(codes: Uint8Array): Uint8Array {
    return deflateRawSync(this.runLengths(codes), { level: PACKING });
  }

  private runLengths(codes: Uint8Array): Uint8Array {
    const most = codes.length * MOST_RUN_BYTES;
    if (this.runs.length < most) this.runs = new Uint8Array(most);
    const { runs } = this;
    let length = 0;
    for (let i = 0; i < codes.length; ) {
      const code = codes[i]!;
      const start = i;
      do i++;
      while (i < codes.length && codes[i] === code);
      runs[length++] = code;
      let run = i - start;
      for (; run >= 0x80; run = run >>> 7) runs[length++] = (run & 0x7f) | 0x80;
      runs[length++] = run;
    }
    return runs.subarray(0, length);
  }
}
