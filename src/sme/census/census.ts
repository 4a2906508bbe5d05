/** The census: what the crashed kernel's page tables say of each page frame, above all whether it was encrypted. */

import { archByName } from '../../arch/architectures.ts';
import { maskBit } from '../mask-bits.ts';
import { FrameSet, type FrameSetData } from './frame-set.ts';
import { type MemoryOf, MemoryRuns } from './memory-runs.ts';
import type { CensusPart, CensusPlan } from './plan.ts';
import { REGION_NAMES, type RegionName } from './regions.ts';
import { FIRST_SHARED, LEAF_LEVELS, MARKED, PLAIN, SHARED_BITS, type TallyPart } from './tally.ts';
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

/**
 * A TDX guest shares its bounce buffer with devices, of 64 MiB at least (IO_TLB_DEFAULT_SIZE): 32 leaves of 2 MiB. A bit in fewer
 * leaves is a broken entry.
 */
const FEWEST_SHARED_LEAVES = 32;
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
    /** Memory of the dump that the kernel did not map. */
    readonly unmapped: FrameSetData;
  };
  /** How many page frames each of the sets has, and how many the dump's memory has. */
  readonly pages: Readonly<Record<'memory' | 'encrypted' | 'shared' | 'plain' | 'both' | 'unmapped', number>>;
  /** Leaves that map 2^`bytesShift` bytes, the smallest first. */
  readonly leaves: readonly (ByBit & { readonly bytesShift: number })[];
  /** Tables by level (1 is the lowest), by the entry that names them; the top-level table has none. */
  readonly tables: readonly (ByBit & { readonly level: number })[];
  /** Virtual pages mapped to memory, by what they are. */
  readonly regions: readonly RegionCensus[];
  readonly oddities: Readonly<Oddities>;
  /** Page frames that were left out because memory lies in more pieces than a machine can have. */
  readonly leftOut: number;
}

/** Adds up what the plan and the walkers of all of its pieces have counted. */
export function sumCensus(file: MemoryOf, plan: CensusPlan, parts: readonly CensusPart[]): Census {
  const memory = new MemoryRuns(file);
  const format = archByName(plan.arch)!.tableFormat;
  const all: readonly TallyPart[] = [plan.part, ...parts];
  const whole = new FrameSet(memory.limit);
  memory.starts.forEach((pfn, i) => {
    whole.add(pfn, memory.ends[i]! - pfn);
  });
  const framesOf = (kind: number) => {
    const set = new FrameSet(memory.limit);
    for (const part of all) set.addAll(FrameSet.from(part.frames[kind]!));
    return set.and(whole);
  };
  const sum = (value: (part: TallyPart) => number) => all.reduce((total, part) => total + value(part), 0);

  const marked = framesOf(MARKED);
  const plain = framesOf(PLAIN);
  const { meaning, bit, kind, shared } = meaningOf(plan, marked.count, plain.count, framesOf, sum);
  // A bit that says nothing is a broken entry: what it maps is mapped all the same.
  const stray = SHARED_KINDS.filter((each) => each !== kind);
  for (const each of stray) plain.addAll(framesOf(each));
  const none = new FrameSet(memory.limit);
  const frames = {
    encrypted: marked,
    shared: meaning === 'encrypted' ? plain : (shared ?? none),
    plain: meaning === 'encrypted' ? none : plain,
  };
  const { encrypted } = frames;
  const sets = {
    ...frames,
    both: meaning === 'encrypted' ? encrypted.and(frames.shared) : frames.plain.and(frames.shared),
    unmapped: whole
      .minus(marked)
      .minus(plain)
      .minus(shared ?? none),
  };
  const byBit = (column: (part: TallyPart) => Float64Array): ByBit => ({
    withBit: kind === undefined ? 0 : sum((part) => column(part)[kind]!),
    withoutBit: sum((part) => column(part)[PLAIN]!),
  });
  return {
    meaning,
    bit,
    frames: mapValues(sets, (set) => set.data),
    pages: { memory: memory.pages, ...mapValues(sets, (set) => set.count) },
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
    leftOut: memory.leftOut,
  };
}

/** Which kind of leaf has the bit, and what that says. */
function meaningOf(
  plan: CensusPlan,
  markedPages: number,
  plainPages: number,
  framesOf: (kind: number) => FrameSet,
  sum: (value: (part: TallyPart) => number) => number,
): { meaning: BitMeaning; bit: number | undefined; kind: number | undefined; shared: FrameSet | undefined } {
  const { encryptionMask } = plan.rules;
  // A mask that no leaf has, of a wrong --sme-mask for one, says nothing.
  if (encryptionMask !== 0n && markedPages === 0)
    return { meaning: 'none', bit: undefined, kind: undefined, shared: undefined };
  if (encryptionMask !== 0n)
    return { meaning: 'encrypted', bit: maskBit(encryptionMask), kind: MARKED, shared: undefined };
  const [only, ...others] = SHARED_KINDS.filter((kind) => leavesOf(kind, sum) >= FEWEST_SHARED_LEAVES);
  const shared = only === undefined || others.length > 0 ? undefined : framesOf(only);
  // A bit that all entries have is no bit that tells private and shared memory apart.
  return shared !== undefined && plainPages > 0
    ? { meaning: 'shared', bit: SHARED_BITS[only! - FIRST_SHARED], kind: only, shared }
    : { meaning: 'none', bit: undefined, kind: undefined, shared: undefined };
}

/** How many leaves of a kind there are, of any size. */
function leavesOf(kind: number, sum: (value: (part: TallyPart) => number) => number): number {
  return sum((part) => part.leaves.reduce((total, level) => total + level[kind]!, 0));
}

function mapValues<K extends string, T, U>(record: Record<K, T>, map: (value: T) => U): Record<K, U> {
  const entries = Object.entries(record) as [K, T][];
  return Object.fromEntries(entries.map(([key, value]) => [key, map(value)])) as Record<K, U>;
}
