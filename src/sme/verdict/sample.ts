/** A sample of a whole image, spread evenly over its memory: how many pages are zero, random, the kernel's own. */

import { openChecksum } from '../../native/crc32.ts';
import { openZeroTest } from '../../native/zero-test.ts';
import type { DumpFile, MemoryReader } from '../../read/dump-file.ts';
import { pfnRuns } from '../../read/extents.ts';
import { spread } from '../../read/spread.ts';
import { looksKernelData, looksRandom } from './randomness.ts';

export interface ImageSample {
  readonly sampledPages: number;
  /** Page frames that the file does not have or that cannot be read; not among the sampled ones. */
  readonly missingPages: number;
  readonly zeroPages: number;
  /** Pages whose bytes look random and are those of no earlier page of the sample: ciphertext never repeats. */
  readonly randomPages: number;
  /** Pages that are not zero and the same as an earlier one of the sample. */
  readonly repeatedPages: number;
  /** Pages full of kernel addresses, as struct pages, slabs and stacks are. */
  readonly kernelPages: number;
}

const MOST_PAGES = 2000;
/** Pages between two calls of `look`: a few milliseconds. */
const LOOK_PAGES = 128;

/** `look` lets others have their turn, and throws when nobody wants the answer any more. */
export async function sampleImage(
  file: DumpFile,
  reader: MemoryReader,
  look: () => Promise<void>,
): Promise<ImageSample> {
  const { pageSize } = reader;
  const isZero = openZeroTest(pageSize);
  const checksum = openChecksum();
  const sums = new Set<number>();
  let [pages, missingPages, zeroPages, randomPages, repeatedPages, kernelPages] = [0, 0, 0, 0, 0, 0];
  for (const pfn of spreadPfns(file, MOST_PAGES)) {
    if (++pages % LOOK_PAGES === 0) await look();
    if (reader.load(pfn, 1) === 0) {
      missingPages++;
      continue;
    }
    const { bytes, start } = reader;
    if (isZero(bytes, start)) {
      zeroPages++;
      continue;
    }
    const sum = checksum(bytes, start, pageSize);
    if (sums.has(sum)) repeatedPages++;
    else if (looksRandom(bytes, start)) randomPages++;
    if (looksKernelData(bytes, start)) kernelPages++;
    sums.add(sum);
  }
  const sampledPages = pages - missingPages;
  return { sampledPages, missingPages, zeroPages, randomPages, repeatedPages, kernelPages };
}

/** Page frames of the dump's memory, ascending and evenly spread, in step with nothing; all of them when they are `most` or fewer. */
export function* spreadPfns(file: Pick<DumpFile, 'memory' | 'pageSize'>, most: number): Generator<number> {
  const ranks = spreadRanks(memoryPages(file), most);
  let next = 0;
  let before = 0;
  for (const { pfn, count } of pfnRuns(file.memory, file.pageSize)) {
    while (next < ranks.length && ranks[next]! < before + count) yield pfn + ranks[next++]! - before;
    before += count;
  }
}

export function memoryPages(file: Pick<DumpFile, 'memory' | 'pageSize'>): number {
  let pages = 0;
  for (const { count } of pfnRuns(file.memory, file.pageSize)) pages += count;
  return pages;
}

/** Numbers below `of`. */
export function spreadRanks(of: number, most: number): number[] {
  if (of <= most) return Array.from({ length: of }, (_, i) => i);
  const step = of / most;
  const ranks = Array.from({ length: most }, (_, i) => Math.floor((i + spread(i)) * step));
  // Where there is hardly more than one for each step, two steps may agree on one.
  return ranks.filter((rank, i) => rank !== ranks[i - 1]);
}
