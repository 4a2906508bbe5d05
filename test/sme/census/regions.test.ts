/** What virtual memory is what: found in built dumps, in made-up tables, and in the real dumps. */
import { describe, expect, it } from 'vitest';
import { CachedMemory } from '../../../src/arch/memory.ts';
import { PageTableWalker } from '../../../src/arch/page-table.ts';
import { architectureOf, describeMachine } from '../../../src/kernel/machine.ts';
import { MemoryMap } from '../../../src/kernel/memory-model.ts';
import { scanForVmcoreinfo } from '../../../src/kernel/scan-vmcoreinfo.ts';
import { Vmcoreinfo, vmcoreinfoFromNotes } from '../../../src/kernel/vmcoreinfo.ts';
import { extentsOf, pfnRuns } from '../../../src/read/extents.ts';
import { parseNotes } from '../../../src/read/notes.ts';
import { FrameSet } from '../../../src/sme/census/frame-set.ts';
import { MemoryRuns } from '../../../src/sme/census/memory-runs.ts';
import { kernelRegions, REGION_NAMES, regionOf } from '../../../src/sme/census/regions.ts';
import { findTables } from '../../../src/sme/mask-of-tables.ts';
import { openReader } from '../../../src/workers/thread.ts';
import { readerOf } from '../../arch/memory.ts';
import { PageTables } from '../../build/page-tables.ts';
import { PhysicalPages } from '../../build/physical-pages.ts';
import { openVmcore } from '../../kernel/opened.ts';
import { tempFiles } from '../../read/temp-files.ts';
import { REAL_DUMPS } from '../real-dumps.ts';
import { censusOf, lastOf, planOf, x86_64 } from './census-of.ts';

const files = tempFiles();
const MIB = 2 ** 20;
const NO_INFO = { symbol: () => undefined, number: () => undefined };
const memory = new MemoryRuns({
  pageSize: 4096,
  memory: extentsOf([{ paddr: 0, sizeBytes: 64 * MIB, byteOffset: 0 }]),
});

describe('the direct map', () => {
  it.each(['4k', '2m', '1g'] as const)('is found by %s leaves, wherever KASLR put it', (directLeaf) => {
    for (const pageOffset of [undefined, 0xffff_a3c7_4000_0000n, 0xffff_8000_0000_0000n]) {
      for (const smeMask of [0n, 1n << 51n]) {
        const ram = [
          { start: 0, end: 64 * MIB },
          { start: 2 ** 30, end: directLeaf === '1g' ? 2 ** 31 : 2 ** 30 + 8 * MIB },
        ];
        const options = { ram, directLeaf, smeMask, ...(pageOffset === undefined ? {} : { pageOffset }) };
        const { reader, file, built } = openVmcore(files, options);
        const tables = { root: built.tables.pgdPaddr, levels: 4, encryptionMask: smeMask };
        const { directOffset } = planOf({ reader, file, tables }).rules;
        expect(directOffset).toBe(Number(BigInt.asUintN(64, built.tables.pageOffset) >> 12n));
      }
    }
  });

  it('is not the espfix area, where one table of 4 KiB pages stands in all entries', () => {
    const pages = new PhysicalPages();
    let next = 0x1000;
    pages.page(1);
    const tables = new PageTables({
      pages,
      levels: 4,
      mask: 0n,
      rootPaddr: 0x1000,
      allocate: () => (next += 4096),
    });
    tables.map(0xffff_8880_0000_0000n, 0, 64 * MIB, { leaf: '2m' });
    // Its first page is at such a distance from memory that it could be the direct map.
    tables.map(0xffff_ff00_4000_1000n, 0x1000, 4096, { leaf: '4k' });
    const middle = next - 4096;
    for (let i = 1; i < 512; i++) pages.writeU64(middle + i * 8, pages.readU64(middle));
    const file = {
      pageSize: 4096,
      memory: extentsOf([{ paddr: 0, sizeBytes: 64 * MIB, byteOffset: 0 }]),
    };
    const plan = planOf({
      reader: readerOf(pages),
      file,
      tables: { root: 0x1000, levels: 4, encryptionMask: 0n },
    });
    expect(plan.rules.directOffset).toBe(0xffff888000000);
    expect(plan.oddities.aliases).toBe(511);
  });

  it('is not known where there is none', () => {
    const { reader, file } = openVmcore(files);
    const tables = { root: 0x100_0000, levels: 4, encryptionMask: 0n };
    const { rules } = planOf({ reader, file, tables });
    expect(rules.directOffset).toBeUndefined();
    expect(rules.regions.map(({ name }) => REGION_NAMES[name])).toEqual(['image', 'modules']);
  });
});

