/**
 * A picture of memory in physical order, in two layers: tiles of one size for all of it, and each window frame by frame, run-length
 * coded and packed. Where the second layer would get too large, some windows have it coarser.
 */

import { deflateRawSync } from 'node:zlib';
import { FrameFlag, KIND_BITS, KindIndex } from '../filter/frame-kind.ts';

/** What all threads are told; the arrays are shared. */
export interface TileRequest {
  /** Page frames of a tile of the first layer, as a power of two. */
  readonly tileShift: number;
  /** Of each tile two bytes: what most of it is, with flags, and how much of it in 255ths. */
  readonly tiles: Uint8Array;
  readonly tilesPerWindow: number;
  /** Of each window: its runs are of 2^n page frames; SKIP: it is done already. */
  readonly shifts: Uint8Array;
  /** And how many bytes its runs take when packed, for each of SHIFTS; of the first alone where that is little. */
  readonly sizes: Uint32Array;
  /** Bytes of packed runs that were handed over by now, and how many may be. */
  readonly used: BigInt64Array;
  readonly mostBytes: number;
}

export const SKIP = 0xff;
/** How coarse a window's runs may be: of 1, 2, 4 … page frames. */
export const SHIFTS = 10;
/** What no window is asked to take less than. */
const LITTLE_BYTES = 1024;

export interface TileWindow {
  readonly index: number;
  /** Runs one behind the other: a byte that says what, and a length (7 bits a byte, the lowest first, the top bit: more follow). */
  readonly packed: Uint8Array;
}

/** Higher levels take twice the time and hardly less room. */
const PACKING = 6;
/** A number below 2^21 in bytes of 7 bits. */
const MOST_RUN_BYTES = 4;

export class WindowTiles {
  private readonly request: TileRequest;
  private runs = new Uint8Array(0);
  private readonly kinds = new Int32Array(KIND_BITS + 1);

  constructor(request: TileRequest) {
    this.request = request;
  }

  isDone(index: number): boolean {
    return this.request.shifts[index] === SKIP;
  }

  /** Undefined where there is no room for the runs any more. */
  draw(index: number, codes: Uint8Array): TileWindow | undefined {
    const { tileShift, tiles, tilesPerWindow, shifts, used, mostBytes } = this.request;
    const each = 2 ** tileShift;
    for (let i = 0, at = index * tilesPerWindow * 2; i < codes.length; i += each, at += 2) {
      const to = Math.min(codes.length, i + each);
      const [code, pages] = this.mostly(codes, i, to);
      tiles[at] = code;
      tiles[at + 1] = Math.round((pages / (to - i)) * 255);
    }
    if (mostBytes === 0) return undefined;
    const shift = shifts[index]!;
    const packed = this.pack(codes, shift);
    if (shift === 0) this.measure(index, codes, packed.length);
    if (Number(Atomics.add(used, 0, BigInt(packed.length))) + packed.length > mostBytes) return undefined;
    return { index, packed };
  }

  /** What the window would take at each shift, where it takes more than its share. */
  private measure(index: number, codes: Uint8Array, size: number): void {
    const { sizes, shifts, mostBytes } = this.request;
    const least = Math.max(LITTLE_BYTES, Math.floor(mostBytes / shifts.length));
    let last = size;
    for (let shift = 0; shift < SHIFTS; shift++) {
      if (shift > 0 && last > least) last = this.pack(codes, shift).length;
      sizes[index * SHIFTS + shift] = last;
    }
  }

  private pack(codes: Uint8Array, shift: number): Uint8Array {
    return deflateRawSync(this.runLengths(codes, 2 ** shift), { level: PACKING });
  }

  private runLengths(codes: Uint8Array, each: number): Uint8Array {
    const most = Math.ceil(codes.length / each) * (1 + MOST_RUN_BYTES);
    if (this.runs.length < most) this.runs = new Uint8Array(most);
    const { runs } = this;
    let length = 0;
    let last = -1;
    let run = 0;
    const end = () => {
      if (run === 0) return;
      runs[length++] = last;
      for (; run >= 0x80; run = run >>> 7) runs[length++] = (run & 0x7f) | 0x80;
      runs[length++] = run;
    };
    for (let i = 0; i < codes.length; i += each) {
      const code = each === 1 ? codes[i]! : this.mostly(codes, i, Math.min(codes.length, i + each))[0];
      if (code !== last) {
        end();
        last = code;
        run = 0;
      }
      run++;
    }
    end();
    return runs.subarray(0, length);
  }

  /**
   * What most of them are, and how many; flags as most of those have them, but that something is shared is told of a single one.
   */
  private mostly(codes: Uint8Array, from: number, to: number): [code: number, pages: number] {
    const { kinds } = this;
    kinds.fill(0);
    let absent = 0;
    let encrypted = 0;
    let shared = 0;
    for (let i = from; i < to; i++) {
      const code = codes[i]!;
      kinds[code & KIND_BITS]!++;
      absent += (code / FrameFlag.absent) & 1;
      encrypted += (code / FrameFlag.encrypted) & 1;
      shared += (code / FrameFlag.shared) & 1;
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
    return [best | flags, kinds[best]!];
  }
}

/**
 * The shift of each window with which all of them fit: each as fine as it can be without taking more than what all may take at
 * most. `sizes`: SHIFTS for each window.
 */
export function coarsen(sizes: Uint32Array, mostBytes: number): Uint8Array {
  const windows = sizes.length / SHIFTS;
  const shiftsFor = (most: number) =>
    Uint8Array.from({ length: windows }, (_, index) => {
      const own = sizes.subarray(index * SHIFTS, (index + 1) * SHIFTS);
      const first = own.findIndex((size) => size <= most);
      return first < 0 ? SHIFTS - 1 : first;
    });
  const takes = (shifts: Uint8Array) =>
    shifts.reduce((sum, shift, index) => sum + sizes[index * SHIFTS + shift]!, 0);
  // The most that a window may take, halved between what fits and what does not.
  let fits = 0;
  let tooMuch = mostBytes + 1;
  while (tooMuch - fits > 1) {
    const middle = Math.floor((fits + tooMuch) / 2);
    if (takes(shiftsFor(middle)) <= mostBytes) fits = middle;
    else tooMuch = middle;
  }
  return shiftsFor(fits);
}
