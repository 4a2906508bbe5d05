/** Whether the two bitmaps of a kdump-compressed dump say the same of the memory, and nothing of what is behind its end. */

import { nextBit, runsOf } from '../../read/bitmap.ts';
import type { KdumpDumpFile } from '../../read/dump-file.ts';
import { comma } from '../../read/file.ts';
import { bitmapBytes } from '../../read/kdump-layout.ts';
import { partOf } from '../../read/source.ts';
import { FirstRuns } from '../../workers/first-runs.ts';
import { type Finding, finding } from './finding.ts';

/** Page frames looked at at once; a multiple of 8. */
const AT_ONCE = 2 ** 20;

/** Yields now and then. */
export function* checkBitmaps(file: KdumpDumpFile, bitmap1Offset: number): Generator<void, Finding[]> {
  const { bitmap2Offset } = file;
  const behind = setBehindEnd(file, bitmap1Offset) || setBehindEnd(file, bitmap2Offset);
  const findings = behind
    ? [finding('bitmaps', `a bitmap has page frames behind the last one, ${comma(file.maxMapnr - 1)}`)]
    : [];
  if (bitmap2Offset !== bitmap1Offset) findings.push(...(yield* checkForeign(file, bitmap1Offset)));
  return findings;
}

/** Whether what is left of its last block has bits set. */
function setBehindEnd(file: KdumpDumpFile, bitmapOffset: number): boolean {
  const { maxMapnr, pageSize } = file;
  const from = Math.floor(maxMapnr / 8);
  const rest = partOf(file, 'a bitmap', bitmapOffset + from, bitmapBytes(maxMapnr, pageSize) - from);
  return nextBit(rest, true, maxMapnr % 8, rest.length * 8) < rest.length * 8;
}

/** Every page of the second bitmap has to be in the first. */
function* checkForeign(file: KdumpDumpFile, bitmap1Offset: number): Generator<void, Finding[]> {
  const { maxMapnr, bitmap2Offset } = file;
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
