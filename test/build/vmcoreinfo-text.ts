/** VMCOREINFO as the kernels export it: the keys, their order and their spelling. */
import type { KernelProfile } from './kernel-profile.ts';

export type MemoryModel = 'vmemmap' | 'sparsemem' | 'sparsemem-static' | 'flatmem';

export interface VmcoreinfoInput {
  readonly kernel: KernelProfile;
  readonly release: string;
  readonly memoryModel: MemoryModel;
  /** Address of a kernel symbol, where the image has it. */
  readonly symbol: (name: string) => bigint | undefined;
  readonly memSectionVaddr: bigint;
  readonly memSectionLength: number;
  readonly maxPhysmemBits: number;
  readonly physBase: bigint;
  readonly kernelOffset: bigint;
  readonly levels: 4 | 5;
  readonly smeMask: bigint;
  readonly vmemmapBase: bigint;
  readonly vmallocStart: bigint;
}

/** Lines in the kernel's order. `overrides`: undefined takes a key out, a string sets or adds it. */
export function vmcoreinfoText(
  input: VmcoreinfoInput,
  overrides: Readonly<Record<string, string | undefined>> = {},
): string {
  const lines = new Map(keysOf(input));
  for (const [key, value] of Object.entries(overrides)) {
    if (value === undefined) lines.delete(key);
    else lines.set(key, value);
  }
  return [...lines].map(([key, value]) => `${key}=${value}\n`).join('');
}

const hex = (n: bigint): string => BigInt.asUintN(64, n).toString(16);

/** Source: kernel/vmcore_info.c and arch/x86/kernel/vmcore_info_64.c, and the text of real dumps of 5.10 to 7.3. */
function* keysOf(i: VmcoreinfoInput): Generator<[string, string]> {
  const { kernel: k } = i;
  const symbol = function* (name: string): Generator<[string, string]> {
    const value = i.symbol(name);
    if (value !== undefined) yield [`SYMBOL(${name})`, hex(value)];
  };
  const decimals = function* (kind: string, values: Readonly<Record<string, number | bigint | undefined>>) {
    for (const [name, value] of Object.entries(values)) {
      if (value !== undefined) yield [`${kind}(${name})`, String(value)] as [string, string];
    }
  };
  const sparse = i.memoryModel !== 'flatmem';

  yield ['OSRELEASE', i.release];
  yield ['BUILD-ID', '736d656c74207465737420666978747572652100'];
  yield ['PAGESIZE', '4096'];
  yield* symbol('init_uts_ns');
  if (k.exportsUtsOffset) yield* decimals('OFFSET', { 'uts_namespace.name': k.utsNameOffset });
  yield* symbol('node_online_map');
  yield* symbol('swapper_pg_dir');
  yield* symbol('_stext');
  if (k.exportsVmemmap) {
    yield ['NUMBER(VMALLOC_START)', `0x${hex(i.vmallocStart)}`];
    if (i.memoryModel === 'vmemmap') yield ['SYMBOL(vmemmap)', hex(i.vmemmapBase)];
  } else yield* symbol('vmap_area_list');
  if (sparse) {
    yield ['SYMBOL(mem_section)', hex(i.memSectionVaddr)];
    yield* decimals('LENGTH', { mem_section: i.memSectionLength });
    yield* decimals('SIZE', { mem_section: k.memSectionSize });
    yield* decimals('OFFSET', { 'mem_section.section_mem_map': 0 });
    yield* decimals('NUMBER', { SECTION_SIZE_BITS: 27, MAX_PHYSMEM_BITS: i.maxPhysmemBits });
  } else {
    yield* symbol('mem_map');
    yield* symbol('contig_page_data');
  }
  const n = k.node;
  yield* decimals('SIZE', {
    page: 64,
    pglist_data: n.pglistDataSize,
    zone: n.zoneSize,
    free_area: n.freeAreaSize,
    list_head: 16,
    nodemask_t: 128,
  });
  yield* decimals('OFFSET', {
    'page.flags': 0,
    'page._refcount': k.page._refcount,
    'page.mapping': k.page.mapping,
    'page.lru': k.page.lru,
    'page._mapcount': k.page._mapcount,
    'page.private': k.page.private,
  });
  if (k.compound.in === 'fields' && k.compound.of === 'folio') {
    yield* decimals('OFFSET', {
      'folio._folio_dtor': 64 + k.compound.dtor,
      'folio._folio_order': 64 + k.compound.order,
    });
  } else if (k.compound.in === 'fields') {
    yield* decimals('OFFSET', {
      'page.compound_dtor': k.compound.dtor,
      'page.compound_order': k.compound.order,
    });
  }
  // Linux commit "mm: rename the 'compound_head' field in the 'struct page' to 'compound_info'", v7.1
  yield* decimals('OFFSET', {
    [k.tail === 'mask' ? 'page.compound_info' : 'page.compound_head']: k.page.compound_head,
    'pglist_data.node_zones': 0,
    'pglist_data.nr_zones': n.nr_zones,
    'pglist_data.node_start_pfn': n.node_start_pfn,
    'pglist_data.node_spanned_pages': n.node_spanned_pages,
    'pglist_data.node_id': n.node_id,
    'zone.free_area': n.free_area,
    'zone.vm_stat': n.vm_stat,
    'zone.spanned_pages': n.spanned_pages,
    'free_area.free_list': 0,
    'list_head.next': 0,
    'list_head.prev': 8,
  });
  if (!k.exportsVmemmap) yield* decimals('OFFSET', { 'vmap_area.va_start': 0, 'vmap_area.list': 40 });
  yield* decimals('LENGTH', { 'zone.free_area': 11 });
  yield* printkKeys(i, symbol, decimals);
  yield* decimals('LENGTH', { 'free_area.free_list': n.freeLists });
  yield* decimals('NUMBER', {
    NR_FREE_PAGES: 0,
    PG_lru: k.bits.lru,
    PG_private: k.bits.private,
    PG_swapcache: k.bits.swapcache,
    PG_swapbacked: k.bits.swapbacked,
    PG_slab: k.bits.slab,
    PAGE_SLAB_MAPCOUNT_VALUE: k.types.slab,
    PG_hwpoison: k.bits.hwpoison,
    PG_head_mask: 2 ** k.bits.head,
    PAGE_BUDDY_MAPCOUNT_VALUE: k.types.buddy,
    HUGETLB_PAGE_DTOR: k.compound.in === 'fields' ? 2 : undefined,
    PG_hugetlb: k.bits.hugetlb,
    PAGE_HUGETLB_MAPCOUNT_VALUE: k.types.hugetlb,
    PAGE_OFFLINE_MAPCOUNT_VALUE: k.types.offline,
    PAGE_UNACCEPTED_MAPCOUNT_VALUE: k.types.unaccepted,
  });
  for (const part of k.kallsyms) yield* symbol(`kallsyms_${part}`);
  yield ['NUMBER(phys_base)', i.physBase.toString()];
  yield* symbol('init_top_pgt');
  yield* decimals('NUMBER', { pgtable_l5_enabled: i.levels === 5 ? 1 : 0 });
  if (sparse) {
    yield* symbol('node_data');
    yield* decimals('LENGTH', { node_data: 1024 });
  }
  yield ['KERNELOFFSET', hex(i.kernelOffset)];
  yield* decimals('NUMBER', { KERNEL_IMAGE_SIZE: 1024 * 1024 * 1024 });
  // Linux commit f263245a0ce2 ("x86/kdump: Export the SME mask to vmcoreinfo"), v5.1; %ld
  yield ['NUMBER(sme_mask)', BigInt.asIntN(64, i.smeMask).toString()];
}

