/**
 * Pages of which some bytes are another page's too, and descriptors with what nobody writes. Raw pages unpack to whatever is there, and
 * packed ones may unpack with more behind them: nothing else would show it. The same bytes for many pages are no overlap.
 */

import { nextBit, setRange } from '../../read/bitmap.ts';
import type { KdumpDumpFile, KdumpPart } from '../../read/dump-file.ts';
import { comma } from '../../read/file.ts';
import { endOfDescriptors, pfnOfDescriptor } from '../../read/kdump-file.ts';
import { type Batch, batches } from '../../salvage/overlap.ts';
import { FirstRuns, MOST_RUNS } from '../../workers/first-runs.ts';
import { type Finding, type FindingKind, finding } from './finding.ts';
import { PlacesInOrder } from './places.ts';

/** Bytes of data whose edges are looked at in one walk over the descriptors that lead there: a bit each. */
const CHUNK = 2 ** 27;
/** Pages are mostly stored in ascending order: a batch of descriptors leads to one chunk or two. */
const VISITS_A_BATCH = 64;
const MOST_CHUNKS = 2 ** 16;

export interface OverlapsChecked {
  readonly findings: Finding[];
  /** How many bytes of the data were looked at, where that is not all. */
  readonly lookedAtBytes: number | undefined;
}

/** Where the pages of a batch are. */
interface Span {
  from: number;
  end: number;
}

/** Yields now and then. */
export function* checkOverlaps(file: KdumpDumpFile, part: KdumpPart): Generator<void, OverlapsChecked> {
  const dataFrom = endOfDescriptors(part);
  const flagged = new Lowest(file, part);
  const spans = new Map<number, Span>();
  const places = new PlacesInOrder(dataFrom);
  let highest = dataFrom;
  for (const batch of batches(part, file.pageSize)) {
    const span = spanOf(batch, dataFrom, flagged, places);
    spans.set(batch.first, span);
    highest = Math.max(highest, span.end);
    yield;
  }
  const overlapping = new Lowest(file, part);
  if (places.areApart()) return { findings: found(overlapping, flagged), lookedAtBytes: undefined };
  const edges = new Uint8Array(Math.ceil((Math.min(CHUNK, highest - dataFrom) + file.pageSize + 1) / 8));
  let visits = spans.size * VISITS_A_BATCH;
  let begin = dataFrom;
  for (let chunk = 0; begin < highest && chunk < MOST_CHUNKS && visits > 0; chunk++, begin += CHUNK) {
    const end = begin + CHUNK + file.pageSize;
    const isHere = (first: number) => {
      const span = spans.get(first)!;
      return chunk === 0 || (span.from < end && span.end > begin);
    };
    edges.fill(0);
    for (const batch of batches(part, file.pageSize, undefined, isHere)) {
      markEdges(batch, edges, begin);
      visits--;
      yield;
    }
    for (const batch of batches(part, file.pageSize, undefined, isHere)) {
      for (let i = 0; i < batch.count; i++) {
        const from = batch.placeOf(i) - begin;
        if (from < 0 || from >= CHUNK) continue;
        const behind = from + batch.sizeOf(i);
        if (nextBit(edges, true, from + 1, behind) < behind) overlapping.add(batch.first + i, from + begin);
      }
      yield;
    }
  }
  return {
    findings: found(overlapping, flagged),
    lookedAtBytes: begin < highest ? begin - dataFrom : undefined,
  };
}

function found(overlapping: Lowest, flagged: Lowest): Finding[] {
  return [
    ...overlapping.finding('overlapping', "stored where some of the bytes are another page's too"),
    ...flagged.finding('descriptors', 'of a descriptor with page_flags, which no dump has'),
  ];
}

function spanOf(batch: Batch, dataFrom: number, flagged: Lowest, places: PlacesInOrder): Span {
  const span = { from: Infinity, end: 0 };
  for (let i = 0; i < batch.count; i++) {
    const place = batch.placeOf(i);
    if (batch.hasPageFlags(i)) flagged.add(batch.first + i, place);
    if (place !== 0) places.add(place, batch.sizeOf(i));
    // The page of zeros that many share is the first one, far from the others of a batch: the first chunk is looked at by all.
    if (place <= dataFrom) continue;
    span.from = Math.min(span.from, place);
    span.end = Math.max(span.end, place + batch.sizeOf(i));
  }
  return span;
}

function markEdges(batch: Batch, edges: Uint8Array, begin: number): void {
  for (let i = 0; i < batch.count; i++) {
    const place = batch.placeOf(i);
    if (place === 0) continue;
    for (const edge of [place - begin, place + batch.sizeOf(i) - begin])
      if (edge >= 0 && edge < edges.length * 8) setRange(edges, edge, edge + 1);
  }
}

/** Descriptors of a kind: how many, the first of them, and where the page of the first one is. */
class Lowest {
  private readonly file: KdumpDumpFile;
  private readonly part: KdumpPart;
  private pages = 0;
  private byteOffset: number | undefined;
  private lowest: number[] = [];
  private first = Infinity;

  constructor(file: KdumpDumpFile, part: KdumpPart) {
    this.file = file;
    this.part = part;
  }

  /** In any order; `place` 0: nobody knows. */
  add(index: number, place: number): void {
    this.pages++;
    if (index < this.first) {
      this.first = index;
      this.byteOffset = place || undefined;
    }
    this.lowest.push(index);
    if (this.lowest.length > 64 * MOST_RUNS)
      this.lowest = this.lowest.sort((a, b) => a - b).slice(0, MOST_RUNS);
  }

  finding(kind: FindingKind, what: string): Finding[] {
    const { file, part, pages, byteOffset } = this;
    if (pages === 0) return [];
    const runs = new FirstRuns();
    for (const index of this.lowest.sort((a, b) => a - b).slice(0, MOST_RUNS))
      runs.add(pfnOfDescriptor(file, part.firstDescriptor + index));
    const some = `${comma(pages)} page${pages === 1 ? ' is' : 's are'} ${what}`;
    return [finding(kind, some, { pages, runs: runs.runs, byteOffset })];
  }
}
