/**
 * A picture of memory in physical order, in two layers: tiles of one size for all of it, and each window frame by frame, run-length
 * coded and packed. Where the second layer would get too large, some windows have it coarser.
 */

import { constants, deflateRawSync } from 'node:zlib';
import { FRAME_CODES, FrameFlag, KIND_BITS, KindIndex } from '../filter/frame-kind.ts';

/** What all threads are told; the arrays are shared. */
export interface TileRequest {
  /** Page frames of a tile of the first layer, as a power of two. */
  readonly tileShift: number;
  /** Of each tile two bytes: what most of it is, with flags, and how much of it in 255ths. */
  readonly tiles: Uint8Array;
  readonly tilesPerWindow: number;
  /** Of each window: its runs are of 2^n page frames; SKIP: it is done already. */
  readonly shifts: Uint8Array;
  /** And how many bytes its runs take when packed frame by frame. */
  readonly sizes: Uint32Array;
  /** Bytes of packed runs that were handed over by now, and how many may be. */
  readonly used: BigInt64Array;
  readonly mostBytes: number;
}

export const SKIP = 0xff;

export interface TileWindow {
  readonly index: number;
  /** Runs one behind the other: a byte that says what, and a length (7 bits a byte, the lowest first, the top bit: more follow). */
  readonly packed: Uint8Array;
}

/** A number below 2^21 in bytes of 7 bits. */
const MOST_RUN_BYTES = 4;

export class WindowTiles {
  private readonly request: TileRequest;
  private runs = new Uint8Array(0);
  private readonly counts = new Int32Array(FRAME_CODES);

  constructor(request: TileRequest) {
    this.request = request;
  }

  isDone(index: number): boolean {
    return this.request.shifts[index] === SKIP;
  }

  /** Undefined where there is no room for the runs any more. */
  draw(index: number, codes: Uint8Array): TileWindow | undefined {
    const { tileShift, tiles, tilesPerWindow, shifts, sizes, used, mostBytes } = this.request;
    const each = 2 ** tileShift;
    for (let i = 0, at = index * tilesPerWindow * 2; i < codes.length; i += each, at += 2) {
      const to = Math.min(codes.length, i + each);
      const [code, pages] = this.mostly(codes, i, to);
      tiles[at] = code;
      tiles[at + 1] = Math.round((pages / (to - i)) * 255);
    }
    if (mostBytes === 0) return undefined;
    const shift = shifts[index]!;
    const packed = deflateRawSync(this.runLengths(codes, 2 ** shift), {
      level: constants.Z_BEST_COMPRESSION,
    });
    if (shift === 0) sizes[index] = packed.length;
    if (Number(Atomics.add(used, 0, BigInt(packed.length))) + packed.length > mostBytes) return undefined;
    return { index, packed };
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
    const { counts } = this;
    counts.fill(0);
    for (let i = from; i < to; i++) counts[codes[i]!]!++;
    const kinds = new Int32Array(KIND_BITS + 1);
    let absent = 0;
    let encrypted = 0;
    let shared = 0;
    for (let code = 0; code < FRAME_CODES; code++) {
      const pages = counts[code]!;
      if (pages === 0) continue;
      kinds[code & KIND_BITS]! += pages;
      if ((code & FrameFlag.absent) !== 0) absent += pages;
      if ((code & FrameFlag.encrypted) !== 0) encrypted += pages;
      if ((code & FrameFlag.shared) !== 0) shared += pages;
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
 * How coarse each window's runs have to be so that all of them fit: none takes more than an equal share of what those that take
 * less leave.
 */
export function coarsen(sizes: Uint32Array, mostBytes: number, windowPages: number): Uint8Array {
  const ascending = Uint32Array.from(sizes).sort();
  let left = mostBytes;
  let share = 0;
  for (const [i, size] of ascending.entries()) {
    share = Math.floor(left / (ascending.length - i));
    if (size > share) break;
    left -= size;
  }
  // Two bytes for each tile are more than any order of them takes.
  const shift = Math.min(
    Math.log2(windowPages),
    Math.max(1, Math.ceil(Math.log2((windowPages * 2) / Math.max(1, share)))),
  );
  return Uint8Array.from(sizes, (size) => (size > share ? shift : 0));
}
