/** Chooses page frames that a machine with SME could share with its devices, and that no reader of the dump needs. */
import type { MemoryMap } from '../../src/kernel/memory-model.ts';
import type { PageRules } from '../../src/kernel/page-rules.ts';
import { testBit } from '../../src/read/bitmap.ts';
import type { PfnRun, SourceDump } from './copy-dump.ts';
import { isZero, pageSize } from './physical-pages.ts';
import { type DirectMap, framesOf, type TableEntry } from './sme-twin-tables.ts';

/** Page frames of the run that stands for the bounce buffer (swiotlb), and how many others. */
const RUN_PAGES = 512;
const SINGLE_PAGES = 8;
const LEAF_PAGES = 512;

export interface Choice {
  readonly source: SourceDump;
  readonly map: MemoryMap;
  readonly rules: PageRules;
  readonly entries: readonly TableEntry[];
  readonly direct: DirectMap;
  /** Page frames that dump level 16 keeps, and level 31. */
  readonly notFree: Uint8Array;
  readonly kept: Uint8Array;
  /** Page frames that must stay as they are for the twin to be one. */
  readonly inUse: readonly number[];
}

/**
 * - A run of 2 MiB, or what there is: free pages, which have no owner who would miss what is in them. The highest whole leaf of the direct
 *   map; where there is none, the longest stretch that is mapped page by page already.
 * - Single pages that every dump level keeps, spread over memory, where the direct map has them as single pages already: not
 *   zero, in use by the kernel for something that is no slab, no page table, not part of a larger block and not mapped a second time.
 */
export function chooseShared(choice: Choice): PfnRun[] {
  return [freeRun(choice), ...singles(choice)].sort((a, b) => a.pfn - b.pfn);
}

function freeRun({ entries, direct, notFree }: Choice): PfnRun {
  const leaves = entries.filter((e) => e.leafBytes !== undefined && direct.has(e)).map(framesOf);
  const isFree = ({ pfn, count }: PfnRun) => {
    for (let i = pfn; i < pfn + count; i++) if (testBit(notFree, i)) return false;
    return true;
  };
  const whole = leaves.findLast((leaf) => leaf.count === LEAF_PAGES && isFree(leaf));
  if (whole) return { pfn: whole.pfn, count: RUN_PAGES };
  let longest: PfnRun = { pfn: 0, count: 0 };
  let run = longest;
  for (const leaf of leaves) {
    if (leaf.count > 1 || !isFree(leaf)) continue;
    const follows = leaf.pfn === run.pfn + run.count && run.count < RUN_PAGES;
    run = follows ? { pfn: run.pfn, count: run.count + 1 } : leaf;
    if (run.count > longest.count) longest = run;
  }
  if (longest.count === 0) throw new Error('there is no free page that could be shared');
  return longest;
}

function singles(choice: Choice): PfnRun[] {
  const { source, entries, direct, kept, inUse } = choice;
  const taken = new Set<number>(inUse);
  const found: number[] = [];
  for (const entry of entries) {
    taken.add(entry.table);
    if (entry.leafBytes === undefined || direct.has(entry)) continue;
    const { pfn, count } = framesOf(entry);
    for (let i = pfn; i < pfn + count; i++) taken.add(i);
  }
  for (const entry of entries) {
    const pfn = entry.paddr / pageSize;
    if (entry.leafBytes !== pageSize || !direct.has(entry) || taken.has(pfn) || !testBit(kept, pfn)) continue;
    const page = isPlainKernelPage(choice, pfn) ? source.page(pfn) : undefined;
    if (page !== undefined && !isZero(page)) found.push(pfn);
  }
  const step = Math.max(1, Math.floor(found.length / SINGLE_PAGES));
  return found
    .filter((_, i) => i % step === 0)
    .slice(0, SINGLE_PAGES)
    .map((pfn) => ({ pfn, count: 1 }));
}

/** A struct page without a flag, a type or a compound page: what alloc_page() gives to drivers. */
function isPlainKernelPage({ source, map, rules }: Choice, pfn: number): boolean {
  const [{ paddr }] = map.pieces(pfn, 1);
  const struct = Buffer.alloc(rules.sizeBytes);
  if (paddr === undefined || !source.reader.read(paddr, struct)) return false;
  const flagged = rules.PG_reserved | rules.PG_slab | rules.PG_head | rules.PG_lru;
  const isTail = (struct[rules.compoundHead] & 1) === 1;
  return (
    (struct.readInt32LE(rules.flags) & flagged) === 0 && !isTail && struct.readInt32LE(rules.mapcount) === -1
  );
}
