/** Which pages a dump level keeps, told from the kinds of the pages that were placed: no bytes are looked at. */
import type { Claim, DroppedClass, Look } from './page-kinds.ts';
import type { PfnRange, Run } from './runs.ts';
import { runEnd } from './runs.ts';

export interface Expected {
  /** Frames that the bitmaps cover: one past the highest with a byte in a segment. */
  readonly maxPfn: number;
  /** First bitmap: frames with a byte in a PT_LOAD. Bit n of byte k is frame 8k + n. */
  readonly ram: Uint8Array;
  /** Second bitmap of a dump level. Zero pages stay set. */
  kept(level: number, view?: View): Uint8Array;
  counts(level: number, view?: View): ClassCounts;
}

/** `peer`: as makedumpfile does it, where that is known to differ from what is right. */
export type View = 'right' | 'peer';

/** Pages by class, as makedumpfile's report has them. `kept` is the number of bits in the second bitmap. */
export interface ClassCounts extends Record<DroppedClass, number> {
  /** Kept pages full of zeros, when the level has bit 1. */
  zero: number;
  kept: number;
}

export interface ExpectedInput {
  /** Sorted and apart. */
  readonly ram: readonly PfnRange[];
  /** In a PT_LOAD's p_memsz but past its p_filesz: nobody can keep those. */
  readonly absent: readonly PfnRange[];
  /** Sorted and apart; a run may reach over holes of RAM. */
  readonly runs: readonly Run[];
  /** Frames that hold something else than zeros. */
  readonly nonZero: readonly PfnRange[];
}

const claimAt = (claims: readonly Claim[], level: number): Claim | undefined =>
  claims.find((c) => c.levels === 0 || (c.levels & level) !== 0);

export function expectationsOf(input: ExpectedInput): Expected {
  const maxPfn = input.ram.reduce((end, r) => Math.max(end, r.end), 0);
  const ram = new Uint8Array(Math.ceil(maxPfn / 8));
  for (const r of input.ram) setBits(ram, r.start, r.end, true);
  const present = ram.slice();
  for (const r of input.absent) setBits(present, r.start, r.end, false);

  const claimsOf = (look: Look, view: View): readonly Claim[] =>
    view === 'peer' ? look.peerClaims : look.claims;
  const kept = (level: number, view: View = 'right'): Uint8Array => {
    const bitmap = present.slice();
    for (const run of input.runs) {
      if (claimAt(claimsOf(run.look, view), level)) {
        setBits(bitmap, run.pfn, Math.min(runEnd(run), maxPfn), false);
      }
    }
    return bitmap;
  };
  const counts = (level: number, view: View = 'right'): ClassCounts => {
    const result = { zero: 0, cache: 0, cachePrivate: 0, user: 0, free: 0, hwpoison: 0, offline: 0, kept: 0 };
    for (const run of input.runs) {
      const claim = claimAt(claimsOf(run.look, view), level);
      if (claim) result[claim.class] += countBits(present, run.pfn, Math.min(runEnd(run), maxPfn));
    }
    const bitmap = kept(level, view);
    result.kept = countBits(bitmap, 0, maxPfn);
    if (level & 1) {
      const nonZero = input.nonZero.reduce((sum, r) => sum + countBits(bitmap, r.start, r.end), 0);
      result.zero = result.kept - nonZero;
    }
    return result;
  };
  return { maxPfn, ram, kept, counts };
}

function setBits(bitmap: Uint8Array, start: number, end: number, value: boolean): void {
  const one = (pfn: number): void => {
    if (value) bitmap[pfn >>> 3] |= 1 << (pfn & 7);
    else bitmap[pfn >>> 3] &= ~(1 << (pfn & 7));
  };
  let pfn = start;
  for (; pfn < end && pfn % 8 !== 0; pfn++) one(pfn);
  const bytesEnd = Math.floor(end / 8);
  if (pfn / 8 < bytesEnd) {
    bitmap.fill(value ? 0xff : 0, pfn / 8, bytesEnd);
    pfn = bytesEnd * 8;
  }
  for (; pfn < end; pfn++) one(pfn);
}

const bitsIn = Uint8Array.from({ length: 256 }, (_, byte) => byte.toString(2).replaceAll('0', '').length);

function countBits(bitmap: Uint8Array, start: number, end: number): number {
  let n = 0;
  let pfn = start;
  for (; pfn < end && pfn % 8 !== 0; pfn++) n += (bitmap[pfn >>> 3] >> (pfn & 7)) & 1;
  for (; pfn + 8 <= end; pfn += 8) n += bitsIn[bitmap[pfn >>> 3]];
  for (; pfn < end; pfn++) n += (bitmap[pfn >>> 3] >> (pfn & 7)) & 1;
  return n;
}

/** Bit of a page frame in a bitmap. */
export const hasBit = (bitmap: Uint8Array, pfn: number): boolean =>
  ((bitmap[pfn >>> 3] >> (pfn & 7)) & 1) === 1;
