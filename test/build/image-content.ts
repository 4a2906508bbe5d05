/** What is in the kernel image: its symbols, their contents, and the struct pages of its pages. */
import type { KernelImage, SymbolRequest } from './kernel-image.ts';
import { logBufSymbols, plainLogSymbols, ringSymbols } from './kernel-log.ts';
import type { KernelProfile } from './kernel-profile.ts';
import { sectionCount } from './memmap.ts';
import { pageContent } from './page-content.ts';
import { type Look, lookOf } from './page-kinds.ts';
import { type PhysicalPages, pageSize } from './physical-pages.ts';
import type { Run } from './runs.ts';
import type { MemoryModel } from './vmcoreinfo-text.ts';

/** The symbols that a kernel with this memory model needs. */
export function symbolsOf(
  kernel: KernelProfile,
  model: MemoryModel,
  maxPhysmemBits: number,
): SymbolRequest[] {
  const symbols: SymbolRequest[] = [
    { name: 'linux_banner', bytes: 256, in: 'rodata' },
    ...['names', 'num_syms', 'token_table', 'token_index', 'offsets', 'relative_base'].map(
      (part): SymbolRequest => ({ name: `kallsyms_${part}`, bytes: 512, in: 'rodata' }),
    ),
    { name: 'init_uts_ns', bytes: 432, in: 'data' },
    { name: 'init_top_pgt', bytes: pageSize, align: pageSize, in: 'data' },
    { name: 'vmap_area_list', bytes: 16, in: 'data' },
    { name: 'idt_table', bytes: pageSize, align: pageSize, in: 'bss' },
    { name: 'node_online_map', bytes: 128, in: 'bss' },
    ...{ ringbuffer: ringSymbols, log_buf: logBufSymbols, 'plain text': plainLogSymbols }[kernel.printk],
  ];
  if (model === 'flatmem') {
    symbols.push({ name: 'mem_map', bytes: 8, in: 'bss' });
    symbols.push({
      name: 'contig_page_data',
      bytes: kernel.node.pglistDataSize,
      align: pageSize,
      in: 'data',
    });
  } else symbols.push({ name: 'node_data', bytes: 8192, in: 'bss' });
  if (model === 'sparsemem-static') {
    symbols.push({
      name: 'mem_section',
      bytes: sectionCount(maxPhysmemBits) * kernel.memSectionSize,
      in: 'bss',
    });
  }
  return symbols;
}

/** Text, read-only data, and what every kernel has in its data: the banner, utsname, the online map, a filled IDT. */
export function writeImage(
  pages: PhysicalPages,
  image: KernelImage,
  kernel: KernelProfile,
  release: string,
): void {
  const [textSection] = image.sections;
  for (let at = 0; at < textSection.bytes; at += pageSize) {
    pages.write(image.paddr + at, pageContent('random', at + 1));
  }
  const version = '#1 SMP PREEMPT_DYNAMIC smelt';
  const banner = `Linux version ${release} (smelt@test) (gcc, ld) ${version}\n`;
  pages.write(image.at('linux_banner'), Buffer.from(banner, 'latin1'));
  const names = ['Linux', 'smelt', release, version, 'x86_64', '(none)'];
  for (const [i, name] of names.entries()) {
    pages.write(image.at('init_uts_ns') + kernel.utsNameOffset + i * 65, Buffer.from(name, 'latin1'));
  }
  pages.writeU64(image.at('node_online_map'), 1n);
  for (let vector = 0; vector < 256; vector++) {
    const handler = BigInt.asUintN(64, image.vaddr) + BigInt(vector * 16);
    const low =
      (handler & 0xffffn) | (0x10n << 16n) | (0x8e00n << 32n) | (((handler >> 16n) & 0xffffn) << 48n);
    pages.writeU64(image.at('idt_table') + vector * 16, low);
    pages.writeU64(image.at('idt_table') + vector * 16 + 8, handler >> 32n);
  }
}

/** The image's pages, all reserved; `lying`: pages whose struct page says otherwise. */
export function imageRuns(kernel: KernelProfile, image: KernelImage, lying: readonly number[]): Run[] {
  const first = image.paddr / pageSize;
  const end = first + image.bytes / pageSize;
  const reserved = lookOf(kernel, 'reserved');
  const cache = lookOf(kernel, 'cache');
  // Open bug of makedumpfile, issue 21: a page of the image with PG_lru set is dropped. It must stay.
  const liar: Look = {
    ...cache,
    name: 'lying image page',
    head: { ...cache.head, flags: cache.head.flags | reserved.head.flags },
    claims: [],
  };
  const runs: Run[] = [];
  let at = first;
  for (const index of lying.toSorted((a, b) => a - b)) {
    if (index < 0 || first + index >= end) throw new Error(`the image has no page ${index}`);
    if (first + index > at) runs.push({ pfn: at, blocks: first + index - at, look: reserved });
    runs.push({ pfn: first + index, blocks: 1, look: liar });
    at = first + index + 1;
  }
  if (at < end) runs.push({ pfn: at, blocks: end - at, look: reserved });
  return runs;
}
