/** The last phase of a look at all memory: page frames by what they are, summed by zone, and drawn as tiles. */

import type { FrameDetailsData } from '../filter/frame-details.ts';
import { windowSpan } from '../filter/plan.ts';
import { type FrameSources, WindowFrames } from './frames.ts';
import { addDone, takeWindows } from './job.ts';
import type { Thread } from './thread.ts';
import { type TileRequest, type TileWindow, WindowTiles } from './tiles.ts';
import { ZoneCounts, type Zones } from './zone-counts.ts';

export interface FramesTask extends FrameSources {
  readonly phase: 'frames';
  readonly zones: Zones;
  /** Undefined: nothing is drawn. */
  readonly tiles: TileRequest | undefined;
}

export interface FramesResult {
  /** Page frames by their byte (FRAME_CODES of them), for each zone, and behind them those of none. */
  readonly counts: Float64Array;
  readonly details: FrameDetailsData | undefined;
  readonly tiles: readonly TileWindow[];
}

/** Does windows until there are none left. Yields after each. */
export function* sortFrames(thread: Thread, task: FramesTask, seat?: number): Generator<void, FramesResult> {
  const { job } = thread;
  const frames = new WindowFrames(thread, task);
  const zones = new ZoneCounts(thread, task.zones);
  const drawing = task.tiles && new WindowTiles(task.tiles);
  const tiles: TileWindow[] = [];
  for (const index of takeWindows(job, 'frames', seat)) {
    if (drawing?.isDone(index)) continue;
    const codes = frames.of(index);
    let memoryPages = 0;
    zones.add(windowSpan(job.plan, index).pfn, codes);
    for (const code of codes) memoryPages += +(code !== 0);
    const tile = drawing?.draw(index, codes);
    if (tile !== undefined) tiles.push(tile);
    addDone(job.shared, 'frames', memoryPages);
    yield;
  }
  return { counts: zones.counts, details: frames.detailsData, tiles };
}
