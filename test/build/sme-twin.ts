/**
 * Makes of an ordinary dump what /proc/vmcore would show of the same machine with SME active: a stand-in for dumps of such machines.
 *
 * The encryption bit is in every present entry of every page table, but not in the direct map's leaves of page frames that are
 * shared, whose contents are noise: they lie plain in DRAM and are read through a mapping that deciphers. VMCOREINFO has
 * NUMBER(sme_mask), in the notes and in memory, and CR3 in QEMU's notes has the bit.
 * As ioremap() leaves them, leaves of devices stay without the bit: outside of the direct map, with no memory behind them.
 * Not done: kexec's own tables, .bss..decrypted, the variable vmcoreinfo_size, what the kernel's log says of encryption.
 */
import { CachedMemory } from '../../src/arch/memory.ts';
import { PageTableWalker } from '../../src/arch/page-table.ts';
import { WindowClassifier } from '../../src/filter/classify.ts';
import { architectureOf, describeMachine } from '../../src/kernel/machine.ts';
import { MemoryMap } from '../../src/kernel/memory-model.ts';
import { Vmcoreinfo, vmcoreinfoFromNotes } from '../../src/kernel/vmcoreinfo.ts';
import { testBit } from '../../src/read/bitmap.ts';
import { endOf, extentAt } from '../../src/read/extents.ts';
import { parseNotes } from '../../src/read/notes.ts';
import { existingBits } from '../../src/read/stored-pages.ts';
import { PageCipher, SEED } from './cipher.ts';
import { copyDump, forEachPage, openSource, type PfnRun, type SourceDump } from './copy-dump.ts';
import { pageSize } from './physical-pages.ts';
import { chooseShared } from './sme-twin-shared.ts';
import { DirectMap, framesOf, type TableEntry, tableEntries, topLevelTest } from './sme-twin-tables.ts';
import { beginningOf, notesWithMask, rewriteCopy } from './sme-twin-vmcoreinfo.ts';

export interface SmeTwinOptions {
  /** A whole dump without encryption, of any format that smelt reads, with a VMCOREINFO note. */
  readonly from: string;
  /** An ELF core file. */
  readonly to: string;
  /** 1n << 47n or 1n << 51n. */
  readonly mask: bigint;
  /** Default: what chooseShared finds. A large leaf of the direct map must be shared as a whole or not at all. */
  readonly shared?: readonly PfnRun[];
  /** Of the key by which shared page frames become noise. */
  readonly seed?: string;
}

export interface SmeTwin {
  readonly shared: readonly PfnRun[];
  /** Page frames of the top-level tables: init_top_pgt, and those of processes. */
  readonly roots: readonly number[];
  /** Tables and entries that have got the bit. */
  readonly tables: number;
  readonly entries: number;
  /** Present entries that have not: shared memory and devices. */
  readonly withoutBit: number;
  /** Texts of VMCOREINFO that were rewritten in memory. */
  readonly vmcoreinfoCopies: number;
}

export async function makeSmeTwin(options: SmeTwinOptions): Promise<SmeTwin> {
  const source = await openSource(options.from);
  try {
    return twinOf(source, options);
  } finally {
    source.close();
  }
}

