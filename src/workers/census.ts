/** The census of a dump: planned here, walked by all threads, and the shared page frames named. */

import { archByName } from '../arch/architectures.ts';
import { CachedMemory } from '../arch/memory.ts';
import { PageTableWalker } from '../arch/page-table.ts';
import { WindowClassifier } from '../filter/classify.ts';
import { ClassIndex, DumpLevel, PAGE_CLASSES } from '../filter/page-class.ts';
import { type Census, sumCensus } from '../sme/census/census.ts';
import { FrameSet } from '../sme/census/frame-set.ts';
import { MemoryRuns } from '../sme/census/memory-runs.ts';
import { planCensus } from '../sme/census/plan.ts';
import { nameShared, type SharedFrames } from '../sme/census/shared-uses.ts';
import { findTechnology } from '../sme/census/technology.ts';
import { findTables } from '../sme/mask-of-tables.ts';
import type { Description } from './describe.ts';
import type { Input } from './input.ts';
import type { CensusReport, SharedRange } from './report.ts';
import type { Team } from './team.ts';
import type { Thread } from './thread.ts';

/** What is told of the census, and the page frames themselves. */
export interface TakenCensus {
  readonly census: Census;
  readonly report: CensusReport;
}

/** Runs of shared page frames that are told one by one; what is beyond is in the sums only. */
const MAX_RANGES = 10_000;
/** Blocks and compound pages of a range's first page frame begin at a multiple of this at most (2 MiB of 4 KiB pages). */
const BLOCK_PAGES = 512;

/** Undefined where no page tables can be found. `ranges`: whether the shared ranges are told one by one. */
export async function takeCensus(
  { file, description }: Input,
  team: Team,
  ranges: 'ranges' | 'sums',
): Promise<TakenCensus | undefined> {
  const { machine, info, encryptionMask } = description;
  const { thread } = team;
  const { reader } = thread;
  const arch = archByName(machine.arch)!;
  const tables = findTables(file, reader, arch, info, encryptionMask);
  if (tables === undefined) return undefined;
  const memory = new MemoryRuns(file);
  const vmemmap = thread.memoryMap()?.map.vmemmap([...memory.starts], memory.limit);
  const plan = planCensus({ reader, file, arch, tables, info, vmemmap });
  const census = sumCensus(file, plan, await team.census(plan));

  const walker = new PageTableWalker(new CachedMemory(reader), arch.tableFormat, tables);
  const shared = namedShared(census, description, { arch, walker, memory, pageSize: file.pageSize });
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
      sharedRanges: ranges === 'ranges' ? sharedRanges(shared, thread) : [],
    },
  };
}

/** The first ones, in ascending order. */
function sharedRanges(shared: readonly SharedFrames[], thread: Thread): SharedRange[] {
  const runs = shared.flatMap(({ use, frames }) =>
    [...take(frames.runs(), MAX_RANGES)].map((run) => ({ use, run })),
  );
  const first = runs.sort((a, b) => a.run[0] - b.run[0]).slice(0, MAX_RANGES);
  return first.map(({ use, run: [pfn, end] }) => ({
    pfn,
    count: end - pfn,
    use,
    classes: classesIn(thread, pfn, end),
  }));
}

function* take<T>(values: Iterable<T>, most: number): Generator<T> {
  let taken = 0;
  for (const value of values) {
    if (taken++ === most) return;
    yield value;
  }
}

/** Why the census does not say that memory was shared; undefined when it does. */
export function whyNothingShared({ census, report }: TakenCensus): string | undefined {
  const { meaning, pages } = census;
  if (meaning === 'none') return 'no page table has an encryption bit';
  // One bad entry would do: the kernel has to say so too.
  if (meaning === 'shared' && !report.technology?.features.includes('Intel TDX'))
    return 'nothing but a bit of the page tables says that this was a TDX guest';
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

/** Of what classes the pages of a range are; undefined where there is no memory map. Pages of no other class are "kernel". */
function classesIn(thread: Thread, pfn: number, end: number): SharedRange['classes'] {
  const readable = thread.memoryMap();
  if (readable === undefined) return undefined;
  const from = pfn - (pfn % BLOCK_PAGES);
  const level = DumpLevel.cachePrivate | DumpLevel.user | DumpLevel.free;
  const countTo = (to: number) => {
    const classifier = new WindowClassifier(thread.reader, readable, level);
    classifier.classify(from, to - from, new Uint8Array(Math.ceil((to - from) / 8)).fill(0xff));
    return classifier.classes;
  };
  // Counted from where its block may begin, without what lies before it.
  const [before, all] = [countTo(pfn), countTo(end)];
  const found = PAGE_CLASSES.map((name, i) => [name, all[i]! - before[i]!] as const);
  const others = found.reduce((sum, [, pages]) => sum + pages, 0);
  const kernel = [PAGE_CLASSES[ClassIndex.kernel]!, end - pfn - others] as const;
  return Object.fromEntries([kernel, ...found].filter(([, pages]) => pages > 0));
}
