/** What a synthetic kernel has in memory besides struct pages: page tables, mem_section, nodes, its name; VMCOREINFO. */

import {
  IMAGE_DATA_PFN,
  IMAGE_END,
  IMAGE_PFN,
  PAGE_BYTES,
  SECTION_MAP_BYTES,
  type SyntheticMachine,
} from './synthetic-machine.ts';
import {
  BUDDY_ORDERS,
  DTOR,
  PAGE_TYPE,
  PG,
  SECTION_PAGES,
  StructPage,
  VMEMMAP_BASE,
} from './synthetic-pages.ts';

/** Source: arch/x86/include/asm/page_64_types.h, pgtable_64_types.h. */
const PAGE_OFFSET = 0xffff_8880_0000_0000n;
const START_KERNEL_MAP = 0xffff_ffff_8000_0000n;
const MAX_PHYSMEM_BITS = 46;
const SECTION_SIZE_BITS = 27;
/** struct mem_section has 16 bytes; section_mem_map, the first 8, has flags: present, has a map, online, early. */
const SECTIONS_PER_ROOT = PAGE_BYTES / 16;
const SECTION_ROOTS = 2 ** (MAX_PHYSMEM_BITS - SECTION_SIZE_BITS) / SECTIONS_PER_ROOT;
const SECTION_FLAGS = 0xfn;
/** Entries of page tables: _KERNPG_TABLE, and PAGE_KERNEL_LARGE. */
const TABLE = 0x63n;
const LARGE = 0x8000_0000_0000_01e3n;
const MIB2 = 2 ** 21;
const GIB = 2 ** 30;

/** Sizes and offsets in struct pglist_data and struct zone, of Debian's 6.1. */
const PGLIST_DATA_BYTES = 174_208;
const NR_ZONES_OFFSET = 171_552;
const ZONE_BYTES = 1536;
const VM_STAT_OFFSET = 1344;
/** DMA, DMA32 and Normal. */
const ZONES = 3;

const RELEASE = '6.1.0-smelt-synthetic';
/** The kernel's variables, as offsets in its data. */
const SYMBOLS = { init_top_pgt: 0, init_uts_ns: 4096, node_online_map: 4608, node_data: 8192 } as const;

const paddrOf = (symbol: keyof typeof SYMBOLS) => IMAGE_DATA_PFN * PAGE_BYTES + SYMBOLS[symbol];
const vaddrOf = (symbol: keyof typeof SYMBOLS) => START_KERNEL_MAP + BigInt(paddrOf(symbol));
export const directVaddr = (paddr: number) => PAGE_OFFSET + BigInt(paddr);

/** The kernel's own pages, by page frame; taken downwards from where the struct pages begin. */
export class SyntheticKernel {
  readonly pages = new Map<number, Buffer>();
  readonly vmcoreinfo: string;
  private readonly machine: SyntheticMachine;
  private readonly nodesAt: number[];
  /** Page frames from here to the struct pages are taken. */
  firstPfn: number;

  constructor(machine: SyntheticMachine) {
    this.machine = machine;
    this.firstPfn = machine.mapPaddr(0) / PAGE_BYTES;
    this.writeUtsname();
    this.vmcoreinfo = vmcoreinfoText(directVaddr(this.writeMemSection()));
    this.nodesAt = Array.from({ length: machine.nodes }, (_, node) => this.writeNode(node));
    this.mapMemory();
  }

  /** Sets a zone's count of free pages. */
  setFree(node: number, zone: number, pages: number): void {
    this.set64(this.nodesAt[node]! + zone * ZONE_BYTES + VM_STAT_OFFSET, BigInt(pages));
  }

  private take(sizeBytes: number): number {
    this.firstPfn -= Math.ceil(sizeBytes / PAGE_BYTES);
    return this.firstPfn * PAGE_BYTES;
  }

