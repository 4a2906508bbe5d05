/** An output in which pages lie as they lay in the machine: which page frames are where, whatever stands around them. */

import { lowerBound } from '../read/extents.ts';

/** Page frames that lie in the file one behind the other, in ascending order; in memory that threads share. */
export interface ImageSegments {
  readonly pfn: Float64Array;
  readonly pages: Float64Array;
  readonly byteOffset: Float64Array;
}

export function imageSegments(
  segments: readonly { readonly pfn: number; readonly pages: number; readonly byteOffset: number }[],
): ImageSegments {
  const column = () =>
    new Float64Array(new SharedArrayBuffer(segments.length * Float64Array.BYTES_PER_ELEMENT));
  const made = { pfn: column(), pages: column(), byteOffset: column() };
  for (const [index, { pfn, pages, byteOffset }] of segments.entries()) {
    made.pfn[index] = pfn;
    made.pages[index] = pages;
    made.byteOffset[index] = byteOffset;
  }
  return made;
}

/** Where a page frame lies in the file; undefined: in no segment. */
export function placeOf(segments: ImageSegments, pfn: number, pageSize: number): number | undefined {
  const { pfn: first, pages, byteOffset } = segments;
  let index = lowerBound(first, pfn);
  if (first[index] !== pfn) index--;
  if (index < 0 || pfn >= first[index]! + pages[index]!) return undefined;
  return byteOffset[index]! + (pfn - first[index]!) * pageSize;
}

/** What is written around the pages, and how long the file is. */
export interface ImageLayout {
  readonly segments: ImageSegments;
  /** Headers and what else there is, each at its place. */
  readonly pieces: readonly { readonly byteOffset: number; readonly bytes: Uint8Array }[];
  readonly fileBytes: number;
}
