/** Where the bytes of a flattened file belong: an index over its records, of which a later one overrides an earlier. */

import type { Pread } from '../native/pread.ts';
import { drain } from './drain.ts';
import { lowerBound } from './extents.ts';
import { preadFully } from './file.ts';
import { FlatRecordHeader } from './flat-layout.ts';
import { sortedOrder } from './sort-steps.ts';

/**
 * The rearranged file, entry by entry, in ascending order and without gaps; 24 bytes an entry, shared between threads.
 * Records that continue each other in both files and have one size are one entry.
 */
export interface FlatIndex {
  /** Where the entry begins in the rearranged file. It ends where the next one begins; the last one is empty and marks the end. */
  readonly place: Float64Array;
  /** Where its first byte is in the flattened file; -1: no record has it, and it reads as zeros. */
  readonly byteOffset: Float64Array;
  /** Bytes of each of its records: between two of them there is a record header in the flattened file. */
  readonly recordBytes: Float64Array;
  /** What the flattened file has behind its end mark, where that was found. */
  readonly bytesBehind?: number;
}

/** Entries while they are gathered: columns that grow. */
export class FlatEntries {
  count = 0;
  place = new Float64Array(1024);
  end = new Float64Array(1024);
  byteOffset = new Float64Array(1024);
  recordBytes = new Float64Array(1024);

  /** A record, in the order of the file. `byteOffset`: of its bytes, behind its header. */
  addRecord(place: number, sizeBytes: number, byteOffset: number): void {
    if (sizeBytes === 0) return;
    const last = this.count - 1;
    if (last >= 0 && this.end[last] === place && sizeBytes <= this.recordBytes[last]!) {
      const length = place - this.place[last]!;
      const isWhole = length % this.recordBytes[last]! === 0;
      if (isWhole && this.inFlat(last, place) === byteOffset) {
        this.end[last] = place + sizeBytes;
        return;
      }
    }
    this.push(place, place + sizeBytes, byteOffset, sizeBytes);
  }

  /** A stretch of an entry of `of`, `from` … `end - 1` in the rearranged file. */
  addStretch(of: FlatEntries, entry: number, from: number, end: number): void {
    const size = of.recordBytes[entry]!;
    const place = of.place[entry]!;
    const partial = (from - place) % size;
    // What is left of a record that was cut goes by itself, so that every entry begins with a record.
    const cut = partial === 0 ? from : Math.min(end, from + size - partial);
    if (cut > from) this.push(from, cut, of.inFlat(entry, from), cut - from);
    if (end > cut) this.push(cut, end, of.inFlat(entry, cut), size);
  }

  push(place: number, end: number, byteOffset: number, recordBytes: number): void {
    if (this.count === this.place.length) this.grow();
    this.place[this.count] = place;
    this.end[this.count] = end;
    this.byteOffset[this.count] = byteOffset;
    this.recordBytes[this.count] = recordBytes;
    this.count++;
  }

  /** Where an entry's byte that belongs to `place` is in the flattened file. */
  private inFlat(entry: number, place: number): number {
    return placeInFlat(this.place[entry]!, this.byteOffset[entry]!, this.recordBytes[entry]!, place);
  }

  private grow(): void {
    const grown = (column: Float64Array<ArrayBuffer>) => {
      const more = new Float64Array(2 * column.length);
      more.set(column);
      return more;
    };
    this.place = grown(this.place);
    this.end = grown(this.end);
    this.byteOffset = grown(this.byteOffset);
    this.recordBytes = grown(this.recordBytes);
  }
}

function placeInFlat(entryPlace: number, byteOffset: number, recordBytes: number, place: number): number {
  const into = place - entryPlace;
  return byteOffset + into + Math.floor(into / recordBytes) * FlatRecordHeader.size;
}

/** Records that are put in order in one step. */
const STEP = 2 ** 15;

/** Puts records in order: where several have the same byte, the one that was added last wins. */
export function orderEntries(records: FlatEntries): FlatIndex {
  return drain(ordering(records));
}

