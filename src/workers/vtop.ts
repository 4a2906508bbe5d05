/** The page-table walk for one address of a dump. */

import { CachedMemory } from '../arch/memory.ts';
import { PageTableWalker } from '../arch/page-table.ts';
import { type Walk, walkTo } from '../arch/walk.ts';
import { architectureOf } from '../kernel/machine.ts';
import type { Described } from './input.ts';

/** By the kernel's own tables. */
export function walkIn(
  { file, reader, description }: Pick<Described, 'file' | 'reader' | 'description'>,
  vaddr: bigint,
): Walk {
  const { tableFormat, findPageTables } = architectureOf(file);
  const { info, encryptionMask } = description;
  const tables = info && findPageTables(info, encryptionMask);
  if (tables === undefined) {
    const why = 'VMCOREINFO does not say where the page tables are';
    return { vaddr, steps: [], paddr: undefined, pageBytes: undefined, why };
  }
  const walker = new PageTableWalker(new CachedMemory(reader), tableFormat, tables);
  return walkTo(vaddr, walker, tableFormat, tables);
}
