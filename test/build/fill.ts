/** Free memory: what fills the gaps, and which sections of it are all alike. */

import type { KernelProfile } from './kernel-profile.ts';
import { sectionPages } from './memmap.ts';
import { lookOf } from './page-kinds.ts';
import { type PfnRange, type Run, runAt, runEnd, sortRuns } from './runs.ts';
import { zoneOf } from './struct-pages.ts';

/** Free blocks of a gap: the largest that alignment and room allow, as the buddy allocator merges them. */
export function buddyRuns(kernel: KernelProfile, gap: PfnRange): Run[] {
  const looks = Array.from({ length: 11 }, (_, order) => lookOf(kernel, 'buddy', { order }));
  const runs: Run[] = [];
  for (let pfn = gap.start; pfn < gap.end; ) {
    let order = 10;
    while (order > 0 && (pfn % 2 ** order !== 0 || pfn + 2 ** order > gap.end)) order--;
    const last = runs.at(-1);
    if (last?.look === looks[order]) runs[runs.length - 1] = { ...last, blocks: last.blocks + 1 };
    else runs.push({ pfn, blocks: 1, look: looks[order] });
    pfn += 2 ** order;
  }
  return runs;
}

/** Sections that are all free blocks of one order in one zone: their struct pages are equal. */
export function uniformSections(
  runs: readonly Run[],
  usable: readonly PfnRange[],
): (firstPfn: number) => string | undefined {
  const sorted = sortRuns(runs);
  return (firstPfn) => {
    const end = firstPfn + sectionPages;
    const run = runAt(sorted, firstPfn);
    if (!run || runEnd(run) < end) return undefined;
    if (run.look.name !== 'buddy' || !usable.some((u) => u.start <= firstPfn && u.end >= end))
      return undefined;
    return zoneOf(firstPfn) === zoneOf(end - 1) ? `${run.look.order}/${zoneOf(firstPfn)}` : undefined;
  };
}