/** The same in steps. */
export function* ordering(records: FlatEntries): Generator<void, FlatIndex> {
  const { place, end, count } = records;
  const order = yield* sortedOrder(place, count);
  const ordered = new FlatEntries();
  const active = new LatestFirst();
  let at = 0;
  let done = 0;
  for (let next = 0; next < count || active.size > 0; ) {
    while (active.size > 0 && end[active.top]! <= at) {
      active.pop();
      if (++done % STEP === 0) yield;
    }
    if (active.size === 0) {
      if (next === count) break;
      const begins = place[order[next]!]!;
      // What no record has reads as zeros.
      if (begins > at) ordered.push(at, begins, -1, begins - at);
      at = begins;
      active.push(order[next++]!);
    }
    const top = active.top;
    // It has all bytes up to its end, or to the begin of a later record; of earlier ones only what reaches beyond it can count.
    let stop = end[top]!;
    for (; next < count && place[order[next]!]! < end[top]!; next++) {
      const other = order[next]!;
      if (++done % STEP === 0) yield;
      if (other > top) {
        stop = place[other]!;
        active.push(other);
        next++;
        break;
      }
      if (end[other]! > end[top]!) active.push(other);
    }
    if (stop > at) ordered.addStretch(records, top, at, stop);
    at = stop;
  }
  ordered.push(at, at, -1, 1);
  return {
    place: sharedCopy(ordered.place, ordered.count),
    byteOffset: sharedCopy(ordered.byteOffset, ordered.count),
    recordBytes: sharedCopy(ordered.recordBytes, ordered.count),
  };
}

function sharedCopy(column: Float64Array, count: number): Float64Array {
  const copy = new Float64Array(new SharedArrayBuffer(count * Float64Array.BYTES_PER_ELEMENT));
  copy.set(column.subarray(0, count));
  return copy;
}

/** Record numbers, the largest on top: a heap. */
class LatestFirst {
  private readonly heap: number[] = [];

  get size(): number {
    return this.heap.length;
  }

  get top(): number {
    return this.heap[0]!;
  }

  push(value: number): void {
    const { heap } = this;
    let at = heap.length;
    heap.push(value);
    for (let parent = (at - 1) >> 1; at > 0 && heap[parent]! < value; parent = (at - 1) >> 1) {
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = value;
  }

  pop(): void {
    const { heap } = this;
    const value = heap.pop()!;
    if (heap.length === 0) return;
    let at = 0;
    for (let child = 1; child < heap.length; child = 2 * at + 1) {
      if (child + 1 < heap.length && heap[child + 1]! > heap[child]!) child++;
      if (heap[child]! <= value) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = value;
  }
}

/** The entry that has the byte; it may lie behind the last one. */
function entryAt(place: Float64Array, from: number): number {
  const found = lowerBound(place, from);
  return found < place.length && place[found] === from ? found : found - 1;
}

/** What no record has of these bytes of the rearranged file, up to its end. */
export function* flatHoles(
  { place, byteOffset }: FlatIndex,
  from: number,
  end: number,
): Generator<[number, number]> {
  const last = place.length - 1;
  for (let entry = Math.max(0, entryAt(place, from)); entry < last && place[entry]! < end; entry++) {
    if (byteOffset[entry]! >= 0) continue;
    const [first, behind] = [Math.max(from, place[entry]!), Math.min(end, place[entry + 1]!)];
    if (behind > first) yield [first, behind];
  }
}

/** The first byte from `from` on that a record has; Infinity behind the last one. */
export function nextFlatData({ place, byteOffset }: FlatIndex, from: number): number {
  const last = place.length - 1;
  for (let entry = Math.max(0, entryAt(place, from)); entry < last; entry++)
    if (byteOffset[entry]! >= 0) return Math.max(from, place[entry]!);
  return Infinity;
}

/** Whether records have all of these bytes of the rearranged file. */
export function flatHas({ place, byteOffset }: FlatIndex, from: number, length: number): boolean {
  const end = from + length;
  if (end > place[place.length - 1]!) return false;
  for (let entry = entryAt(place, from); place[entry]! < end; entry++)
    if (byteOffset[entry]! < 0) return false;
  return true;
}

/** Bytes of the rearranged file. How many there were: fewer than `length` only at its end, or where the flattened file was cut since. */
export function readFlat(
  { place, byteOffset, recordBytes }: FlatIndex,
  pread: Pread,
  fd: number,
  into: Uint8Array,
  at: number,
  length: number,
  from: number,
): number {
  const end = Math.min(from + length, place[place.length - 1]!);
  let entry = entryAt(place, from);
  let pos = from;
  while (pos < end) {
    while (place[entry + 1]! <= pos) entry++;
    const size = recordBytes[entry]!;
    const begins = place[entry]!;
    const upTo = Math.min(end, place[entry + 1]!, pos + size - ((pos - begins) % size));
    const to = at + (pos - from);
    if (byteOffset[entry]! < 0) into.fill(0, to, to + (upTo - pos));
    else {
      const n = preadFully(
        pread,
        fd,
        into,
        to,
        upTo - pos,
        placeInFlat(begins, byteOffset[entry]!, size, pos),
      );
      if (n < upTo - pos) return pos + n - from;
    }
    pos = upTo;
  }
  return Math.max(0, pos - from);
}
