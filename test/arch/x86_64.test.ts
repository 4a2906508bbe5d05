/** Where x86-64 keeps its page tables and its image, by VMCOREINFO and by the tables. */
import { describe, expect, it } from 'vitest';
import { PageTableWalker } from '../../src/arch/page-table.ts';
import { x86_64 } from '../../src/arch/x86_64.ts';
import { Vmcoreinfo } from '../../src/kernel/vmcoreinfo.ts';
import { parseNotes } from '../../src/read/notes.ts';
import { prstatusNote, qemuNote } from '../build/notes.ts';
import { PageTables } from '../build/page-tables.ts';
import { PhysicalPages } from '../build/physical-pages.ts';
import { cachedOf } from './memory.ts';

const info = (lines: Record<string, string>) =>
  new Vmcoreinfo(
    Object.entries(lines)
      .map(([key, value]) => `${key}=${value}\n`)
      .join(''),
  );

/** Of 1 GiB, where VMCOREINFO does not say how large it is. */
const imageAt = (paddr: number) => ({ start: 0xffffffff80000000n, end: 0xffffffffc0000000n, paddr });

describe('the page tables of x86-64', () => {
  it.each(['init_top_pgt', 'init_level4_pgt', 'swapper_pg_dir'])('are found by %s', (name) => {
    const found = x86_64.findPageTables(
      info({ [`SYMBOL(${name})`]: 'ffffffff82a10000', 'NUMBER(phys_base)': '0' }),
      0n,
    );
    expect(found).toEqual({ root: 0x2a10000, levels: 4, encryptionMask: 0n, image: imageAt(0) });
  });

  it('are those of init_top_pgt where there are several', () => {
    const found = x86_64.findPageTables(
      info({ 'SYMBOL(swapper_pg_dir)': 'ffffffff81000000', 'SYMBOL(init_top_pgt)': 'ffffffff82a10000' }),
      0n,
    );
    expect(found?.root).toBe(0x2a10000);
  });

  it('are found in the SME host of libkdumpfile’s tests: bit 47, phys_base 0x1691000000', () => {
    const found = x86_64.findPageTables(
      info({
        'SYMBOL(init_level4_pgt)': 'ffffffff8200a000',
        'NUMBER(phys_base)': String(0x1691000000),
        'NUMBER(sme_mask)': '140737488355328',
      }),
      1n << 47n,
    );
    expect(found).toEqual({
      root: 0x169300a000,
      levels: 4,
      encryptionMask: 1n << 47n,
      image: imageAt(0x1691000000),
    });
  });

  it('have five levels where the kernel says so, and move with phys_base, also a negative one', () => {
    const found = x86_64.findPageTables(
      info({
        'SYMBOL(init_top_pgt)': 'ffffffff9e610000',
        'NUMBER(phys_base)': String(-0x5a00000),
        'NUMBER(pgtable_l5_enabled)': '1',
      }),
      0n,
    );
    expect(found).toMatchObject({ root: 0x1e610000 - 0x5a00000, levels: 5 });
  });

  it.each([
    ['there is no symbol', {}],
    ['the symbol is not in the image', { 'SYMBOL(init_top_pgt)': 'ffff888000000000' }],
    [
      'phys_base leads below 0',
      { 'SYMBOL(init_top_pgt)': 'ffffffff81000000', 'NUMBER(phys_base)': '-99999999999' },
    ],
    [
      'phys_base leads beyond 2^52',
      { 'SYMBOL(init_top_pgt)': 'ffffffff81000000', 'NUMBER(phys_base)': '9223372036854775807' },
    ],
    ['phys_base is no number', { 'SYMBOL(init_top_pgt)': 'nonsense' }],
  ])('are not found where %s', (_, lines) => {
    expect(x86_64.findPageTables(info(lines), 0n)).toBeUndefined();
  });
});

