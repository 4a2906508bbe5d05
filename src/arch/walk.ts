/** The walk from one virtual address to its physical one, entry by entry, as plain data for people and programs. */

import type { PageTableFormat, PageTables, PageTableWalker } from './page-table.ts';

export interface WalkStep {
  /** "PGD", "P4D", "PUD", "PMD", "PTE". */
  readonly name: string;
  /** Where the entry stands in physical memory. */
  readonly entryPaddr: number;
  /** As it stands there, encryption bit included. */
  readonly rawEntry: bigint;
  /** "PRESENT", "RW" … */
  readonly flags: readonly string[];
  /** Whether the encryption bit is set; undefined where memory was not encrypted. */
  readonly encrypted: boolean | undefined;
}

export interface Walk {
  readonly vaddr: bigint;
  readonly steps: readonly WalkStep[];
  /** Undefined: it is not mapped, or a table is not in the dump. */
  readonly paddr: number | undefined;
  /** Of the page that it lies in; undefined where that is not known. */
  readonly pageBytes: number | undefined;
  /** Why the tables lead to no physical address; undefined where they do. Where there is one all the same, it is by phys_base. */
  readonly why: string | undefined;
}

export function walkTo(
  vaddr: bigint,
  walker: PageTableWalker,
  format: PageTableFormat,
  { levels, encryptionMask, root }: PageTables,
): Walk {
  if (!walker.isCanonical(vaddr)) {
    const why = `${levels} levels of tables do not reach so far: the address is not canonical`;
    return { vaddr, steps: [], paddr: undefined, pageBytes: undefined, why };
  }
  const steps: WalkStep[] = [];
  let next: number | undefined = root;
  const mapping = walker.translate(vaddr, ({ level, entryPaddr, rawEntry, paddr, present, isLeaf }) => {
    steps.push({
      name: level === levels ? 'PGD' : (format.levelNames?.[level - 1] ?? `level ${level}`),
      entryPaddr,
      rawEntry,
      flags: present ? (format.flagNames?.(rawEntry, isLeaf) ?? []) : [],
      encrypted: encryptionMask === 0n || !present ? undefined : (rawEntry & encryptionMask) !== 0n,
    });
    next = present ? paddr : undefined;
  });
  if (mapping !== undefined && !mapping.withoutTable) {
    const pageBytes = 2 ** (format.pageShift + (mapping.level - 1) * format.bitsPerLevel);
    return { vaddr, steps, paddr: mapping.paddr, pageBytes, why: undefined };
  }
  const why =
    next === undefined
      ? `the ${steps.at(-1)!.name} entry is not present`
      : `the table at 0x${next.toString(16)} is not in the dump`;
  return { vaddr, steps, paddr: mapping?.paddr, pageBytes: undefined, why };
}
