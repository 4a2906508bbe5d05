/** Whether the two bitmaps of a kdump-compressed dump say the same of the memory. */

import { runsOf } from '../../read/bitmap.ts';
import type { KdumpDumpFile } from '../../read/dump-file.ts';
import { comma } from '../../read/file.ts';
import { partOf } from '../../read/source.ts';
import { FirstRuns } from '../../workers/first-runs.ts';
import { type Finding, finding } from './finding.ts';

/** Page frames looked at at once; a multiple of 8. */
const AT_ONCE = 2 ** 20;

/** Every page of the second bitmap has to be in the first. Yields now and then. */
export function* checkBitmaps(file: KdumpDumpFile, bitmap1Offset: number): Generator<void, Finding[]> {
  const { maxMapnr, bitmap2Offset } = file;
  if (bitmap2Offset === bitmap1Offset) return [];
  const foreign = new FirstRuns();
  let pages = 0;
  for (let pfn = 0; pfn < maxMapnr; pfn += AT_ONCE) {
    const count = Math.min(AT_ONCE, maxMapnr - pfn);
    const read = (byteOffset: number) => partOf(file, 'a bitmap', byteOffset + pfn / 8, Math.ceil(count / 8));
    const [first, second] = [read(bitmap1Offset), read(bitmap2Offset)];
    for (let i = 0; i < second.length; i++) second[i]! &= ~first[i]!;
    for (const [from, to] of runsOf(second, 0, count)) {
      foreign.add(pfn + from, to - from);
      pages += to - from;
    }
    yield;
  }
  if (pages === 0) return [];
  const what = `${comma(pages)} page${pages === 1 ? ' is' : 's are'} in the second bitmap and not in the first, which has all memory`;
  return [finding('bitmaps', what, { pages, runs: foreign.runs })];
}
