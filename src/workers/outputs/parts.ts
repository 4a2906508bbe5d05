/** Which kept pages go to which of several outputs: so many that all files come out about the same size, as a sample tells. */

import { windowSpan } from '../../filter/plan.ts';
import { popcountIn, runsOf } from '../../read/bitmap.ts';
import { lowerBound } from '../../read/extents.ts';
import { PageDescriptor } from '../../read/kdump-layout.ts';
import { spread } from '../../read/spread.ts';
import type { Job, Part } from '../job.ts';
import { openPageMeasure, type PageMeasure } from '../page-measure.ts';
import { takeSteps } from '../steps.ts';
import type { KeptBits } from '../sums.ts';
import type { Thread } from '../thread.ts';

/** One of so many kept pages is looked at, and no more than the most: it costs about one hundredth of the dump, whatever its size. */
const PAGES_OF_A_SAMPLE = 96;
const MOST_SAMPLES = 16_384;

/** crash counts the kept pages of a part by words of so many bits, and would look for every page in a wrong place. Source: crash diskdump.c. */
const BORDER_PAGES = 64;

/** Parts one behind the other, from page frame 0 to the end of memory. */
export async function partsOf(
  thread: Thread,
  kept: KeptBits,
  keptPages: number,
  count: number,
): Promise<readonly Part[]> {
  const { job } = thread;
  if (count === 1)
    return [{ startPfn: 0, endPfn: job.plan.maxMapnr, firstDescriptor: 0, keptPages, allPages: keptPages }];
  const sizes = await takeSteps(sampleSizes(job, kept, keptPages, await openPageMeasure(thread)));
  const borders = Array.from({ length: count - 1 }, (_, i) =>
    borderAt(job, kept, Math.round(shareOf(sizes, (i + 1) / count) * keptPages)),
  );
  const end: Border = { pfn: job.plan.maxMapnr, keptBefore: keptPages };
  // Parts without pages come last: makedumpfile refuses a set in which one begins where another one does.
  const distinct = borders.filter(({ pfn }, i) => pfn > (borders[i - 1]?.pfn ?? 0));
  const ends = Array.from({ length: count }, (_, i) => distinct[i] ?? end);
  return ends.map(({ pfn, keptBefore }, i) => {
    const start = ends[i - 1] ?? { pfn: 0, keptBefore: 0 };
    return {
      startPfn: start.pfn,
      endPfn: pfn,
      firstDescriptor: start.keptBefore,
      keptPages: keptBefore - start.keptBefore,
      allPages: keptPages,
    };
  });
}

/** The kept pages cut into equally many, one behind the other: what one page of each would take in the output. */
function* sampleSizes(
  { plan, shared }: Job,
  kept: KeptBits,
  keptPages: number,
  measure: PageMeasure,
): Generator<void, Float64Array> {
  const samples = Math.min(MOST_SAMPLES, Math.ceil(keptPages / PAGES_OF_A_SAMPLE));
  const sizes = new Float64Array(samples);
  // Each time at another place: at the same one there would be a pattern.
  const placeOf = (sample: number) => Math.floor(((sample + spread(sample)) * keptPages) / samples);
  let sample = 0;
  for (let index = 0; index < plan.starts.length && sample < samples; index++) {
    let before = shared.firstDescriptor[index]!;
    if (placeOf(sample) >= before + shared.keptPages[index]!) continue;
    const { pfn, count } = windowSpan(plan, index);
    for (const [from, to] of runsOf(kept.read(index), 0, count)) {
      for (; sample < samples && placeOf(sample) < before + to - from; sample++) {
        const size = measure(pfn + from + placeOf(sample) - before);
        sizes[sample] = PageDescriptor.size + Math.max(0, size);
        yield;
      }
      before += to - from;
    }
  }
  return sizes;
}

/** Which share of the pages has this share of the bytes. */
function shareOf(sizes: Float64Array, wanted: number): number {
  const sums = sizes.slice();
  for (let i = 1; i < sums.length; i++) sums[i]! += sums[i - 1]!;
  const bytes = wanted * (sums.at(-1) ?? 0);
  const index = lowerBound(sums, bytes);
  if (index >= sizes.length) return wanted;
  return (index + 1 - (sums[index]! - bytes) / sizes[index]!) / sizes.length;
}

/** Where one part ends and the next one begins. */
interface Border {
  readonly pfn: number;
  readonly keptBefore: number;
}

/** About behind the first `number` kept pages. */
function borderAt({ plan, shared }: Job, kept: KeptBits, number: number): Border {
  // The last window of which the kept pages do not begin behind it.
  const index = Math.max(0, lowerBound(shared.firstDescriptor, number) - 1);
  const before = shared.firstDescriptor[index]!;
  const { pfn, count } = windowSpan(plan, index);
  const bits = kept.read(index);
  const behind = Math.min(
    count,
    Math.round(endOfKept(bits, count, number - before) / BORDER_PAGES) * BORDER_PAGES,
  );
  return { pfn: pfn + behind, keptBefore: before + popcountIn(bits, 0, behind) };
}

/** Behind the first `number` set bits. */
function endOfKept(bits: Uint8Array, count: number, number: number): number {
  let rest = number;
  for (const [from, to] of runsOf(bits, 0, count)) {
    if (rest <= to - from) return from + rest;
    rest -= to - from;
  }
  return count;
}
