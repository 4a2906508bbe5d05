/** Kernel memory made by hand: an image at 16 MiB, a direct map of 64 MiB, and values at any of its addresses. */
import { PageTableWalker } from '../../../src/arch/page-table.ts';
import { Vmcoreinfo } from '../../../src/kernel/vmcoreinfo.ts';
import { extentsOf } from '../../../src/read/extents.ts';
import { MemoryRuns } from '../../../src/sme/census/memory-runs.ts';
import { cachedOf } from '../../arch/memory.ts';
import { PageTables } from '../../build/page-tables.ts';
import { PhysicalPages } from '../../build/physical-pages.ts';
import { x86_64 } from './census-of.ts';

export const IMAGE = 0xffffffff81000000n;
export const DIRECT = 0xffff888000000000n;
const ROOT = 0x1000;
const MIB = 2 ** 20;

export class KernelMemory {
  readonly pages = new PhysicalPages();
  readonly memory = new MemoryRuns({
    pageSize: 4096,
    memory: extentsOf([{ paddr: 0, sizeBytes: 64 * MIB, byteOffset: 0 }]),
  });

  constructor() {
    let next = ROOT;
    this.pages.page(ROOT / 4096);
    const allocate = () => (next += 4096);
    const tables = new PageTables({ pages: this.pages, levels: 4, mask: 0n, rootPaddr: ROOT, allocate });
    tables.map(IMAGE, 16 * MIB, 4 * MIB, { leaf: '2m' });
    tables.map(DIRECT, 0, 64 * MIB, { leaf: '2m' });
    // What nobody wrote is zero, and in the dump.
    for (let pfn = 0x1000; pfn < 0x1100; pfn++) this.pages.page(pfn);
  }

  /** Where an address of the image or of the direct map lies. */
  paddr(vaddr: bigint): number {
    return vaddr >= IMAGE ? Number(vaddr - IMAGE) + 16 * MIB : Number(vaddr - DIRECT);
  }

  u64(vaddr: bigint, value: bigint): this {
    this.pages.writeU64(this.paddr(vaddr), value);
    return this;
  }

  text(vaddr: bigint, text: string): this {
    this.pages.write(this.paddr(vaddr), Buffer.from(text, 'latin1'));
    return this;
  }

  walker(): PageTableWalker {
    return new PageTableWalker(cachedOf(this.pages), x86_64.tableFormat, {
      root: ROOT,
      levels: 4,
      encryptionMask: 0n,
    });
  }

  info(lines: Readonly<Record<string, string>> = {}): Vmcoreinfo {
    const all = { 'NUMBER(phys_base)': '0', ...lines };
    return new Vmcoreinfo(
      Object.entries(all)
        .map(([key, value]) => `${key}=${value}\n`)
        .join(''),
    );
  }
}
