/** The last phase of a look at all memory: page frames by what they are, summed by zone, and drawn as tiles. */

import type { FrameDetailsData } from '../filter/frame-details.ts';
import { FRAME_CODES } from '../filter/frame-kind.ts';
import { windowSpan } from '../filter/plan.ts';
import { lowerBound } from '../read/extents.ts';
import { type FrameSources, WindowFrames } from './frames.ts';
import { addDone, takeWindows } from './job.ts';
import type { Thread } from './thread.ts';
import { type TileRequest, type TileWindow, WindowTiles } from './tiles.ts';

/** Page frames of a zone; one that lies in several belongs to the smallest of them. */
export interface Span {
  readonly pfn: number;
  readonly end: number;
}

export interface FramesTask extends FrameSources {
  readonly phase: 'frames';
  readonly spans: readonly Span[];
  /** Undefined: nothing is drawn. */
  readonly tiles: TileRequest | undefined;
}

export interface FramesResult {
  /** Page frames by their byte (FRAME_CODES of them), for each span, and behind them those of none. */
  readonly counts: Float64Array;
  readonly details: FrameDetailsData | undefined;
  readonly tiles: readonly TileWindow[];
}

/** Does windows until there are none left. Yields after each. */
export function* sortFrames(thread: Thread, task: FramesTask, seat?: number): Generator<void, FramesResult> {
  const { job } = thread;
  const { spans } = task;
  const frames = new WindowFrames(thread, task);
  const counts = new Float64Array((spans.length + 1) * FRAME_CODES);
  const { maxMapnr } = job.plan;
  const pieces = [...stretches(spans, 0, maxMapnr)];
  const ends = Float64Array.from(pieces, ([, end]) => end);
  const drawing = task.tiles && new WindowTiles(task.tiles);
  const tiles: TileWindow[] = [];
  for (const index of takeWindows(job, 'frames', seat)) {
    if (drawing?.isDone(index)) continue;
    const codes = frames.of(index);
    const { pfn, count } = windowSpan(job.plan, index);
    let memoryPages = 0;
    for (
      let piece = lowerBound(ends, pfn + 1);
      piece < pieces.length && pieces[piece]![0] < pfn + count;
      piece++
    ) {
      const [from, to, span] = pieces[piece]!;
      const base = span * FRAME_CODES;
      for (let i = Math.max(from - pfn, 0); i < Math.min(to - pfn, count); i++) counts[base + codes[i]!]!++;
    }
    for (const code of codes) memoryPages += +(code !== 0);
    const tile = drawing?.draw(index, codes);
    if (tile !== undefined) tiles.push(tile);
    addDone(job.shared, 'frames', memoryPages);
    yield;
  }
  return { counts, details: frames.detailsData, tiles };
}

/** Cuts page frames where spans begin and end: each piece with the smallest span that has it, or the number behind the last one. */
export function* stretches(
  spans: readonly Span[],
  pfn: number,
  end: number,
): Generator<readonly [from: number, to: number, span: number]> {
  const cuts = spans.flatMap((span) => [span.pfn, span.end]).filter((at) => at > pfn && at < end);
  const edges = [pfn, ...cuts.sort((a, b) => a - b), end];
  for (let i = 0; i + 1 < edges.length; i++) {
    const from = edges[i]!;
    if (from === edges[i + 1]) continue;
    let best = spans.length;
    for (const [index, span] of spans.entries()) {
      if (span.pfn > from || span.end <= from) continue;
      const smallest = spans[best];
      if (smallest === undefined || span.end - span.pfn < smallest.end - smallest.pfn) best = index;
    }
    yield [from, edges[i + 1]!, best];
  }
}
