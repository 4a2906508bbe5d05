/** What the page descriptors of a kdump-compressed file say, one by one and all together. */

import type { KdumpDumpFile, KdumpPart } from './dump-file.ts';
import { flatHas } from './flat-index.ts';
import { endOfDescriptors } from './kdump-file.ts';
import { PageDescriptor } from './kdump-layout.ts';
import { type PageState, State } from './page-state.ts';
import { hasBytes, openSource } from './source.ts';

/** A dump of 16 GiB has so many descriptors; of more a stretch is looked at here and there. */
const LIMITS = { descriptors: 2 ** 22, stretches: 256 };
/** Looked at at once. */
const STRETCH = 4096;

/** What there is of a page, by its descriptor: the `index`-th of its part, of those that end at `dataFrom`. */
export function stateByDescriptor(
  part: KdumpPart,
  pageSize: number,
  dataFrom: number,
  index: number,
  place: number,
  size: number,
  flags: number,
): PageState {
  const { eraseInfoAt } = part;
  if (place === 0) return hasDescriptor(part, index) ? State.marked : State.noDescriptor;
  const cannotBe =
    place < dataFrom ||
    size === 0 ||
    size > pageSize ||
    (flags === 0 && size !== pageSize) ||
    (eraseInfoAt !== undefined && place < eraseInfoAt.end && place + size > eraseInfoAt.from);
  if (cannotBe) return hasDescriptor(part, index) ? State.implausible : State.noDescriptor;
  return hasBytes(part, place, size) ? State.here : State.cut;
}

/** In a stream that has no end mark, zeros that no record has were not written: they are behind its end. */
function hasDescriptor({ flat, descOffset }: KdumpPart, index: number): boolean {
  if (flat === undefined || flat.bytesBehind !== undefined) return true;
  return flatHas(flat, descOffset + index * PageDescriptor.size, PageDescriptor.size);
}

/** Pages that the second bitmap has and the file has not. */
export interface DescriptorCounts {
  /** Those whose bytes, or whose descriptors, are behind the end of the file. */
  cut: number;
  /** Those whose descriptors say that they are missing. */
  marked: number;
  /** Those whose descriptors say what cannot be. */
  implausible: number;
  /** Whether not all descriptors could be looked at: there may be more of them. */
  atLeast: boolean;
}

/** In steps. */
export function* countDescriptors(file: KdumpDumpFile, limits = LIMITS): Generator<void, DescriptorCounts> {
  const all = file.parts.reduce((sum, { pages }) => sum + pages, 0);
  const counts: DescriptorCounts = { cut: 0, marked: 0, implausible: 0, atLeast: false };
  const chunk = Buffer.alloc(STRETCH * PageDescriptor.size);
  for (const part of file.parts) {
    const wanted = Math.ceil((limits.stretches * part.pages) / all);
    const isWhole = all <= limits.descriptors || wanted * STRETCH >= part.pages;
    if (!isWhole) counts.atLeast = true;
    const stretches = isWhole ? Math.ceil(part.pages / STRETCH) : wanted;
    // From the first to the last, also where not all are looked at.
    const step = isWhole ? STRETCH : (part.pages - STRETCH) / Math.max(1, stretches - 1);
    for (let i = 0; i < stretches; i++) {
      yield;
      const first = Math.floor(i * step);
      countStretch(file, part, first, Math.min(STRETCH, part.pages - first), chunk, counts);
    }
  }
  return counts;
}

function countStretch(
  { pageSize }: KdumpDumpFile,
  part: KdumpPart,
  first: number,
  count: number,
  chunk: Buffer,
  counts: DescriptorCounts,
): void {
  const dataFrom = endOfDescriptors(part);
  const { size: bytes, offset } = PageDescriptor;
  let there: number;
  try {
    const length = openSource(part)(chunk, 0, count * bytes, part.descOffset + first * bytes);
    there = Math.floor(length / bytes);
  } catch {
    // A bad sector says nothing about them.
    counts.atLeast = true;
    return;
  }
  const view = new DataView(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  for (let i = 0; i < there; i++) {
    const at = i * bytes;
    const place =
      view.getUint32(at + offset.offset, true) + view.getUint32(at + offset.offset + 4, true) * 2 ** 32;
    const size = view.getUint32(at + offset.size, true);
    const flags = view.getUint32(at + offset.flags, true);
    const state = stateByDescriptor(part, pageSize, dataFrom, first + i, place, size, flags);
    if (state === State.cut || state === State.noDescriptor) counts.cut++;
    else if (state === State.marked) counts.marked++;
    else if (state === State.implausible) counts.implausible++;
  }
  counts.cut += count - there;
}
