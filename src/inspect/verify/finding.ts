/** What is wrong with a dump: each kind once, with how much of it there is and where it begins. */

import type { LostPages, PfnRun } from '../../workers/report.ts';

/** For programs; the sentences may get better, these stay. Pages that are not whole have the reasons that `smelt salvage` gives. */
export type FindingKind =
  /** A header says what cannot be, or what another one contradicts. */
  | 'header'
  /** The file ends before what it promises. */
  | 'truncated'
  /** It says of itself that it was never finished. */
  | 'incomplete'
  /** Parts of a split dump are missing, or are of different ones. */
  | 'parts'
  | 'notes'
  | 'vmcoreinfo'
  | 'eraseInfo'
  | 'bitmaps'
  | 'descriptors'
  /** Two segments of an ELF core have the same bytes of the file for different memory. */
  | 'segments'
  | keyof LostPages;

export interface Finding {
  readonly kind: FindingKind;
  /** A sentence without a full stop. */
  readonly what: string;
  /** Of a split dump: the file. */
  readonly path: string | undefined;
  /** How many page frames; undefined where it is not about pages. */
  readonly pages: number | undefined;
  /** The first few of them. */
  readonly runs: readonly PfnRun[];
  /** Where in the file, or in a flattened one when it is in order, the first one is. */
  readonly byteOffset: number | undefined;
}

/** About the file as a whole. */
export function finding(kind: FindingKind, what: string, more: Partial<Finding> = {}): Finding {
  return { kind, what, path: undefined, pages: undefined, runs: [], byteOffset: undefined, ...more };
}

/** What stands in a file from `from` to `end`. */
export interface Place {
  readonly what: string;
  readonly from: number;
  readonly end: number;
}

/** Two neighbours of those, in the order of the file, that have bytes in common: for each such pair one. */
export function* overlaps(places: readonly Place[]): Generator<readonly [Place, Place]> {
  const sorted = places
    .filter(({ from, end }) => end > from)
    .sort((a, b) => a.from - b.from || a.end - b.end);
  let widest: Place | undefined;
  for (const place of sorted) {
    if (widest !== undefined && place.from < widest.end) yield [widest, place];
    if (widest === undefined || place.end > widest.end) widest = place;
  }
}