function twinOf(source: SourceDump, { to, mask, seed, shared: asked }: SmeTwinOptions): SmeTwin {
  const { file } = source;
  const original = describeOriginal(source);
  const { format, tables, keptAt } = original;
  const kept = keptAt(31);
  const { roots, copies } = survey(source, original, kept);
  const all = tableEntries(source.page, format, roots, tables.levels);
  const direct = new DirectMap(all);
  const shared =
    asked ??
    chooseShared({
      ...original,
      source,
      entries: all,
      direct,
      notFree: keptAt(16),
      kept,
      inUse: copies.map(({ pfn }) => pfn),
    });

  const changed = new Map<number, Buffer>();
  const pageOf = (pfn: number): Buffer => {
    const page = changed.get(pfn) ?? source.page(pfn)!;
    changed.set(pfn, page);
    return page;
  };
  const isMemory = (paddr: number) => {
    const { memory } = file;
    const i = extentAt(memory, paddr);
    return i >= 0 && paddr < memory.paddr[i] + memory.sizeBytes[i];
  };
  const getsBit = (entry: TableEntry): boolean => {
    if (entry.leafBytes === undefined) return true;
    if (direct.has(entry)) return !isShared(entry, shared);
    return isMemory(entry.paddr);
  };
  const marked = all.filter(getsBit);
  for (const { table, index, raw } of marked) pageOf(table).writeBigUInt64LE(raw | mask, index * 8);
  const rewritten = copies.filter(({ pfn, at }) => rewriteCopy(pageOf(pfn), at, mask));

  const noisy = new Set(shared.flatMap(({ pfn, count }) => Array.from({ length: count }, (_, i) => pfn + i)));
  for (const pfn of changed.keys()) {
    if (noisy.has(pfn))
      throw new Error(`page frame ${pfn} cannot be shared: it is a page table or has VMCOREINFO`);
  }
  const cipher = new PageCipher(seed ?? SEED);
  copyDump(source, to, notesWithMask(file.notes, mask), (pfn, page) => {
    changed.get(pfn)?.copy(page);
    if (noisy.has(pfn)) cipher.decipher(pfn, page);
  });
  return {
    shared,
    roots,
    tables: new Set(marked.map(({ table }) => table)).size,
    entries: marked.length,
    withoutBit: all.length - marked.length,
    vmcoreinfoCopies: rewritten.length,
  };
}

/** One pass over memory: top-level tables in use (page frames, the kernel's first), and where texts of VMCOREINFO begin. */
function survey(source: SourceDump, { text, tables }: ReturnType<typeof describeOriginal>, kept: Uint8Array) {
  const root = tables.root / pageSize;
  const isTopLevel = topLevelTest(source.page(root)!);
  const beginning = beginningOf(text);
  const roots = [root];
  const copies: { readonly pfn: number; readonly at: number }[] = [];
  forEachPage(source, (pfn, page) => {
    if (pfn !== root && isTopLevel(page) && testBit(kept, pfn)) roots.push(pfn);
    const at = page.indexOf(beginning);
    if (at >= 0) copies.push({ pfn, at });
  });
  return { roots, copies };
}

/** Whether the leaf of the direct map maps shared memory: all of it, or none. */
function isShared(leaf: TableEntry, shared: readonly PfnRun[]): boolean {
  const { pfn, count } = framesOf(leaf);
  let inside = 0;
  for (const run of shared) {
    inside += Math.max(0, Math.min(pfn + count, run.pfn + run.count) - Math.max(pfn, run.pfn));
  }
  if (inside !== 0 && inside !== count) {
    throw new Error(
      `page frames ${pfn} to ${pfn + count - 1} have one leaf in the direct map and are not all shared`,
    );
  }
  return inside !== 0;
}

function describeOriginal({ file, reader }: SourceDump) {
  const text = vmcoreinfoFromNotes(parseNotes(file.notes));
  if (text === undefined) throw new Error(`${file.path}: has no VMCOREINFO note`);
  const info = new Vmcoreinfo(text);
  if ((info.number('sme_mask') ?? 0n) !== 0n) throw new Error(`${file.path}: has an encryption mask already`);
  const arch = architectureOf(file);
  const memory = new CachedMemory(reader);
  const { memoryMap, unreadable } = describeMachine(arch, memory, info, 0n);
  if (memoryMap === undefined) throw new Error(`${file.path}: ${unreadable}`);
  const { tables, model, rules, image } = memoryMap;
  const walker = new PageTableWalker(memory, arch.tableFormat, tables);
  const map = new MemoryMap(model, walker, rules.sizeBytes);
  const keptAt = (dumpLevel: number): Uint8Array => {
    const frames = Math.ceil(endOf(file.memory) / pageSize);
    const bits = new Uint8Array(Math.ceil(frames / 8));
    existingBits(file, 0, frames, bits);
    new WindowClassifier(reader, { map, rules, image }, dumpLevel).classify(0, frames, bits);
    return bits;
  };
  return { text, format: arch.tableFormat, tables, map, rules, keptAt };
}
