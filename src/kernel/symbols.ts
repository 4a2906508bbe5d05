/** The kernel symbols that somebody here asks for, from one pass over the kernel's own symbol table. */

import type { PageTableWalker } from '../arch/page-table.ts';
import { IMAGE_SYMBOLS } from './image.ts';
import { findSymbols, type KallsymsLocation, type KernelSymbols, type KnownSymbol } from './kallsyms.ts';
import type { Vmcoreinfo } from './vmcoreinfo.ts';

/** What memory encryption is used for: see src/sme/census/shared-uses.ts and technology.ts. */
const ENCRYPTION = [
  '__start_bss_decrypted',
  '__start_bss_decrypted_unused',
  '__end_bss_decrypted',
  'io_tlb_default_mem',
  'io_tlb_start',
  'io_tlb_end',
  'runtime_data',
  '__per_cpu_offset',
  'sev_status',
];
/** Symbols that VMCOREINFO gives too: what is read from the symbol table is checked against them. */
const KNOWN = ['_stext', 'init_top_pgt', 'init_uts_ns', 'node_online_map', 'prb', 'node_data', 'clear_seq'];

/** Undefined where VMCOREINFO does not say where the table is (before v6.0), or it cannot be read or is not believed. */
export function kernelSymbols(info: Vmcoreinfo, walker: PageTableWalker): KernelSymbols | undefined {
  const location = kallsymsLocation(info);
  if (location.kallsyms_names === undefined) return undefined;
  return findSymbols((vaddr, length) => walker.read(vaddr, length), location, knownSymbols(info), [
    ...IMAGE_SYMBOLS,
    ...ENCRYPTION,
  ]);
}

export function kallsymsLocation(info: Vmcoreinfo): KallsymsLocation {
  const at = (name: string) => info.symbol(name);
  return {
    kallsyms_names: at('kallsyms_names'),
    kallsyms_num_syms: at('kallsyms_num_syms'),
    kallsyms_token_table: at('kallsyms_token_table'),
    kallsyms_token_index: at('kallsyms_token_index'),
    kallsyms_offsets: at('kallsyms_offsets'),
    kallsyms_relative_base: at('kallsyms_relative_base'),
  };
}

/** Those that VMCOREINFO gives too. */
export function knownSymbols(info: Vmcoreinfo): KnownSymbol[] {
  return KNOWN.flatMap((name) => {
    const vaddr = info.symbol(name);
    return vaddr === undefined ? [] : [{ name, vaddr }];
  });
}