  private page(paddr: number): Buffer {
    const pfn = Math.floor(paddr / PAGE_BYTES);
    let page = this.pages.get(pfn);
    if (page === undefined) {
      page = Buffer.alloc(PAGE_BYTES);
      this.pages.set(pfn, page);
    }
    return page;
  }

  private set64(paddr: number, value: bigint): void {
    this.page(paddr).writeBigUInt64LE(BigInt.asUintN(64, value), paddr % PAGE_BYTES);
  }

  /** Source: struct new_utsname, include/uapi/linux/utsname.h. */
  private writeUtsname(): void {
    const at = paddrOf('init_uts_ns');
    const fields = ['Linux', 'synthetic', RELEASE, '#1 SMP PREEMPT_DYNAMIC', 'x86_64', '(none)'];
    for (const [i, field] of fields.entries())
      this.page(at).write(field, (at % PAGE_BYTES) + i * 65, 'latin1');
  }

  private writeMemSection(): number {
    const { machine } = this;
    const array = this.take(SECTION_ROOTS * 8);
    const roots = new Map<number, number>();
    for (let index = 0; index < machine.sections; index++) {
      const section = machine.pfnOf(index) / SECTION_PAGES;
      const root = Math.floor(section / SECTIONS_PER_ROOT);
      let paddr = roots.get(root);
      if (paddr === undefined) {
        paddr = this.take(PAGE_BYTES);
        roots.set(root, paddr);
        this.set64(array + root * 8, directVaddr(paddr));
      }
      // It is the address that the struct page of page frame 0 would have: with vmemmap the same for all.
      this.set64(paddr + (section % SECTIONS_PER_ROOT) * 16, VMEMMAP_BASE | SECTION_FLAGS);
    }
    return array;
  }

  private writeNode(node: number): number {
    const paddr = this.take(PGLIST_DATA_BYTES);
    this.set64(paddr + NR_ZONES_OFFSET, BigInt(ZONES));
    this.set64(paddrOf('node_data') + node * 8, directVaddr(paddr));
    this.set64(paddrOf('node_online_map'), (2n << BigInt(node)) - 1n);
    return paddr;
  }

  /** The kernel image, all RAM from PAGE_OFFSET on, and the struct pages of each section. */
  private mapMemory(): void {
    const { machine } = this;
    for (let paddr = IMAGE_PFN * PAGE_BYTES; paddr < IMAGE_END * PAGE_BYTES; paddr += MIB2) {
      this.map(START_KERNEL_MAP + BigInt(paddr), paddr, MIB2);
    }
    for (const { pfn, end } of machine.allRam()) {
      const endPaddr = end * PAGE_BYTES;
      // The first MiB is in the leaf of the second.
      if (endPaddr < MIB2) continue;
      for (let paddr = Math.floor((pfn * PAGE_BYTES) / MIB2) * MIB2; paddr < endPaddr; ) {
        const bytes = paddr % GIB === 0 && paddr + GIB <= endPaddr ? GIB : MIB2;
        this.map(directVaddr(paddr), paddr, bytes);
        paddr += bytes;
      }
    }
    for (let index = 0; index < machine.sections; index++) {
      const vaddr = VMEMMAP_BASE + BigInt(machine.pfnOf(index)) * BigInt(StructPage.size);
      this.map(vaddr, machine.mapPaddr(index), SECTION_MAP_BYTES);
    }
  }

  /** One leaf, of 2 MiB or 1 GiB, in tables of four levels. */
  private map(vaddr: bigint, paddr: number, leafBytes: number): void {
    const leafShift = leafBytes === GIB ? 30 : 21;
    let table = paddrOf('init_top_pgt');
    for (let shift = 39; ; shift -= 9) {
      const entry = table + Number((vaddr >> BigInt(shift)) & 511n) * 8;
      if (shift === leafShift) {
        this.set64(entry, BigInt(paddr) | LARGE);
        return;
      }
      const next = this.page(entry).readBigUInt64LE(entry % PAGE_BYTES);
      table = next === 0n ? this.take(PAGE_BYTES) : Number(next & 0x000f_ffff_ffff_f000n);
      if (next === 0n) this.set64(entry, BigInt(table) | TABLE);
    }
  }
}

