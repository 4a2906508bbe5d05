/** Free memory: what fills the gaps. */
import type { KernelProfile } from './kernel-profile.ts';
import { lookOf } from './page-kinds.ts';
import type { PfnRange, Run } from './runs.ts';

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