type SymbolLines = (name: string) => Generator<[string, string]>;
type DecimalLines = (kind: string, values: Record<string, number>) => Generator<[string, string]>;

function* printkKeys(
  i: VmcoreinfoInput,
  symbol: SymbolLines,
  decimals: DecimalLines,
): Generator<[string, string]> {
  if (i.kernel.printk === 'plain text') {
    for (const name of ['log_buf', 'log_end', 'log_buf_len', 'logged_chars']) yield* symbol(name);
    return;
  }
  if (i.kernel.printk === 'log_buf') {
    for (const name of ['log_buf', 'log_buf_len', 'log_first_idx', 'clear_idx', 'log_next_idx']) {
      yield* symbol(name);
    }
    yield* decimals('SIZE', { printk_log: 16 });
    yield* decimals('OFFSET', {
      'printk_log.ts_nsec': 0,
      'printk_log.len': 8,
      'printk_log.text_len': 10,
      'printk_log.dict_len': 12,
    });
    return;
  }
  for (const name of ['prb', 'printk_rb_static', 'clear_seq']) yield* symbol(name);
  yield* decimals('SIZE', { printk_ringbuffer: 88 });
  yield* decimals('OFFSET', {
    'printk_ringbuffer.desc_ring': 0,
    'printk_ringbuffer.text_data_ring': 48,
    'printk_ringbuffer.fail': 80,
  });
  yield* decimals('SIZE', { prb_desc_ring: 48 });
  yield* decimals('OFFSET', {
    'prb_desc_ring.count_bits': 0,
    'prb_desc_ring.descs': 8,
    'prb_desc_ring.infos': 16,
    'prb_desc_ring.head_id': 24,
    'prb_desc_ring.tail_id': 32,
  });
  yield* decimals('SIZE', { prb_desc: 24 });
  yield* decimals('OFFSET', { 'prb_desc.state_var': 0, 'prb_desc.text_blk_lpos': 8 });
  yield* decimals('SIZE', { prb_data_blk_lpos: 16 });
  yield* decimals('OFFSET', { 'prb_data_blk_lpos.begin': 0, 'prb_data_blk_lpos.next': 8 });
  yield* decimals('SIZE', { printk_info: 88 });
  yield* decimals('OFFSET', {
    'printk_info.seq': 0,
    'printk_info.ts_nsec': 8,
    'printk_info.text_len': 16,
    'printk_info.caller_id': 20,
    'printk_info.dev_info': 24,
  });
  yield* decimals('SIZE', { dev_printk_info: 64 });
  yield* decimals('OFFSET', { 'dev_printk_info.subsystem': 0 });
  yield* decimals('LENGTH', { printk_info_subsystem: 16 });
  yield* decimals('OFFSET', { 'dev_printk_info.device': 16 });
  yield* decimals('LENGTH', { printk_info_device: 48 });
  yield* decimals('SIZE', { prb_data_ring: 32 });
  yield* decimals('OFFSET', {
    'prb_data_ring.size_bits': 0,
    'prb_data_ring.data': 8,
    'prb_data_ring.head_lpos': 16,
    'prb_data_ring.tail_lpos': 24,
  });
  yield* decimals('SIZE', { atomic_long_t: 8 });
  yield* decimals('OFFSET', { 'atomic_long_t.counter': 0 });
  if (!i.kernel.exportsLatchedSeq) return;
  yield* decimals('SIZE', { latched_seq: 24 });
  yield* decimals('OFFSET', { 'latched_seq.val': 8 });
}
