/** Builds a synthetic x86_64 vmcore that makedumpfile, crash and drgn take for a real one. */
import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { mapDirect } from './direct-map.ts';
import { type ElfCoreSpec, type Load, planElfCore } from './elf.ts';
import { type Expected, expectationsOf } from './expected.ts';
import { buddyRuns } from './fill.ts';
import { imageRuns, symbolsOf, writeImage } from './image-content.ts';
import { KernelImage } from './kernel-image.ts';
import { writeLogBuf, writePlainLog, writeRingBuffer } from './kernel-log.ts';
import { type KernelProfile, kernelProfile } from './kernel-profile.ts';
import {
  type MemmapChunk,
  type MemmapOptions,
  mapVmemmap,
  placeMemmap,
  sectionPages,
  writeMemSection,
} from './memmap.ts';
import { chunkPages, writeMemmap } from './memmap-writer.ts';
import { countFree, writeNode, type ZoneCounts } from './node-data.ts';
import { elfNote, prstatusNote, qemuNote, vmcoreinfoNote } from './notes.ts';
import { pageContent } from './page-content.ts';
import { lookOf } from './page-kinds.ts';
import { PageTables } from './page-tables.ts';
import { isZero, PhysicalPages, pageSize } from './physical-pages.ts';
import { gapsBetween, PfnAllocator, type Run, runEnd, sortRuns } from './runs.ts';
import { SegmentWriter } from './segment-writer.ts';
import { StructPageFiller } from './struct-pages.ts';
import type { VmcoreOptions } from './vmcore-options.ts';
import { vmcoreinfoText } from './vmcoreinfo-text.ts';

export interface BuiltVmcore {
  readonly path: string;
  /** As exported, with the overrides; also when no note carries it. */
  readonly vmcoreinfoText: string;
  readonly kernel: KernelProfile;
  readonly expected: Expected;
  /** Everything that is not fill, sorted: what the struct pages say. */
  readonly runs: readonly Run[];
  /** The 4096 bytes of a page frame; zeros where nothing was put. */
  readonly pageBytes: (pfn: number) => Uint8Array;
  readonly tables: BuiltTables;
  readonly zones: readonly ZoneCounts[];
  readonly sizeBytes: number;
}

/** Addresses a test may want. */
export interface BuiltTables {
  readonly pgdPaddr: number;
  readonly pgdVaddr: bigint;
  readonly pageOffset: bigint;
  readonly vmemmapBase: bigint;
  readonly memSectionVaddr: bigint;
  readonly pgdatVaddr: bigint;
  readonly image: KernelImage;
  /** vmcoreinfo_note and vmcoreinfo_data in guest memory; undefined with vmcoreinfo: 'none'. */
  readonly vmcoreinfoNotePaddr: number | undefined;
  readonly structPageVaddr: (pfn: number) => bigint;
  readonly memmapChunks: readonly MemmapChunk[];
}

const align = (n: number): number => Math.ceil(n / pageSize);

