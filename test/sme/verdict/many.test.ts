/**
 * The verdict on many synthetic dumps of all kinds: no healthy or damaged one is stopped, every enciphered one is. A run makes 60 of them,
 * with SMELT_BIG=1 a thousand.
 */
import { expect, it } from 'vitest';
import type { DumpFile, MemoryReader } from '../../../src/read/dump-file.ts';
import type { Search } from '../../../src/workers/describe.ts';
import { PageCipher } from '../../build/cipher.ts';
import { pageContent, xorshift } from '../../build/page-content.ts';
import { type BuiltVmcore, buildVmcore } from '../../build/vmcore.ts';
import type { PageSpec, VmcoreOptions } from '../../build/vmcore-options.ts';
import { tempFiles } from '../../read/temp-files.ts';
import { type Change, deciphered, enciphered, type JudgeDumpOptions, judgeDump } from './judging.ts';

const DUMPS = process.env.SMELT_BIG ? 1000 : 60;
/** One in so many is enciphered as well. */
const ENCIPHERED = process.env.SMELT_BIG ? 2 : 3;
const KERNELS = ['4.19', '5.10', '6.1', '6.4', '6.6', '6.9', '6.10', '6.11', '6.12', '6.16', '7.3'] as const;
const MODELS = ['vmemmap', 'vmemmap', 'sparsemem', 'sparsemem-static', 'flatmem'] as const;
const MIB = 2 ** 20;
const PAGE = 4096;

type Chance = ReturnType<typeof chanceOf>;

function chanceOf(seed: number) {
  const next = xorshift(seed);
  for (let i = 0; i < 8; i++) next();
  const below = (n: number) => next() % n;
  return {
    below,
    oneOf: <T>(items: readonly T[]): T => items[below(items.length)]!,
    /** True once in `n`. */
    once: (n: number) => below(n) === 0,
  };
}

interface AnyMachine {
  readonly options: VmcoreOptions;
  /** What stands in the pages that are not the kernel's own structures: put there when they are read, which is faster. */
  readonly contents: Change;
}

/** Page frames that are of one kind and have the same sort of contents. */
const RUN = 64;

/** Any machine: 24 to 64 MiB in one or two ranges, pages of all kinds with all sorts of contents; many have mostly random ones. */
function anyMachine(path: string, { below, oneOf, once }: Chance): AnyMachine {
  const end = (24 + below(41)) * MIB;
  const ram = once(3)
    ? [
        { start: 0, end: 640 * 1024 },
        { start: MIB, end },
      ]
    : [{ start: 0, end }];
  const kernelOffset = oneOf([0n, 0n, 0x200000n]);
  const memoryModel = oneOf(MODELS);
  const pages: PageSpec[] = [];
  const data = new Map<number, 'zero' | 'text' | 'random'>();
  const randomIn100 = oneOf([0, 20, 60, 95, 100, 100]);
  // The image stands at 16 MiB and grows to less than 20; the kernel's own structures come from the end.
  const first = 20 * 256 + 512;
  for (let pfn = first; pfn + RUN < end / PAGE - 1024; pfn += RUN) {
    const kind = oneOf(['anon', 'anon', 'cache', 'cachePrivate', 'kernel', 'slab'] as const);
    pages.push({ pfn, count: RUN, kind });
    data.set(pfn / RUN, below(100) < randomIn100 ? 'random' : oneOf(['zero', 'text', 'random']));
  }
  const contents: Change = (pfn, page) => {
    const sort = data.get(Math.floor(pfn / RUN));
    if (sort !== undefined && sort !== 'zero') page.set(pageContent(sort, pfn));
  };
  const options: VmcoreOptions = {
    path,
    ram,
    pages,
    kernelOffset,
    memoryModel,
    kernel: oneOf(KERNELS),
    levels: memoryModel === 'flatmem' ? 4 : oneOf([4, 5]),
    smeMask: oneOf([0n, 0n, 1n << 47n, 1n << 51n]),
    leaf: oneOf(['4k', '2m']),
    directLeaf: oneOf(['4k', '2m']),
    fill: oneOf(['kernel', 'buddy']),
    vmcoreinfo: oneOf(['note', 'memory', 'none']),
    qemuNote: once(2),
    cpus: oneOf([0, 1, 4]),
    textPages: oneOf([64, 512]),
  };
  return { options, contents };
}

/** What can happen to a healthy dump besides; undefined: nothing. */
const DAMAGES: readonly ((core: BuiltVmcore, chance: Chance) => JudgeDumpOptions)[] = [
  () => ({}),
  () => ({ notes: () => false }),
  () => ({ notes: (name) => name !== 'VMCOREINFO' }),
  // The top-level table zeroed, or overwritten with garbage.
  ({ tables }) => ({ change: onPage(tables.pgdPaddr, (page) => page.fill(0)) }),
  ({ tables }) => ({ change: onPage(tables.pgdPaddr, (page) => page.set(pageContent('random', 1))) }),
  // All that is in QEMU's notes and VMCOREINFO besides.
  ({ tables }) => ({ notes: () => false, change: onPage(tables.pgdPaddr, (page) => page.fill(0)) }),
  // CR3 leads anywhere.
  (_, { below }) => ({
    notes: (name) => name !== 'VMCOREINFO',
    search: undefined,
    file: (file) => withCr3(file, BigInt(below(20000) * PAGE)),
  }),
  // The file ends early.
  (_, { below }) => ({ file: cutTo(0.02 + below(90) / 100) }),
  (_, { below }) => ({ notes: () => false, file: cutTo(0.02 + below(90) / 100) }),
];

