/** The census: what the crashed kernel's page tables say of each page frame, above all whether it was encrypted. */

import { archByName } from '../../arch/architectures.ts';
import { maskBit } from '../mask-bits.ts';
import { FrameSet, type FrameSetData } from './frame-set.ts';
import { type MemoryOf, MemoryRuns } from './memory-runs.ts';
import type { CensusPart, CensusPlan } from './plan.ts';
import { REGION_NAMES, type RegionName } from './regions.ts';
import { FIRST_SHARED, KINDS, LEAF_LEVELS, MARKED, PLAIN, SHARED_BITS, type TallyPart } from './tally.ts';
import type { Oddities } from './upper-tables.ts';

/**
 * What the bit in the page tables means. "encrypted": it is set where memory was encrypted (AMD SME and SEV). "shared": it
 * is set where memory was not private to the guest (Intel TDX, which exports no mask: the bit was seen in some entries of
 * the direct map; whether the rest is encrypted, the tables do not say). "none": there is no such bit.
 */
export type BitMeaning = 'encrypted' | 'shared' | 'none';

/** Leaves or tables by what stands in the entry. */
export interface ByBit {
  readonly withBit: number;
  readonly withoutBit: number;
}

export interface RegionCensus extends ByBit {
  readonly name: RegionName;
  /** Virtual pages mapped to what is not memory of the dump: devices, and memory that it leaves out. */
  readonly outside: number;
}

/** A TDX guest shares its bounce buffer with devices, mostly 32 leaves of 2 MiB (IO_TLB_DEFAULT_SIZE). A bit in fewer leaves is a broken entry. */
const FEWEST_SHARED_LEAVES = 4;
const SHARED_KINDS = SHARED_BITS.map((_, i) => FIRST_SHARED + i);

/** Plain data. Pages are those of the base size; `frames` sets may be made with FrameSet.from. */
export interface Census {
  readonly meaning: BitMeaning;
  /** Undefined where there is none. */
  readonly bit: number | undefined;
  readonly frames: {
    /** Mapped with the bit where it means "encrypted"; else empty. */
    readonly encrypted: FrameSetData;
    /** Mapped without the bit where it means "encrypted", with it where it means "shared"; else empty. */
    readonly shared: FrameSetData;
    /** Mapped without a bit that means "shared", or where there is no bit: nothing is said of encryption. */
    readonly plain: FrameSetData;
    /** In two of the above: two mappings contradict each other. */
    readonly both: FrameSetData;
  };
  /** How many page frames each of the sets has, how many the dump's memory has, and how many of those the kernel did not map. */
  readonly pages: Readonly<Record<'memory' | 'encrypted' | 'shared' | 'plain' | 'both' | 'unmapped', number>>;
  /** Leaves that map 2^`bytesShift` bytes, the smallest first. */
  readonly leaves: readonly (ByBit & { readonly bytesShift: number })[];
  /** Tables by level (1 is the lowest), by the entry that names them; the top-level table has none. */
  readonly tables: readonly (ByBit & { readonly level: number })[];
  /** Virtual pages mapped to memory, by what they are. */
  readonly regions: readonly RegionCensus[];
  readonly oddities: Readonly<Oddities>;
  /** Page frames that were left out because memory, or what is mapped of it, lies in more pieces than a machine can have. */
  readonly leftOut: number;
}