/** Builds the vmcore and writes it. Throws when the asked layout has no room for the kernel's own structures. */
export function buildVmcore(options: VmcoreOptions): BuiltVmcore {
  const profile = kernelProfile(options.kernel ?? '6.1');
  const kernel = options.plainLog ? { ...profile, printk: 'plain text' as const } : profile;
  const levels = options.levels ?? 4;
  const mask = options.smeMask ?? 0n;
  const kernelOffset = options.kernelOffset ?? 0n;
  const physBase = options.physBase ?? 0n;
  const model = options.memoryModel ?? 'vmemmap';
  const leaf = options.leaf ?? '2m';
  const random = kernelOffset !== 0n;
  const pageOffset =
    options.pageOffset ??
    (levels === 5
      ? random
        ? 0xff1a3b2ec0000000n
        : 0xff11000000000000n
      : random
        ? 0xffff993d40000000n
        : 0xffff888000000000n);
  const vmemmapBase =
    options.vmemmapBase ??
    (levels === 5
      ? random
        ? 0xffd4ace900000000n
        : 0xffd4000000000000n
      : random
        ? 0xfffff2c5c0000000n
        : 0xffffea0000000000n);

  const ramBytes = (options.ram ?? [{ start: 0, end: 64 * 2 ** 20 }]).toSorted((a, b) => a.start - b.start);
  const short = options.elf?.pfileszShort ?? 0;
  const top = ramBytes[ramBytes.length - 1];
  const maxPfn = align(top.end);
  const absent = short ? [{ start: align(top.end) - short, end: align(top.end) }] : [];
  /** Whole pages with bytes in the file: where the kernel can keep things. */
  const usable = ramBytes
    .map(({ start, end }) => ({ start: align(start), end: Math.floor(end / pageSize) }))
    .map((r, i, all) => (i === all.length - 1 ? { ...r, end: r.end - short } : r))
    .filter((r) => r.start < r.end);
  const maxPhysmemBits =
    options.maxPhysmemBits ??
    (model === 'sparsemem-static' ? Math.max(36, Math.ceil(Math.log2(top.end))) : levels === 5 ? 52 : 46);

  // The image and the pages that were asked for come first; the rest of RAM is the allocator's.
  const image = new KernelImage({
    physBase,
    kernelOffset,
    textPages: options.textPages ?? 64,
    bssPages: options.bssPages ?? 16,
    symbols: symbolsOf(kernel, model, maxPhysmemBits),
  });
  const userRuns = (options.pages ?? []).map((spec): Run => {
    const look = lookOf(kernel, spec.kind, spec);
    if (spec.pfn % 2 ** look.order !== 0)
      throw new Error(`frame ${spec.pfn} is not aligned to order ${look.order}`);
    return { pfn: spec.pfn, blocks: spec.count ?? 1, look };
  });
  for (const run of userRuns) {
    if (!usable.some((r) => run.pfn < r.end && runEnd(run) > r.start)) {
      throw new Error(`${run.look.name} pages from frame ${run.pfn} on are not in RAM`);
    }
  }
  const fixedRuns = sortRuns([...userRuns, ...imageRuns(kernel, image, options.lyingImagePages ?? [])]);
  const imageEnd = (image.paddr + image.bytes) / pageSize;
  if (!usable.some((r) => r.start <= image.paddr / pageSize && imageEnd <= r.end)) {
    throw new Error(`the kernel image at 0x${image.paddr.toString(16)} (${image.bytes} bytes) is not in RAM`);
  }
  // Page 0 stays out, as in a real kernel: a paddr of 0 would read as "none".
  const gaps = gapsBetween(usable, fixedRuns)
    .map((g) => ({ start: Math.max(g.start, 1), end: g.end }))
    .filter((g) => g.start < g.end);
  const allocator = new PfnAllocator(gaps);
  const pages = new PhysicalPages();

  const memmapOptions: MemmapOptions = {
    model,
    leaf,
    ram: ramBytes.map((r) => ({ start: Math.floor(r.start / pageSize), end: align(r.end) })),
    allocator,
    vmemmapBase,
    pageOffset,
  };
  const memmap = placeMemmap(memmapOptions);
  const pgdat =
    model === 'flatmem'
      ? { paddr: image.at('contig_page_data'), vaddr: image.symbol('contig_page_data') }
      : direct(allocator.take(align(kernel.node.pglistDataSize), 1, 'pglist_data'));
  const memSection =
    model === 'flatmem'
      ? { vaddr: 0n, length: 0 }
      : writeMemSection(memmap, {
          kernel,
          pages,
          allocator,
          pageOffset,
          maxPhysmemBits,
          ...(model === 'sparsemem-static'
            ? { staticAt: { paddr: image.at('mem_section'), vaddr: image.symbol('mem_section') } }
            : {}),
        });
  function direct(pfn: number): { paddr: number; vaddr: bigint } {
    return { paddr: pfn * pageSize, vaddr: pageOffset + BigInt(pfn * pageSize) };
  }

  // Kernel data.
  const release = options.release ?? `${kernel.name}.0-smelt`;
  writeImage(pages, image, kernel, release);
  if (model === 'flatmem') pages.writeU64(image.at('mem_map'), memmap.chunks[0].vaddr);
  else pages.writeU64(image.at('node_data'), pgdat.vaddr);
  const dmesg = options.dmesg ?? [
    `Linux version ${release}`,
    'Kernel panic - not syncing: sysrq triggered crash',
  ];
  const { clearedBefore = 0 } = options;
  if (kernel.printk === 'ringbuffer') {
    const isNew = kernel.name === '7.3';
    const forms = {
      latched: kernel.exportsLatchedSeq,
      perfectFit: isNew,
      wideIds: isNew,
      facility: options.logFacility,
    };
    writeRingBuffer(pages, image, dmesg, { clearedBefore, ...forms });
  } else if (kernel.printk === 'log_buf') writeLogBuf(pages, image, dmesg, clearedBefore);
  else writePlainLog(pages, image, dmesg, clearedBefore);
  const text = vmcoreinfoText(
    {
      kernel,
      release,
      memoryModel: model,
      symbol: (name) => (image.has(name) ? image.symbol(name) : undefined),
      memSectionVaddr: memSection.vaddr,
      memSectionLength: memSection.length,
      maxPhysmemBits,
      physBase,
      kernelOffset,
      levels,
      smeMask: mask,
      vmemmapBase,
      vmallocStart: levels === 5 ? 0xffa0000000000000n : 0xffffc90000000000n,
    },
    options.overrides,
  );
  let vmcoreinfoNotePaddr: number | undefined;
  if (options.vmcoreinfo !== 'none') {
    // vmcoreinfo_data (the text) and vmcoreinfo_note (header, text, and an empty note that ends the list)
    pages.write(
      allocator.take(align(text.length), 1, 'vmcoreinfo_data') * pageSize,
      Buffer.from(text, 'latin1'),
    );
    const note = vmcoreinfoNote(text);
    vmcoreinfoNotePaddr = allocator.take(align(note.length + 12), 1, 'vmcoreinfo_note') * pageSize;
    pages.write(vmcoreinfoNotePaddr, note);
  }

  // Page tables: kernel text, direct map, vmemmap.
  const tables = new PageTables({
    pages,
    levels,
    mask,
    ...(options.sharedBit === undefined ? {} : { sharedBit: options.sharedBit }),
    rootPaddr: image.at('init_top_pgt'),
    allocate: () => allocator.take(1, 1, 'a page table') * pageSize,
  });
  const imageMapped = leaf === '4k' ? image.bytes : Math.ceil(image.bytes / 2 ** 21) * 2 ** 21;
  tables.map(image.vaddr, image.paddr, imageMapped, { leaf: leaf === '4k' ? '4k' : '2m', executable: true });
  const directLeaf = options.directLeaf ?? (maxPfn * pageSize >= 128 * 2 ** 30 ? '1g' : '2m');
  mapDirect(tables, usable, options.shared ?? [], pageOffset, directLeaf);
  mapVmemmap(memmap, memmapOptions, tables);

  // What is left is fill; then every frame's kind is known.
  const reserved = lookOf(kernel, 'reserved');
  const taken = allocator.taken.map((r): Run => ({ pfn: r.start, blocks: r.end - r.start, look: reserved }));
  const decided = sortRuns([...fixedRuns, ...taken]);
  const fill = gapsBetween(usable, decided).flatMap((g) =>
    options.fill === 'buddy'
      ? buddyRuns(kernel, g)
      : [{ pfn: g.start, blocks: g.end - g.start, look: lookOf(kernel, 'kernel') }],
  );
  const runs = sortRuns([...decided, ...fill]);
  const zones = countFree(runs).map((z, i) => ({ ...z, free: options.freePages?.[i] ?? z.free }));
  writeNode(pages, pgdat, kernel.node, usable, zones);
  for (const [i, spec] of (options.pages ?? []).entries()) {
    if (!spec.data || spec.data === 'zero') continue;
    for (let pfn = userRuns[i].pfn; pfn < runEnd(userRuns[i]); pfn++) {
      pages.page(pfn).set(pageContent(spec.data, pfn));
    }
  }

  // The file.
  const cr3 = BigInt(image.at('init_top_pgt')) | mask;
  const notes = Buffer.concat([
    ...Array.from({ length: options.cpus ?? 1 }, (_, cpu) =>
      prstatusNote(cpu, { rip: image.symbol('_stext') + 0x123n, rsp: pageOffset + 0x2000n }),
    ),
    ...(options.qemuNote
      ? [
          qemuNote({
            rip: image.symbol('_stext') + 0x123n,
            rsp: pageOffset + 0x2000n,
            cr3,
            cr4: levels === 5 ? 0x751ef0n : 0x750ef0n,
            idtBase: image.symbol('idt_table'),
          }),
        ]
      : []),
    ...((options.vmcoreinfo ?? 'note') === 'note' ? [vmcoreinfoNote(text)] : []),
    // makedumpfile reads a fixed length for each note's header and name and fails where the file ends before.
    ...(options.cpus === 0 && options.vmcoreinfo !== 'note' ? [elfNote('', 0, new Uint8Array())] : []),
  ]);
  const loads = ramBytes.map(({ start, end }, i): Load => {
    const memsz = end - start;
    const filesz = i === ramBytes.length - 1 ? memsz - short * pageSize : memsz;
    return { paddr: start, vaddr: pageOffset + BigInt(start), memsz, filesz };
  });
  if (options.elf?.unsorted) loads.reverse();
  if (options.elf?.overlap) loads.unshift({ paddr: image.paddr, vaddr: image.vaddr, memsz: image.bytes });
  const { phoff, pnXnum, unaligned } = options.elf ?? {};
  const plain: ElfCoreSpec = {
    notes,
    loads,
    ...(phoff === undefined ? {} : { phoff }),
    ...(pnXnum === undefined ? {} : { pnXnum }),
    ...(unaligned === undefined ? {} : { unaligned }),
  };
  const spec = options.elf?.spec?.(plain) ?? plain;
  const plan = planElfCore(spec);
  const filler = new StructPageFiller({ kernel, structPageVaddr: memmap.structPageVaddr });
  const content = pages.entries();
  const fd = openSync(options.path, 'w');
  try {
    writeSync(fd, plan.headers, 0, plan.headers.length, 0);
    const writer = new SegmentWriter(fd, spec.loads, plan.offsets);
    for (const [pfn, bytes] of content) if (!isZero(bytes)) writer.write(pfn * pageSize, bytes);
    writeMemmap(memmap, filler, runs, writer);
    ftruncateSync(fd, plan.size);
  } finally {
    closeSync(fd);
  }

  let memmapPages: Map<number, number> | undefined;
  const pageBytes = (pfn: number): Uint8Array => {
    const known = pages.peek(pfn);
    if (known) return known.slice();
    const out = new Uint8Array(pageSize);
    memmapPages ??= new Map(memmap.chunks.flatMap((c) => chunkPages(c)));
    const first = memmapPages.get(pfn);
    if (first !== undefined) filler.fill(out, first, runs);
    return out;
  };
  const nonZero = content
    .filter(([, bytes]) => !isZero(bytes))
    .map(([pfn]) => ({ start: pfn, end: pfn + 1 }));
  for (const { pieces } of memmap.chunks) {
    const bytes = (sectionPages * 64) / pieces.length;
    for (const paddr of pieces) nonZero.push({ start: paddr / pageSize, end: (paddr + bytes) / pageSize });
  }

  return {
    path: options.path,
    vmcoreinfoText: text,
    kernel,
    expected: expectationsOf({
      ram: ramBytes.map((r) => ({ start: Math.floor(r.start / pageSize), end: align(r.end) })),
      absent,
      runs,
      nonZero,
    }),
    runs,
    pageBytes,
    tables: {
      pgdPaddr: image.at('init_top_pgt'),
      pgdVaddr: image.symbol('init_top_pgt'),
      pageOffset,
      vmemmapBase,
      memSectionVaddr: memSection.vaddr,
      pgdatVaddr: pgdat.vaddr,
      image,
      vmcoreinfoNotePaddr,
      structPageVaddr: memmap.structPageVaddr,
      memmapChunks: memmap.chunks,
    },
    zones,
    sizeBytes: plan.size,
  };
}