function onPage(paddr: number, change: (page: Buffer) => void): Change {
  return (pfn, page) => {
    if (pfn === paddr / PAGE) change(page);
  };
}

function withCr3(file: DumpFile, cr3: bigint): DumpFile {
  const notes = Buffer.from(file.notes);
  const at = notes.indexOf('QEMU\0');
  if (at >= 0) notes.writeBigUInt64LE(cr3, at + 8 + 392 + 24);
  return { ...file, notes };
}

function cutTo(share: number): (file: DumpFile) => DumpFile {
  return (file) => {
    if (file.format !== 'elf') return file;
    let left = Math.floor(file.fileBytes * share);
    const sizeBytes = file.stored.sizeBytes.map((size) => {
      const kept = Math.min(size, left);
      left -= kept;
      return kept;
    });
    return { ...file, stored: { ...file.stored, sizeBytes } };
  };
}

const cipher = new PageCipher('many');

/** Page frames that the machine shares with its devices: 6 %, data of files, compressed data and zeros. */
const SHARED = 0.06;
function sharing(core: BuiltVmcore, change: (isPlain: (pfn: number) => boolean) => Change): Change {
  const pages = core.sizeBytes / PAGE;
  const first = Math.floor(pages / 3);
  const isPlain = (pfn: number) => pfn >= first && pfn < first + pages * SHARED;
  const rest = change(isPlain);
  return (pfn, page) => {
    if (isPlain(pfn)) page.set(pageContent((['text', 'zero', 'random'] as const)[pfn % 3]!, pfn));
    rest(pfn, page);
  };
}

const CIPHERTEXTS: readonly ((core: BuiltVmcore) => JudgeDumpOptions)[] = [
  () => ({ change: deciphered(cipher), notes: () => false }),
  (core) => ({ change: sharing(core, (isPlain) => enciphered(cipher, isPlain)), notes: () => false }),
  (core) => ({
    change: sharing(core, (isPlain) => enciphered(cipher, isPlain)),
    notes: (name) => name !== 'VMCOREINFO',
  }),
  // A guest has never written to most of its memory: what its host sees there is zero.
  () => ({
    change: (pfn, page) => (pfn % 4 === 0 ? cipher.encipher(pfn, page) : void page.fill(0)),
    notes: (name) => name !== 'VMCOREINFO',
  }),
];

function both(first: Change, second: Change | undefined): Change {
  return (pfn, page) => {
    first(pfn, page);
    second?.(pfn, page);
  };
}

/** What the search through all of memory would find, where the page that it would find it in can be read. */
function searchFor({ tables, vmcoreinfoText }: BuiltVmcore): Search {
  const search = async function* (_: unknown, reader: MemoryReader) {
    const { vmcoreinfoNotePaddr: paddr } = tables;
    if (paddr !== undefined && reader.load(paddr / PAGE, 1) > 0) yield vmcoreinfoText;
  };
  return search as Search;
}

const files = tempFiles();

/** First of so many that one test makes. */
const SEEDS = Array.from({ length: Math.ceil(DUMPS / 100) }, (_, i) => i * 100 + 1);
const lastOf = (first: number) => Math.min(DUMPS, first + 99);

it.each(SEEDS)(
  'stops no dump that is not ciphertext, and each that is, from seed %i on',
  async (first) => {
    const path = files.path('core');
    const stopped: unknown[] = [];
    const missed: unknown[] = [];
    const outcomes: Record<string, number> = {};
    for (let seed = first; seed <= lastOf(first); seed++) {
      const chance = chanceOf(seed);
      const { options, contents } = anyMachine(path, chance);
      const core = buildVmcore(options);
      const which = seed % DAMAGES.length;
      const damage = DAMAGES[which]!(core, chance);
      const healthy = await judgeDump(path, {
        search: searchFor(core),
        ...damage,
        change: both(contents, damage.change),
      });
      const about = () => ({
        seed,
        which,
        ...options,
        pages: options.pages?.length,
        seen: healthy.verdict.seen,
      });
      if (!['readable', 'unknown'].includes(healthy.verdict.outcome)) stopped.push(about());
      outcomes[healthy.verdict.outcome] = (outcomes[healthy.verdict.outcome] ?? 0) + 1;

      if (seed % ENCIPHERED !== 0) continue;
      const kind = (seed / ENCIPHERED) % CIPHERTEXTS.length;
      const { change, notes } = CIPHERTEXTS[kind]!(core);
      const secret = await judgeDump(path, { change: both(contents, change), notes });
      if (secret.verdict.outcome !== 'ciphertext') missed.push({ seed, kind, ...secret.verdict });
    }
    expect(stopped).toEqual([]);
    expect(missed).toEqual([]);
    // Both ways to the answer were gone.
    expect(outcomes.readable).toBeGreaterThan(10);
    expect(outcomes.unknown).toBeGreaterThan(5);
  },
  1_200_000,
);
