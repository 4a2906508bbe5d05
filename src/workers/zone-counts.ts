/** Page frames of a window by the zone that they belong to. */

import { FRAME_CODES } from '../filter/frame-kind.ts';
import { type ReadableMap, StructPages } from '../filter/struct-pages.ts';
import { setRange } from '../read/bitmap.ts';
import { lowerBound } from '../read/extents.ts';
import type { Thread } from './thread.ts';

/** Page frames that a zone reaches over. */
export interface Span {
  readonly pfn: number;
  readonly end: number;
  /** What the struct pages of its page frames have in their flags, from `Zones.flagsShift` on. */
  readonly key: number;
}

export interface Zones {
  readonly spans: readonly Span[];
  /**
   * Where the high word of a struct page's flags says node and zone: all bits from here on. Undefined where that is not known: a page
   * frame that several zones reach over is then told of the smallest.
   */
  readonly flagsShift: number | undefined;
}

/** Page frames that the same zones reach over. */
export interface Stretch {
  readonly from: number;
  readonly to: number;
  /** The smallest of these, or the number behind the last one; and whether there are others. */
  readonly zone: number;
  readonly isShared: boolean;
}

/** One thread's. */
export class ZoneCounts {
  /** By their byte (FRAME_CODES of them), for each zone, and behind them those of none. */
  readonly counts: Float64Array;
  private readonly stretches: readonly Stretch[];
  private readonly ends: Float64Array;
  private readonly structPages: StructPages;
  private readonly readable: ReadableMap | undefined;
  private readonly flagsShift: number | undefined;
  private readonly byKey: ReadonlyMap<number, number>;
  private bits = new Uint8Array(0);

  constructor(thread: Thread, zones: Zones) {
    const { spans, flagsShift } = zones;
    this.flagsShift = flagsShift;
    this.structPages = new StructPages(thread.reader);
    this.counts = new Float64Array((spans.length + 1) * FRAME_CODES);
    this.stretches = [...stretches(spans, 0, thread.job.plan.maxMapnr)];
    this.ends = Float64Array.from(this.stretches, ({ to }) => to);
    const isAny = this.stretches.some(({ isShared }) => isShared);
    this.readable = isAny ? thread.memoryMap() : undefined;
    this.byKey = new Map(spans.map(({ key }, zone) => [key, zone]));
  }

  /** `codes`: a byte for each page frame from `pfn` on. */
  add(pfn: number, codes: Uint8Array): void {
    const end = pfn + codes.length;
    const all = this.stretches;
    for (let i = lowerBound(this.ends, pfn + 1); i < all.length && all[i]!.from < end; i++) {
      const { from, to, zone, isShared } = all[i]!;
      const [first, last] = [Math.max(from - pfn, 0), Math.min(to - pfn, codes.length)];
      this.addAs(zone, codes, first, last);
      if (isShared) this.toTheirs(zone, pfn, codes, first, last);
    }
  }

  private addAs(zone: number, codes: Uint8Array, from: number, to: number): void {
    const { counts } = this;
    const base = zone * FRAME_CODES;
    for (let i = from; i < to; i++) counts[base + codes[i]!]!++;
  }

  /** Zones lie in one another where the memory of nodes does. Source: set_page_links, include/linux/mm.h. */
  private toTheirs(zone: number, pfn: number, codes: Uint8Array, from: number, to: number): void {
    const { flagsShift, readable } = this;
    if (flagsShift === undefined || readable === undefined) return;
    const { counts, byKey, structPages } = this;
    const stride = readable.rules.sizeBytes >>> 2;
    const high = (readable.rules.flags >>> 2) + 1;
    if (this.bits.length < codes.length / 8) this.bits = new Uint8Array(Math.ceil(codes.length / 8));
    this.bits.fill(0);
    setRange(this.bits, 0, to - from);
    structPages.walk(readable, pfn + from, to - from, this.bits, {
      structs: (at, count, base) => {
        const { words } = structPages;
        for (let i = 0; i < count; i++) {
          const own = byKey.get(words[base + i * stride + high]! >>> flagsShift) ?? zone;
          if (own === zone) continue;
          const code = codes[at - pfn + i]!;
          counts[zone * FRAME_CODES + code]!--;
          counts[own * FRAME_CODES + code]!++;
        }
        return count;
      },
      lost() {},
    });
  }
}

/** Cuts page frames where spans begin and end. */
export function* stretches(
  spans: readonly Pick<Span, 'pfn' | 'end'>[],
  pfn: number,
  end: number,
): Generator<Stretch> {
  const cuts = spans.flatMap((span) => [span.pfn, span.end]).filter((at) => at > pfn && at < end);
  const edges = [pfn, ...cuts.sort((a, b) => a - b), end];
  for (let i = 0; i + 1 < edges.length; i++) {
    const [from, to] = [edges[i]!, edges[i + 1]!];
    if (from === to) continue;
    let best = spans.length;
    let found = 0;
    for (const [index, span] of spans.entries()) {
      if (span.pfn > from || span.end <= from) continue;
      found++;
      const smallest = spans[best];
      if (smallest === undefined || span.end - span.pfn < smallest.end - smallest.pfn) best = index;
    }
    yield { from, to, zone: best, isShared: found > 1 };
  }
}
