/**
 * run-ts.js test/lab/walk.ts DUMP STEP: where kernel addresses outside of the direct map lead by smelt's walk of the page tables, for
 * others to compare with: those of all large leaves and of every STEPth small one. As JSON: [{"vaddr": "0x…", "paddr": N}, …]
 */
import { CachedMemory } from '../../src/arch/memory.ts';
import { PageTableWalker } from '../../src/arch/page-table.ts';
import { architectureOf } from '../../src/kernel/machine.ts';
import { Vmcoreinfo, vmcoreinfoFromNotes } from '../../src/kernel/vmcoreinfo.ts';
import { parseNotes } from '../../src/read/notes.ts';
import { chooseMask } from '../../src/sme/mask.ts';
import { openSource } from '../build/copy-dump.ts';
import { DirectMap, tableEntries } from '../build/sme-twin-tables.ts';

export async function main([path, step]: readonly string[]): Promise<void> {
  const source = await openSource(path);
  const { tableFormat: format, findPageTables } = architectureOf(source.file);
  const info = new Vmcoreinfo(vmcoreinfoFromNotes(parseNotes(source.file.notes)) ?? '');
  const { mask } = chooseMask(info.number('sme_mask'), undefined);
  const tables = findPageTables(info, mask);
  if (tables === undefined) throw new Error(`${path}: VMCOREINFO does not say where the page tables are`);
  // Only to find addresses that are mapped; where they lead, the walker says.
  const plain = { ...format, addressMask: format.addressMask & ~mask };
  const entries = tableEntries(source.page, plain, [tables.root / 4096], tables.levels);
  const direct = new DirectMap(entries);
  const leaves = entries.filter((e) => e.leafBytes !== undefined && e.vaddr >> 63n === 1n && !direct.has(e));
  const walker = new PageTableWalker(new CachedMemory(source.reader), format, tables);
  const walks: { vaddr: string; paddr: number }[] = [];
  for (const [i, { vaddr, level }] of leaves.entries()) {
    if (level === 1 && i % Number(step) !== 0) continue;
    const mapping = walker.translate(vaddr);
    if (mapping === undefined)
      throw new Error(`${path}: 0x${vaddr.toString(16)} is mapped and cannot be translated`);
    walks.push({ vaddr: `0x${vaddr.toString(16)}`, paddr: mapping.paddr });
  }
  source.close();
  console.log(JSON.stringify(walks));
}
