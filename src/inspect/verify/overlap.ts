/** Raw pages of which some bytes are another page's too: they unpack to whatever is there, so nothing else would show it. */

import type { KdumpDumpFile, KdumpPart } from '../../read/dump-file.ts';
import { comma } from '../../read/file.ts';
import { pfnOfDescriptor } from '../../read/kdump-file.ts';
import { findSuspects } from '../../salvage/overlap.ts';
import { FirstRuns, MOST_RUNS } from '../../workers/first-runs.ts';
import { type Finding, finding } from './finding.ts';

/** Gives what was found, and whether all pages were looked at. Yields now and then. */
export function* checkOverlaps(
  file: KdumpDumpFile,
  part: KdumpPart,
): Generator<void, { findings: Finding[]; all: boolean }> {
  let pages = 0;
  let byteOffset: number | undefined;
  let lowest: number[] = [];
  const suspect = (index: number, place: number) => {
    pages++;
    if (lowest.length === 0 || index < lowest[0]!) byteOffset = place;
    lowest.push(index);
    if (lowest.length > 64 * MOST_RUNS) lowest = lowest.sort((a, b) => a - b).slice(0, MOST_RUNS);
  };
  const all = yield* findSuspects(part, file.pageSize, undefined, suspect);
  if (pages === 0) return { findings: [], all };
  const runs = new FirstRuns();
  for (const index of lowest.sort((a, b) => a - b).slice(0, MOST_RUNS))
    runs.add(pfnOfDescriptor(file, part.firstDescriptor + index));
  const what = `${comma(pages)} page${pages === 1 ? ' is' : 's are'} stored as it is, and some of the bytes are another page's too`;
  return { findings: [finding('overlapping', what, { pages, runs: runs.runs, byteOffset })], all };
}