describe('the regions', () => {
  const direct = { offset: 0xffff888000000, pages: 1 };
  const nameAt = (vaddr: bigint, vmemmap: { start: bigint; end: bigint } | undefined, info = NO_INFO) =>
    REGION_NAMES[regionOf(kernelRegions(x86_64, info, memory, direct, vmemmap), Number(vaddr >> 12n))];
  const vmemmap = { start: 0xffffea0000000000n, end: 0xffffea0000100000n };

  it.each([
    [0xffff888000000000n, 'direct map'],
    [0xffff888003fff000n, 'direct map'],
    [0xffff888004000000n, 'vmalloc'],
    [0xffffc90000000000n, 'vmalloc'],
    [0xffffe9fffffff000n, 'vmalloc'],
    [0xffffea0000000000n, 'vmemmap'],
    [0xffffea0000100000n, 'other'],
    [0xffff887ffffff000n, 'other'],
    [0xfffffe0000000000n, 'other'],
    [0xffffffff80000000n, 'image'],
    [0xffffffffbffff000n, 'image'],
    [0xffffffffc0000000n, 'modules'],
    [0xffffffffff000000n, 'other'],
  ])('have 0x%s in the right one', (vaddr, name) => {
    expect(nameAt(vaddr, vmemmap)).toBe(name);
  });

  it('begin modules where a smaller image ends', () => {
    const info = {
      ...NO_INFO,
      number: (name: string) => (name === 'KERNEL_IMAGE_SIZE' ? 1n << 29n : undefined),
    };
    const regions = kernelRegions(x86_64, info, memory, direct, vmemmap);
    expect(REGION_NAMES[regionOf(regions, 0xffffffffa0000)]).toBe('modules');
    expect(REGION_NAMES[regionOf(regions, 0xffffffff9ffff)]).toBe('image');
  });

  it('say "other" of what cannot be told: without a vmemmap, or where struct pages are in the direct map', () => {
    for (const range of [undefined, { start: 0xffff888000100000n, end: 0xffff888000200000n }]) {
      expect(nameAt(0xffffc90000000000n, range)).toBe('other');
      expect(nameAt(0xffff888000100000n, range)).toBe('direct map');
    }
  });
});

describe('the census of a real dump', () => {
  for (const { name, path, missing, procVmcore } of REAL_DUMPS) {
    it.skipIf(missing)(
      `agrees with a walk, page by page, and with what is known: ${name} (${path})`,
      async () => {
        const file = files.open(path);
        const reader = await openReader(file, false);
        const arch = architectureOf(file);
        const cached = new CachedMemory(reader);
        let text = vmcoreinfoFromNotes(parseNotes(file.notes, file.littleEndian));
        if (text === undefined) {
          for (const step of scanForVmcoreinfo(file, reader)) text ??= step.found;
        }
        const info = new Vmcoreinfo(text!);
        const { memoryMap } = describeMachine(arch, cached, info, 0n);
        const tables = lastOf(findTables(file, reader, arch, info, 0n))!.tables;
        // Where the image lies is known by VMCOREINFO alone.
        expect(memoryMap!.tables).toEqual({ ...tables, image: expect.anything() });
        const walker = new PageTableWalker(cached, arch.tableFormat, tables);
        const runs = [...pfnRuns(file.memory, file.pageSize)];
        const map = new MemoryMap(memoryMap!.model, walker, memoryMap!.rules.sizeBytes);
        const ends = runs.flatMap(({ pfn, count }) => [pfn, pfn + count - 1]);
        const vmemmap = map.vmemmap(ends, Math.max(...ends) + 1);
        expect(vmemmap).toBeDefined();
        const census = censusOf({ reader, file, tables, info, vmemmap }, 2);

        expect(census).toMatchObject({ meaning: 'none', leftOut: 0 });
        expect(census.oddities).toMatchObject({ missingTables: 0, tablesAtTwoLevels: 0, badAddresses: 0 });
        const region = (of: string) => census.regions.find((each) => each.name === of)!;
        // All but the hole for VGA and ROMs, the 96 page frames below 1 MiB, and a few at the end of memory.
        expect(census.pages.unmapped).toBeLessThan(200);
        expect(region('direct map').withoutBit).toBeGreaterThan(census.pages.memory * 0.98);
        // 64 bytes of struct page for each page frame, in whole sections; the 64 page frames of a ROM have none.
        expect(region('vmemmap').withoutBit).toBeGreaterThanOrEqual((census.pages.memory - 64) / 64);
        for (const some of ['image', 'modules', 'vmalloc'])
          expect(region(some).withoutBit).toBeGreaterThan(100);

        // The mapping that the file itself names, or else one that the walker finds.
        const { directOffset } = planOf({ reader, file, tables }).rules;
        const base = BigInt(directOffset!) << 12n;
        if (file.format === 'elf' && procVmcore) {
          const mapped = file.mappings.filter(({ vaddr }) => vaddr < 0xffffffff80000000n);
          for (const { vaddr, paddr } of mapped) expect(vaddr - BigInt(paddr)).toBe(base);
          expect(mapped.length).toBeGreaterThan(0);
        }
        const plain = FrameSet.from(census.frames.plain);
        for (const { pfn, count } of runs) {
          for (const at of [pfn, pfn + Math.floor(count / 2), pfn + count - 1]) {
            const found = walker.translate(base + BigInt(at) * 4096n)?.paddr;
            expect(plain.has(at)).toBe(found === at * 4096);
          }
        }
        // Some vmalloc memory: what the walker finds there is in the set, devices aside.
        const inMemory = new MemoryRuns(file);
        const start = info.number('VMALLOC_START');
        for (let page = 0n; start !== undefined && page < 64n; page++) {
          const found = walker.translate(BigInt.asUintN(64, start) + page * 4096n);
          if (found !== undefined)
            expect(plain.has(found.paddr / 4096)).toBe(inMemory.has(found.paddr / 4096));
        }
        reader.close();
      },
    );
  }
});