describe('the mapped image of x86-64', () => {
  function walkerFor(ranges: readonly [bigint, number, number][]): PageTableWalker {
    const pages = new PhysicalPages();
    pages.page(1);
    let next = 4096;
    const tables = new PageTables({
      pages,
      levels: 4,
      mask: 0n,
      rootPaddr: 4096,
      allocate: () => (next += 4096),
    });
    for (const [vaddr, paddr, bytes] of ranges)
      tables.map(vaddr, paddr, bytes, { leaf: bytes % 2 ** 21 === 0 ? '2m' : '4k' });
    return new PageTableWalker(cachedOf(pages), x86_64.tableFormat, {
      root: 4096,
      levels: 4,
      encryptionMask: 0n,
    });
  }
  const stext = { 'SYMBOL(_stext)': 'ffffffff81000000' };
  const start = 0xffffffff81000000n;

  it('goes from _stext, rounded down to 2 MiB, as far as it is mapped', () => {
    const walker = walkerFor([[start, 0x1000000, 3 * 2 ** 21]]);
    expect(x86_64.mappedImage(info({ 'SYMBOL(_stext)': 'ffffffff81000123' }), walker)).toEqual({
      start,
      end: start + 3n * 0x200000n,
    });
  });

  it('goes over 2 MiB of which only the end is mapped', () => {
    const walker = walkerFor([
      [start, 0x1000000, 2 ** 21],
      [start + 0x3ff000n, 0x1300000, 4096],
      [start + 0x400000n, 0x1400000, 2 ** 21],
    ]);
    expect(x86_64.mappedImage(info(stext), walker)?.end).toBe(start + 0x600000n);
  });

  it('is not known without _stext, with one outside the image, or where nothing is mapped', () => {
    const walker = walkerFor([]);
    expect(x86_64.mappedImage(info({}), walker)).toBeUndefined();
    expect(x86_64.mappedImage(info({ 'SYMBOL(_stext)': '1000' }), walker)).toBeUndefined();
    expect(x86_64.mappedImage(info(stext), walker)).toBeUndefined();
  });

  it('ends with the address space where tables map everything and KERNEL_IMAGE_SIZE makes no sense', () => {
    const pages = new PhysicalPages();
    for (let i = 0; i < 512; i++) pages.writeU64(4096 + i * 8, 0x1063n);
    const tables = { root: 4096, levels: 4, encryptionMask: 0n };
    const walker = new PageTableWalker(cachedOf(pages), x86_64.tableFormat, tables);
    let steps = 0;
    const counting = {
      translate: (vaddr: bigint) => {
        if (++steps > 10_000) throw new Error('no end');
        return walker.translate(vaddr);
      },
    } as unknown as PageTableWalker;
    const lines = { ...stext, 'NUMBER(KERNEL_IMAGE_SIZE)': '9223372036854775807' };
    expect(x86_64.mappedImage(info(lines), counting)?.end).toBeLessThanOrEqual(1n << 64n);
  });
});

describe('phys_base by the mappings of an ELF file', () => {
  const text = { vaddr: 0xffffffff81000000n, paddr: 0x1e400000 };

  it('is that of the kernel image, whatever is mapped above it', () => {
    const modules = { vaddr: 0xffffffffc0000000n, paddr: 0x5000000 };
    const fixmap = { vaddr: 0xffffffffff5fb000n, paddr: 0x3000000 };
    const direct = { vaddr: 0xffff888000000000n, paddr: 0 };
    for (const mappings of [[text], [direct, modules, text, fixmap], [fixmap, modules, text]]) {
      expect(x86_64.physBaseByMappings(mappings)).toBe(0x1e400000n - 0x1000000n);
    }
  });

  it('is not known without it', () => {
    expect(x86_64.physBaseByMappings([])).toBeUndefined();
    expect(x86_64.physBaseByMappings([{ vaddr: 0n, paddr: 0 }])).toBeUndefined();
  });
});

describe('the page tables that CPUs had in use', () => {
  const LA57 = 1n << 12n;
  const note = (cr3: bigint, cr4 = 0x750ef0n) => qemuNote({ rip: 0n, rsp: 0n, cr3, cr4, idtBase: 0n });
  const tablesOf = (...notes: Uint8Array[]) => x86_64.cpuPageTables(parseNotes(Buffer.concat(notes)));

  it('are those in CR3, without what stands in its low bits, and with the encryption bit', () => {
    expect(tablesOf(note(0x1234_6fffn))).toEqual([{ root: 0x1234_6000, levels: 4 }]);
    expect(tablesOf(note((1n << 63n) | (1n << 51n) | 0x6000n))).toEqual([
      { root: 2 ** 51 + 0x6000, levels: 4 },
    ]);
  });

  it('have five levels where CR4 says so', () => {
    expect(tablesOf(note(0x6000n, 0x750ef0n | LA57))).toEqual([{ root: 0x6000, levels: 5 }]);
  });

  it('may stand in the page before, where that is the kernel’s with page-table isolation', () => {
    expect(tablesOf(note(0x7800n)).map(({ root }) => root)).toEqual([0x7000, 0x6000]);
  });

  it('are each given once, of a limited number of CPUs', () => {
    const many = Array.from({ length: 100 }, (_, cpu) => note(BigInt(0x10000 + 0x2000 * cpu)));
    expect(
      tablesOf(note(0x6000n), prstatusNote(1, { rip: 0n, rsp: 0n }), note(0x6000n), note(0x8000n)),
    ).toHaveLength(2);
    expect(tablesOf(...many).length).toBeLessThan(20);
  });

  it('are none without notes of a hypervisor, or of a CPU that does not translate addresses', () => {
    expect(tablesOf(prstatusNote(1, { rip: 0n, rsp: 0n }))).toEqual([]);
    expect(tablesOf(note(0x6000n, 0n))).toEqual([]);
    expect(tablesOf(note(0x6000n).subarray(0, 300))).toEqual([]);
  });
});

describe('the regions of image and modules', () => {
  it('share what there is from the start of the image on, by the size that the kernel gives', () => {
    const [start, end] = [0xffffffff80000000n, 0xffffffffff000000n];
    for (const [line, size] of [
      [{}, 1n << 30n],
      [{ 'NUMBER(KERNEL_IMAGE_SIZE)': String(1 << 29) }, 1n << 29n],
      [{ 'NUMBER(KERNEL_IMAGE_SIZE)': '-1' }, 1n << 30n],
      [{ 'NUMBER(KERNEL_IMAGE_SIZE)': '9223372036854775807' }, 1n << 30n],
    ] as const) {
      expect(x86_64.imageRegions(info(line))).toEqual({
        image: { start, end: start + size },
        modules: { start: start + size, end },
      });
    }
  });
});
