/** The census of a dump: planned here, walked by all threads, and the shared page frames named. */

import { archByName } from '../arch/architectures.ts';
import { CachedMemory } from '../arch/memory.ts';
import { PageTableWalker } from '../arch/page-table.ts';
import { type Census, sumCensus } from '../sme/census/census.ts';
import { FrameSet } from '../sme/census/frame-set.ts';
import { MemoryRuns } from '../sme/census/memory-runs.ts';
import { planCensus } from '../sme/census/plan.ts';
import { nameShared, type SharedFrames } from '../sme/census/shared-uses.ts';
import { findTechnology } from '../sme/census/technology.ts';
import { findTables } from '../sme/mask-of-tables.ts';
import type { Description } from './describe.ts';
import type { Input } from './input.ts';
import type { CensusReport } from './report.ts';
import { sharedRanges } from './shared-ranges.ts';
import { takeSteps } from './steps.ts';
import type { Team } from './team.ts';

/** What is told of the census, and the page frames themselves. */
export interface TakenCensus {
  readonly census: Census;
  readonly report: CensusReport;
}

/**
 * Undefined where no page tables can be found. `ranges`: whether the shared ranges are told one by one; `look` throws when nobody
 * wants the census any more.
 */
export async function takeCensus(
  { file, description }: Input,
  team: Team,
  ranges: 'ranges' | 'sums',
  look: () => void,
): Promise<TakenCensus | undefined> {
  const { machine, info, encryptionMask } = description;
  const { thread } = team;
  const { reader } = thread;
  const arch = archByName(machine.arch)!;
  const found = await takeSteps(findTables(file, reader, arch, info, encryptionMask), look);
  if (found === undefined) return undefined;
  const { tables } = found;
  const memory = new MemoryRuns(file);
  const readable = thread.memoryMap();
  const vmemmap = readable?.map.vmemmap([...memory.starts], memory.limit);
  const plan = await takeSteps(planCensus({ reader, file, arch, info, vmemmap, ...found }), look);
  const census = await takeSteps(sumCensus(file, plan, await team.census(plan)), look);

  const walker = new PageTableWalker(new CachedMemory(reader), arch.tableFormat, tables);
  const shared = namedShared(census, description, { arch, walker, memory, pageSize: file.pageSize });
  const told =
    ranges === 'ranges' ? await takeSteps(sharedRanges(shared, file, reader, readable), look) : undefined;
  const { frames: _frames, ...figures } = census;
  return {
    census,
    report: {
      ...figures,
      // A mask that no entry has says nothing of what is active.
      technology:
        info &&
        findTechnology(info, machine.symbols, walker, census.pages.encrypted > 0 ? encryptionMask : 0n),
      shared: shared.map(({ use, frames }) => ({ use, pages: frames.count })),
      sharedRanges: told?.ranges ?? [],
      sharedRangeCount: told?.inAll,
    },
  };
}

/** Why the census does not say that memory was shared; undefined when it does. */
export function whyNothingShared({ census, report }: TakenCensus): string | undefined {
  const { meaning, pages } = census;
  if (meaning === 'none') return 'no page table has an encryption bit';
  // One bad entry would do: the kernel has to say so too.
  if (meaning === 'shared' && !report.technology?.features.includes('Intel TDX'))
    return 'nothing but a bit of the page tables says that this was a TDX guest';
  if (report.leftOut > 0) return 'some page frames had to be left out of the census';
  // A wrong mask makes all memory look shared; of a machine that runs most of it is not.
  const others = meaning === 'encrypted' ? pages.encrypted : pages.plain;
  return others < pages.shared
    ? 'more memory would be shared than not, so the encryption bit is not the right one'
    : undefined;
}

/** What --exclude-shared drops: page frames with no other mapping than a shared one. */
export function onlyShared({ frames }: Census): FrameSet {
  return FrameSet.from(frames.shared).minus(FrameSet.from(frames.both));
}

function namedShared(
  { frames }: Census,
  { machine, info }: Description,
  sources: Omit<Parameters<typeof nameShared>[1], 'info' | 'symbols'>,
): SharedFrames[] {
  const shared = FrameSet.from(frames.shared);
  const { symbols } = machine;
  if (info !== undefined && symbols !== undefined) return nameShared(shared, { ...sources, info, symbols });
  return shared.count === 0 ? [] : [{ use: undefined, frames: shared }];
}