/** Adds up what the plan and the walkers of all of its pieces have counted. A step goes over all page frames once. */
export function* sumCensus(
  file: MemoryOf,
  plan: CensusPlan,
  parts: readonly CensusPart[],
): Generator<void, Census> {
  const memory = new MemoryRuns(file);
  const format = archByName(plan.arch)!.tableFormat;
  const all: readonly TallyPart[] = [plan.part, ...parts];
  const sum = (value: (part: TallyPart) => number) => all.reduce((total, part) => total + value(part), 0);
  const sets: FrameSet[] = [];
  for (let kind = 0; kind < KINDS; kind++) {
    const set = new FrameSet(memory.limit);
    for (const part of all) set.addAll(FrameSet.from(part.frames[kind]!));
    yield;
    sets.push(set.clip(memory));
    yield;
  }
  const encrypted = sets[MARKED]!;
  const plain = sets[PLAIN]!;
  const { meaning, bit, kind } = meaningOf(plan, encrypted.count, plain.count, sum);
  // A bit that says nothing is a broken entry: what it maps is mapped all the same.
  const stray = SHARED_KINDS.filter((each) => each !== kind);
  for (const each of stray) plain.addAll(sets[each]!);
  yield;
  const none = new FrameSet(memory.limit);
  const own = meaning === 'shared' ? sets[kind!]! : encrypted;
  const both = own.and(plain);
  yield;
  const frames = {
    encrypted,
    shared: meaning === 'encrypted' ? plain : meaning === 'shared' ? own : none,
    plain: meaning === 'encrypted' ? none : plain,
    both,
  };
  const unmapped = memory.pages - own.count - plain.count + both.count;
  const byBit = (column: (part: TallyPart) => Float64Array): ByBit => ({
    withBit: kind === undefined ? 0 : sum((part) => column(part)[kind]!),
    withoutBit: sum((part) => [PLAIN, ...stray].reduce((total, each) => total + column(part)[each]!, 0)),
  });
  return {
    meaning,
    bit,
    frames: mapValues(frames, (set) => set.data),
    pages: { memory: memory.pages, ...mapValues(frames, (set) => set.count), unmapped },
    leaves: Array.from({ length: LEAF_LEVELS }, (_, i) => ({
      bytesShift: format.pageShift + i * format.bitsPerLevel,
      ...byBit((part) => part.leaves[i + 1]!),
    })),
    tables: plan.named.flatMap(([withoutBit, withBit], level) =>
      level === 0 || level === plan.named.length - 1 ? [] : [{ level, withBit, withoutBit }],
    ),
    regions: REGION_NAMES.map((name, i) => ({
      name,
      ...byBit((part) => part.mapped[i]!),
      outside: sum((part) => part.outside[i]!),
    })),
    oddities: {
      ...plan.oddities,
      missingTables: parts.reduce((total, part) => total + part.missingTables, plan.oddities.missingTables),
      badAddresses:
        sum((part) => part.badAddresses) + stray.reduce((total, each) => total + leavesOf(each, sum), 0),
    },
    leftOut: memory.leftOut + sets.reduce((total, set) => total + set.lost, 0),
  };
}

/** Which kind of leaf has the bit, and what that says. */
function meaningOf(
  plan: CensusPlan,
  markedPages: number,
  plainPages: number,
  sum: (value: (part: TallyPart) => number) => number,
): { meaning: BitMeaning; bit: number | undefined; kind: number | undefined } {
  const { encryptionMask } = plan.rules;
  const nothing = { meaning: 'none', bit: undefined, kind: undefined } as const;
  // A mask that no leaf has, of a wrong --sme-mask for one, says nothing.
  if (encryptionMask !== 0n)
    return markedPages === 0 ? nothing : { meaning: 'encrypted', bit: maskBit(encryptionMask), kind: MARKED };
  const [only, ...others] = SHARED_KINDS.filter((kind) => leavesOf(kind, sum) >= FEWEST_SHARED_LEAVES);
  // A bit that all entries have is no bit that tells private and shared memory apart, and there is only one.
  return only === undefined || others.length > 0 || plainPages === 0
    ? nothing
    : { meaning: 'shared', bit: SHARED_BITS[only - FIRST_SHARED]!, kind: only };
}

/** How many leaves of a kind there are, of any size. */
function leavesOf(kind: number, sum: (value: (part: TallyPart) => number) => number): number {
  return sum((part) => part.leaves.reduce((total, level) => total + level[kind]!, 0));
}

function mapValues<K extends string, T, U>(record: Record<K, T>, map: (value: T) => U): Record<K, U> {
  const entries = Object.entries(record) as [K, T][];
  return Object.fromEntries(entries.map(([key, value]) => [key, map(value)])) as Record<K, U>;
}
