/** Which kept pages go to which of several outputs: as many to one as to the other. */

import { type Plan, windowSpan } from '../../filter/plan.ts';
import { popcountIn, runsOf } from '../../read/bitmap.ts';
import type { Part, Shared } from '../job.ts';
import type { KeptBits } from '../sums.ts';

/** Parts one behind the other, from page frame 0 to the end of memory. */
export function partsOf(
  plan: Plan,
  shared: Shared,
  kept: KeptBits,
  keptPages: number,
  count: number,
): readonly Part[] {
  const parts: Part[] = [];
  let startPfn = 0;
  let firstDescriptor = 0;
  for (let number = 1; number <= count; number++) {
    const last = number === count;
    const descriptor = last ? keptPages : Math.floor((keptPages * number) / count);
    const endPfn = last ? plan.maxMapnr : pfnOfKept(plan, shared, kept, descriptor);
    parts.push({ startPfn, endPfn, firstDescriptor, keptPages: descriptor - firstDescriptor });
    startPfn = endPfn;
    firstDescriptor = descriptor;
  }
  return parts;
}

/** The first page frame behind the first `number` kept ones. */
function pfnOfKept(plan: Plan, shared: Shared, kept: KeptBits, number: number): number {
  if (number === 0) return 0;
  // The last window of which the kept pages do not begin behind it.
  let index = shared.firstDescriptor.length - 1;
  while (index > 0 && shared.firstDescriptor[index]! >= number) index--;
  const { pfn, count } = windowSpan(plan, index);
  const bits = kept.read(index);
  let rest = number - shared.firstDescriptor[index]!;
  for (const [from, to] of runsOf(bits, 0, count)) {
    if (rest <= to - from) return pfn + from + rest;
    rest -= popcountIn(bits, from, to);
  }
  return pfn + count;
}
