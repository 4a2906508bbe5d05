/** The first step of the census, in one thread: upper tables, large leaves, and pieces of work for the lowest tables. */

import type { Arch, SymbolSource, VirtualRange } from '../../arch/arch.ts';
import { archByName } from '../../arch/architectures.ts';
import { EntryWords, type PageTables } from '../../arch/page-table.ts';
import { TableReader } from '../../arch/table-reader.ts';
import type { MemoryReader } from '../../read/dump-file.ts';
import { FrameSet } from './frame-set.ts';
import { type MemoryOf, MemoryRuns } from './memory-runs.ts';
import { type DirectMap, kernelRegions } from './regions.ts';
import { Tally, type TallyPart, type TallyRules } from './tally.ts';
import { MIDDLE_LEVEL, type Oddities, type UpperTables } from './upper-tables.ts';

/** Lowest tables followed at most: 32 TiB mapped by pages of 4 KiB have them. */
const MAX_LOWEST_TABLES = 2 ** 24;
/** And by the memory of the dump: each page mapped so many times, and as many tables besides as vmalloc may scatter. */
const MAPPINGS = 4;
const SCATTERED_TABLES = 2 ** 16;

/** A piece is a table of 1 GiB and those of its entries whose lowest tables are to be walked: at most 512. */
export interface CensusPlan {
  readonly arch: string;
  readonly rules: TallyRules;
  /** Tables of 1 GiB, one a piece: page frame, and the first virtual page that it maps. */
  readonly tables: Float64Array;
  readonly vpns: Float64Array;
  /** A bit an entry, `todoWords` words a piece. */
  readonly todo: Int32Array;
  readonly todoWords: number;
  /** Lowest tables in all pieces together: what there is to do. */
  readonly lowestTables: number;
  /** What the first step counted itself. */
  readonly part: TallyPart;
  /** Tables named, as [without, with] the encryption bit in the entry that names them, by level; 1 is the lowest. */
  readonly named: readonly (readonly [number, number])[];
  readonly oddities: Oddities;
}

export interface CensusInput {
  readonly reader: MemoryReader;
  readonly file: MemoryOf;
  readonly arch: Arch;
  readonly tables: PageTables;
  readonly upper: UpperTables;
  readonly direct: DirectMap | undefined;
  readonly info: SymbolSource | undefined;
  /** Where struct pages are mapped, if they are one array. */
  readonly vmemmap: VirtualRange | undefined;
}

/** A step is a table of 1 GiB. */
export function* planCensus(input: CensusInput): Generator<void, CensusPlan> {
  const { reader, file, arch, tables, upper, direct, info, vmemmap } = input;
  const memory = new MemoryRuns(file);
  const regions = kernelRegions(arch, info, memory, direct, vmemmap);
  const rules = { encryptionMask: tables.encryptionMask, regions, directOffset: direct?.offset };
  const tally = new Tally(arch.tableFormat, memory, rules);
  for (const { level, low, high, vpn } of upper.huge) {
    tally.enter(vpn);
    tally.leaf(level, low, high, vpn);
  }
  const pieces = yield* planPieces(reader, arch, tables, upper, tally, memory);
  return {
    arch: arch.name,
    rules,
    ...pieces,
    part: tally.part(),
    named: upper.named,
    oddities: upper.oddities,
  };
}

/** More tables of `pages` pages than a machine with this memory can have are not followed. */
export function mostLowestTables(
  { pages: memoryPages, starts }: Pick<MemoryRuns, 'pages' | 'starts'>,
  pages: number,
): number {
  const pieces = memoryPages / pages + 2 * starts.length;
  return Math.min(MAX_LOWEST_TABLES, pieces * MAPPINGS + SCATTERED_TABLES);
}

