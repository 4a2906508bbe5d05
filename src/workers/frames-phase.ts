/** The last phase of a look at all memory: page frames by what they are, summed by zone, and drawn as tiles. */

import type { FrameDetailsData } from '../filter/frame-details.ts';
import { windowSpan } from '../filter/plan.ts';
import { type FrameSources, WindowFrames } from './frames.ts';
import { addDone, takeWindows } from './job.ts';
import type { Thread } from './thread.ts';
import { type TileRequest, WindowTiles } from './tiles.ts';
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
}

/** Does windows until there are none left. Yields after each. */
export function* sortFrames(thread: Thread, task: FramesTask, seat?: number): Generator<void, FramesResult> {
  const { job } = thread;
  const frames = new WindowFrames(thread, task);
  const zones = new ZoneCounts(thread, task.zones);
  const drawing = task.tiles && new WindowTiles(task.tiles);
  for (const index of takeWindows(job, 'frames', seat)) {
    const codes = frames.of(index);
    let memoryPages = 0;
    zones.add(windowSpan(job.plan, index).pfn, codes);
    for (let i = 0; i < codes.length; i++) if (codes[i] !== 0) memoryPages++;
    drawing?.draw(index, codes);
    addDone(job.shared, 'frames', memoryPages);
    yield;
  }
  return { counts: zones.counts, details: frames.detailsData };
}
