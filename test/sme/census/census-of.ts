/** Takes the census of memory, in one part or in several as threads do it. */
import type { SymbolSource, VirtualRange } from '../../../src/arch/arch.ts';
import { archByName } from '../../../src/arch/architectures.ts';
import type { PageTables } from '../../../src/arch/page-table.ts';
import type { MemoryReader } from '../../../src/read/dump-file.ts';
import { type Census, sumCensus } from '../../../src/sme/census/census.ts';
import { FrameSet, type FrameSetData } from '../../../src/sme/census/frame-set.ts';
import { type MemoryOf, MemoryRuns } from '../../../src/sme/census/memory-runs.ts';
import { type CensusPlan, CensusWalker, planCensus } from '../../../src/sme/census/plan.ts';
import { findDirectMap } from '../../../src/sme/census/regions.ts';
import { collectUpperTables } from '../../../src/sme/census/upper-tables.ts';

export const x86_64 = archByName('x86_64')!;

export interface Asked {
  readonly reader: MemoryReader;
  readonly file: MemoryOf;
  readonly tables: PageTables;
  readonly info?: SymbolSource | undefined;
  readonly vmemmap?: VirtualRange | undefined;
}

export function planOf({ info, vmemmap, ...asked }: Asked): CensusPlan {
  const { reader, file, tables } = asked;
  const memory = new MemoryRuns(file);
  const upper = collectUpperTables(reader, x86_64.tableFormat, tables, memory);
  const direct = lastOf(findDirectMap(reader, x86_64, tables, upper, memory));
  return lastOf(planCensus({ ...asked, arch: x86_64, info, vmemmap, upper, direct }));
}

/** What steps come to. */
export function lastOf<T>(steps: Generator<void, T>): T {
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value as T;
  }
}

/** The plan and the parts cross to a thread and back, as far as that can be shown here. */
export function censusOf(asked: Asked, threads = 1): Census {
  const { reader, file } = asked;
  const plan = structuredClone(planOf(asked));
  const walkers = Array.from({ length: threads }, () => new CensusWalker(reader, file, plan));
  for (let piece = plan.tables.length - 1; piece >= 0; piece--) walkers[piece % threads].walk(piece);
  const parts = walkers.map((walker) => structuredClone(walker.part()));
  return lastOf(sumCensus(file, plan, parts));
}

/** A census without its sets' inner structure, to compare. */
export function plainCensus({ frames, ...rest }: Census) {
  const entries = Object.entries(frames) as [keyof Census['frames'], FrameSetData][];
  return { ...rest, runs: Object.fromEntries(entries.map(([name, data]) => [name, runsOf(data)])) };
}

export const runsOf = (data: FrameSetData): [number, number][] => [...FrameSet.from(data).runs()];