function* planPieces(
  reader: MemoryReader,
  { tableFormat: format }: Arch,
  { encryptionMask }: PageTables,
  { middle, levelOf, named, oddities }: UpperTables,
  tally: Tally,
  memory: MemoryRuns,
): Generator<void, Pick<CensusPlan, 'tables' | 'vpns' | 'todo' | 'todoWords' | 'lowestTables'>> {
  const entry = new EntryWords(format, encryptionMask);
  const table = new TableReader(reader);
  const { words, entries } = table;
  const todoWords = Math.ceil(entries / 32);
  const pages = 2 ** format.bitsPerLevel;
  const { limit } = memory;
  const lowest = new FrameSet(limit);
  let lowestTables = 0;
  const most = mostLowestTables(memory, pages);
  const pieces: { pfn: number; vpn: number; todo: Int32Array }[] = [];
  for (const { pfn, vpn } of middle) {
    if (!table.load(pfn)) {
      oddities.missingTables++;
      continue;
    }
    yield;
    let todo: Int32Array | undefined;
    for (let i = 0; i < entries; i++) {
      const low = words[2 * i]!;
      if (!format.isPresent(low)) continue;
      const high = words[2 * i + 1]!;
      if (format.isLeaf(low, MIDDLE_LEVEL)) {
        tally.enter(vpn + i * pages);
        tally.leaf(MIDDLE_LEVEL, low, high, vpn + i * pages);
        continue;
      }
      const next = entry.pfn(low, high);
      if (levelOf.has(next)) oddities.tablesAtTwoLevels++;
      else if (next >= limit) oddities.missingTables++;
      else if (lowest.has(next)) oddities.aliases++;
      else if (lowestTables >= most) oddities.beyondLimit++;
      else {
        lowest.add(next);
        lowestTables++;
        named[1]![(high & entry.maskHigh) === 0 ? 0 : 1]++;
        todo ??= new Int32Array(todoWords);
        todo[i >>> 5]! |= 1 << (i & 31);
      }
    }
    if (todo !== undefined) pieces.push({ pfn, vpn, todo });
  }
  const todo = new Int32Array(pieces.length * todoWords);
  pieces.forEach((piece, i) => {
    todo.set(piece.todo, i * todoWords);
  });
  return {
    tables: Float64Array.from(pieces, (piece) => piece.pfn),
    vpns: Float64Array.from(pieces, (piece) => piece.vpn),
    todo,
    todoWords,
    lowestTables,
  };
}

/** What a thread has counted; plain data. */
export interface CensusPart extends TallyPart {
  readonly missingTables: number;
}

/** One thread's part: it takes pieces in any order, each of which is a bounded step, and then gives its sums. */
export class CensusWalker {
  private readonly plan: CensusPlan;
  private readonly tally: Tally;
  private readonly entry: EntryWords;
  private readonly middle: TableReader;
  private readonly lowest: TableReader;
  private readonly pagesPerEntry: number;
  private missingTables = 0;

  constructor(reader: MemoryReader, file: MemoryOf, plan: CensusPlan) {
    const format = archByName(plan.arch)!.tableFormat;
    this.plan = plan;
    this.tally = new Tally(format, new MemoryRuns(file), plan.rules, plan.part.frames);
    this.entry = new EntryWords(format, plan.rules.encryptionMask);
    this.middle = new TableReader(reader);
    this.lowest = new TableReader(reader);
    this.pagesPerEntry = 2 ** format.bitsPerLevel;
  }

  /** Does piece `index` and returns how many lowest tables it had. */
  walk(index: number): number {
    const { tables, vpns, todo, todoWords } = this.plan;
    if (!this.middle.load(tables[index]!)) return 0;
    let done = 0;
    for (let i = 0; i < this.middle.entries; i++) {
      if ((todo[index * todoWords + (i >>> 5)]! & (1 << (i & 31))) === 0) continue;
      const pfn = this.entry.pfn(this.middle.words[2 * i]!, this.middle.words[2 * i + 1]!);
      if (this.lowest.load(pfn))
        this.tally.lowestTable(this.lowest.words, this.lowest.entries, vpns[index]! + i * this.pagesPerEntry);
      else this.missingTables++;
      done++;
    }
    return done;
  }

  part(): CensusPart {
    return { ...this.tally.part(), missingTables: this.missingTables };
  }
}
