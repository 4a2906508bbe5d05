/** Which kept pages go to which of several outputs: so many that all files come out about the same size, as a sample tells. */

import { windowSpan } from '../../filter/plan.ts';
import { runsOf } from '../../read/bitmap.ts';
import { lowerBound } from '../../read/extents.ts';
import { PageDescriptor } from '../../read/kdump-layout.ts';
import { spread } from '../../read/spread.ts';
import type { Job, Part } from '../job.ts';
import { openPageMeasure, type PageMeasure } from '../page-measure.ts';
import { takeSteps } from '../steps.ts';
import type { KeptBits } from '../sums.ts';
import type { Thread } from '../thread.ts';

/** One of so many kept pages is looked at, but no fewer than the least and no more than the most. */
const PAGES_OF_A_SAMPLE = 128;
const LEAST_SAMPLES = 512;
const MOST_SAMPLES = 16_384;

/** Parts one behind the other, from page frame 0 to the end of memory. */
export async function partsOf(
  thread: Thread,
  kept: KeptBits,
  keptPages: number,
  count: number,
): Promise<readonly Part[]> {
  const { job } = thread;
  if (count === 1) return [{ startPfn: 0, endPfn: job.plan.maxMapnr, firstDescriptor: 0, keptPages }];
  const sizes = await takeSteps(sampleSizes(job, kept, keptPages, await openPageMeasure(thread)));
  const parts: Part[] = [];
  let startPfn = 0;
  let firstDescriptor = 0;
  for (let number = 1; number <= count; number++) {
    const isLast = number === count;
    const share = isLast ? 1 : shareOf(sizes, number / count);
    const behind = isLast ? keptPages : Math.max(firstDescriptor, Math.round(share * keptPages));
    const endPfn = isLast ? job.plan.maxMapnr : Math.max(startPfn, pfnBehind(job, kept, behind));
    parts.push({ startPfn, endPfn, firstDescriptor, keptPages: behind - firstDescriptor });
    startPfn = endPfn;
    firstDescriptor = behind;
  }
  return parts;
}

/** The kept pages cut into equally many, one behind the other: what one page of each would take in the output. */
function* sampleSizes(
  { plan, shared }: Job,
  kept: KeptBits,
  keptPages: number,
  measure: PageMeasure,
): Generator<void, Float64Array> {
  const wanted = Math.ceil(keptPages / PAGES_OF_A_SAMPLE);
  const samples = Math.min(keptPages, MOST_SAMPLES, Math.max(LEAST_SAMPLES, wanted));
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

/** The first page frame behind the first `number` kept ones. */
function pfnBehind({ plan, shared }: Job, kept: KeptBits, number: number): number {
  if (number === 0) return 0;
  // The last window of which the kept pages do not begin behind it.
  const index = Math.max(0, lowerBound(shared.firstDescriptor, number) - 1);
  const { pfn, count } = windowSpan(plan, index);
  let rest = number - shared.firstDescriptor[index]!;
  for (const [from, to] of runsOf(kept.read(index), 0, count)) {
    if (rest <= to - from) return pfn + from + rest;
    rest -= to - from;
  }
  return pfn + count;
}