/** The lines that filtering needs, in the kernel's order. Source: kernel/crash_core.c of 6.1. */
function vmcoreinfoText(memSection: bigint): string {
  const hex = (address: bigint) => BigInt.asUintN(64, address).toString(16);
  const symbol = (name: keyof typeof SYMBOLS, alias: string = name) =>
    `SYMBOL(${alias})=${hex(vaddrOf(name))}`;
  const page = StructPage.offset;
  return `${[
    `OSRELEASE=${RELEASE}`,
    `PAGESIZE=${PAGE_BYTES}`,
    symbol('init_uts_ns'),
    'OFFSET(uts_namespace.name)=0',
    symbol('node_online_map'),
    symbol('init_top_pgt', 'swapper_pg_dir'),
    `SYMBOL(_stext)=${hex(START_KERNEL_MAP + BigInt(IMAGE_PFN * PAGE_BYTES))}`,
    `SYMBOL(mem_section)=${hex(memSection)}`,
    `LENGTH(mem_section)=${SECTION_ROOTS}`,
    'SIZE(mem_section)=16',
    'OFFSET(mem_section.section_mem_map)=0',
    `NUMBER(SECTION_SIZE_BITS)=${SECTION_SIZE_BITS}`,
    `NUMBER(MAX_PHYSMEM_BITS)=${MAX_PHYSMEM_BITS}`,
    `SIZE(page)=${StructPage.size}`,
    `SIZE(pglist_data)=${PGLIST_DATA_BYTES}`,
    `SIZE(zone)=${ZONE_BYTES}`,
    'SIZE(nodemask_t)=128',
    `OFFSET(page.flags)=${page.flags}`,
    `OFFSET(page._refcount)=${page._refcount}`,
    `OFFSET(page.mapping)=${page.mapping}`,
    `OFFSET(page.lru)=${page.lru}`,
    `OFFSET(page._mapcount)=${page._mapcount}`,
    `OFFSET(page.private)=${page.private}`,
    `OFFSET(page.compound_dtor)=${page.lru_prev}`,
    `OFFSET(page.compound_order)=${page.lru_prev + 1}`,
    `OFFSET(page.compound_head)=${page.lru}`,
    'OFFSET(pglist_data.node_zones)=0',
    `OFFSET(pglist_data.nr_zones)=${NR_ZONES_OFFSET}`,
    `OFFSET(zone.vm_stat)=${VM_STAT_OFFSET}`,
    `LENGTH(zone.free_area)=${BUDDY_ORDERS}`,
    'NUMBER(NR_FREE_PAGES)=0',
    `NUMBER(PG_lru)=${PG.lru}`,
    `NUMBER(PG_private)=${PG.private}`,
    `NUMBER(PG_swapcache)=${PG.swapcache}`,
    `NUMBER(PG_swapbacked)=${PG.swapbacked}`,
    `NUMBER(PG_slab)=${PG.slab}`,
    `NUMBER(PG_hwpoison)=${PG.hwpoison}`,
    `NUMBER(PG_head_mask)=${1 << PG.head}`,
    `NUMBER(PAGE_BUDDY_MAPCOUNT_VALUE)=${PAGE_TYPE.buddy}`,
    `NUMBER(HUGETLB_PAGE_DTOR)=${DTOR.hugetlb}`,
    `NUMBER(PAGE_OFFLINE_MAPCOUNT_VALUE)=${PAGE_TYPE.offline}`,
    'NUMBER(phys_base)=0',
    symbol('init_top_pgt'),
    'NUMBER(pgtable_l5_enabled)=0',
    symbol('node_data'),
    'LENGTH(node_data)=1024',
    'KERNELOFFSET=0',
    'NUMBER(KERNEL_IMAGE_SIZE)=1073741824',
    'NUMBER(sme_mask)=0',
  ].join('\n')}\n`;
}
