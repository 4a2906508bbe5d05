/** Where struct pages are, in every memory model, against where the builder put them. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PageTableWalker } from '../../src/arch/page-table.ts';
import { type MapPiece, MemoryMap, type MemoryModel, memoryModel } from '../../src/kernel/memory-model.ts';
import { Vmcoreinfo } from '../../src/kernel/vmcoreinfo.ts';
import { cachedOf } from '../arch/memory.ts';
import { PageTables } from '../build/page-tables.ts';
import { PhysicalPages } from '../build/physical-pages.ts';
import type { VmcoreOptions } from '../build/vmcore-options.ts';
import { tempFiles } from '../read/temp-files.ts';
import { type OpenedVmcore, openVmcore, x86_64 } from './opened.ts';

const files = tempFiles();
const MiB = 2 ** 20;

/** Pieces must cover what was asked for, in order, without gaps. */
function cover(map: MemoryMap, pfn: number, count: number): MapPiece[] {
  const pieces = [...map.pieces(pfn, count)];
  let at = pfn;
  for (const piece of pieces) {
    expect(piece.pfn).toBe(at);
    expect(piece.count).toBeGreaterThan(0);
    at += piece.count;
  }
  expect(at).toBe(pfn + count);
  return pieces;
}

const structPaddr = (pieces: readonly MapPiece[], pfn: number, size = 64) => {
  const piece = pieces.find((p) => pfn >= p.pfn && pfn < p.pfn + p.count);
  return piece?.paddr === undefined ? undefined : piece.paddr + (pfn - piece.pfn) * size;
};

function mapOf({ info, walker }: OpenedVmcore): { map: MemoryMap; model: MemoryModel } {
  const model = memoryModel(info, 12)!;
  return { map: new MemoryMap(model, walker, 64), model };
}

const ram = [
  { start: 0, end: 96 * MiB },
  { start: 256 * MiB, end: 300 * MiB },
];
const models: [string, Omit<VmcoreOptions, 'path'>][] = [
  ['vmemmap of 2 MiB leaves', { memoryModel: 'vmemmap' }],
  ['vmemmap of 4 KiB leaves in reverse order', { memoryModel: 'vmemmap', leaf: '4k' }],
  ['vmemmap with five levels and an encryption mask', { levels: 5, smeMask: 1n << 51n, leaf: '4k' }],
  ['SPARSEMEM without vmemmap', { memoryModel: 'sparsemem' }],
  ['SPARSEMEM with a static array', { memoryModel: 'sparsemem-static', maxPhysmemBits: 36 }],
  ['FLATMEM', { memoryModel: 'flatmem' }],
  ['struct mem_section of 32 bytes', { kernel: '6.1' }],
  ['struct mem_section of 16 bytes', { kernel: '6.12' }],
];

describe.each(models)('%s', (_, options) => {
  const opened = openVmcore(files, { ram, ...options });
  const { map, model } = mapOf(opened);
  const end = 300 * 256;
  const truth = (pfn: number) => {
    const chunk = opened.built.tables.memmapChunks.find((c) => pfn >= c.firstPfn && pfn < c.firstPfn + 32768);
    if (!chunk) return undefined;
    const byte = (pfn - chunk.firstPfn) * 64;
    const size = (32768 * 64) / chunk.pieces.length;
    return chunk.pieces[Math.floor(byte / size)] + (byte % size);
  };

  it('has each struct page where the kernel has it', () => {
    const pieces = cover(map, 0, end);
    for (let pfn = 0; pfn < end; pfn += 61) {
      const expected = truth(pfn);
      const got = structPaddr(pieces, pfn);
      expect(got, `page frame ${pfn}`).toBe(expected);
    }
  });

  it('has the same for any part', () => {
    fc.assert(
      fc.property(fc.nat(end), fc.integer({ min: 1, max: 3000 }), (pfn, count) => {
        const pieces = cover(map, pfn, count);
        for (const at of [pfn, pfn + (count >> 1), pfn + count - 1]) {
          expect(structPaddr(pieces, at)).toBe(truth(at));
        }
      }),
      { numRuns: 60 },
    );
  });

  it.skipIf(options.memoryModel === 'flatmem')(
    'has nothing in sections that are not there (FLATMEM, skipped, has no sections), nor beyond the last root',
    () => {
      expect(cover(map, 40_000, 1000)).toEqual([{ pfn: 40_000, count: 1000, paddr: undefined }]);
      for (const far of [2 ** 30, 2 ** 40, 2 ** 45]) {
        expect(cover(map, far, 10)).toEqual([{ pfn: far, count: 10, paddr: undefined }]);
      }
    },
  );

  it('is recognised for what it is', () => {
    if (options.memoryModel === 'flatmem') expect(model.kind).toBe('flatmem');
    else
      expect(model).toMatchObject({ kind: 'sparsemem', extreme: options.memoryModel !== 'sparsemem-static' });
  });
});

describe.each(models)('the array of struct pages of %s', (_, options) => {
  it('is told where there is one, whatever sections are asked for', () => {
    const opened = openVmcore(files, { ram, ...options });
    const { map } = mapOf(opened);
    const isOne = (options.memoryModel ?? 'vmemmap') === 'vmemmap';
    const end = 300 * 256;
    const start = opened.built.tables.vmemmapBase;
    const expected = isOne ? { start, end: start + BigInt(end * 64) } : undefined;
    // There is no memory at 128 MiB.
    expect(map.vmemmap([0, 128 * 256, end - 1], end)).toEqual(expected);
    expect(map.vmemmap([128 * 256], end)).toBeUndefined();
  });
});

describe('a memory map that cannot be read whole', () => {
  it('has nothing where the roots are not in the dump', () => {
    const opened = openVmcore(files, { overrides: { 'SYMBOL(mem_section)': 'ffff8f0000000000' } });
    const { map } = mapOf(opened);
    expect(cover(map, 0, 1000)).toEqual([{ pfn: 0, count: 1000, paddr: undefined }]);
  });

  it('has nothing where mem_map of FLATMEM is not in the dump', () => {
    const opened = openVmcore(files, {
      memoryModel: 'flatmem',
      overrides: { 'SYMBOL(mem_map)': 'ffff8f0000000000' },
    });
    expect(cover(mapOf(opened).map, 5, 10)).toEqual([{ pfn: 5, count: 10, paddr: undefined }]);
  });
});

describe('struct pages of 56 bytes, which lie across page borders', () => {
  const size = 56;
  const base = 0xffffea0000000000n;

  function mapWith(frames: readonly (number | undefined)[]): MemoryMap {
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
    for (const [i, frame] of frames.entries()) {
      if (frame !== undefined) tables.map(base + BigInt(i * 4096), frame * 4096, 4096, { leaf: '4k' });
    }
    tables.map(0xffff888000000000n, 0x80000, 4096, { leaf: '4k' });
    pages.writeU64(0x80000, base);
    const walker = new PageTableWalker(cachedOf(pages), x86_64.tableFormat, {
      root: 4096,
      levels: 4,
      encryptionMask: 0n,
    });
    return new MemoryMap({ kind: 'flatmem', memMap: 0xffff888000000000n }, walker, size);
  }

  it('are found on pages that follow each other', () => {
    const pieces = cover(mapWith([100, 101, 102]), 0, 200);
    expect(pieces).toEqual([{ pfn: 0, count: 200, paddr: 100 * 4096 }]);
  });

  it('are found on scattered pages, but for those that lie across two of them', () => {
    const frames = [100, 50, undefined, 70];
    const map = mapWith(frames);
    const pieces = cover(map, 0, 292);
    for (let pfn = 0; pfn < 292; pfn++) {
      const [from, to] = [pfn * size, pfn * size + size - 1];
      const frame =
        Math.floor(from / 4096) === Math.floor(to / 4096) ? frames[Math.floor(from / 4096)] : undefined;
      expect(structPaddr(pieces, pfn, size), `page frame ${pfn}`).toBe(
        frame === undefined ? undefined : frame * 4096 + (from % 4096),
      );
    }
  });

  it('are the same in any part', () => {
    const map = mapWith([100, 50, undefined, 70]);
    const all = cover(map, 0, 292);
    fc.assert(
      fc.property(fc.nat(280), fc.integer({ min: 1, max: 11 }), (pfn, count) => {
        const pieces = cover(map, pfn, count);
        for (let p = pfn; p < pfn + count; p++)
          expect(structPaddr(pieces, p, size)).toBe(structPaddr(all, p, size));
      }),
    );
  });
});

describe('a memory model from VMCOREINFO', () => {
  const good = {
    'SYMBOL(mem_section)': 'ffff888000001000',
    'SIZE(mem_section)': '16',
    'OFFSET(mem_section.section_mem_map)': '0',
    'LENGTH(mem_section)': '2048',
    'NUMBER(SECTION_SIZE_BITS)': '27',
    'NUMBER(MAX_PHYSMEM_BITS)': '46',
  };
  const modelOf = (overrides: Record<string, string | undefined>) =>
    memoryModel(
      new Vmcoreinfo(
        Object.entries({ ...good, ...overrides })
          .flatMap(([key, value]) => (value === undefined ? [] : [`${key}=${value}`]))
          .join('\n'),
      ),
      12,
    );

  it('counts roots and sections', () => {
    expect(modelOf({})).toMatchObject({
      extreme: true,
      roots: 2048,
      sectionsPerRoot: 256,
      pfnsPerSection: 32768,
    });
    expect(modelOf({ 'LENGTH(mem_section)': '524288' })).toMatchObject({ extreme: false, roots: 524288 });
  });

  it('takes what x86-64 has where the bits are not exported, which depends on the levels', () => {
    const missing = { 'NUMBER(SECTION_SIZE_BITS)': undefined, 'NUMBER(MAX_PHYSMEM_BITS)': undefined };
    expect(modelOf(missing)).toMatchObject({ extreme: true, roots: 2048 });
    const five = { ...missing, 'LENGTH(mem_section)': '131072', 'NUMBER(pgtable_l5_enabled)': '1' };
    expect(modelOf(five)).toMatchObject({ extreme: true, roots: 131072 });
  });

  it.each([
    ['SIZE(mem_section)', '0'],
    ['SIZE(mem_section)', '7'],
    ['SIZE(mem_section)', '4096'],
    ['OFFSET(mem_section.section_mem_map)', '9'],
    ['NUMBER(SECTION_SIZE_BITS)', '12'],
    ['NUMBER(SECTION_SIZE_BITS)', '-1'],
    ['NUMBER(SECTION_SIZE_BITS)', '9223372036854775807'],
    ['NUMBER(MAX_PHYSMEM_BITS)', '27'],
    ['NUMBER(MAX_PHYSMEM_BITS)', '53'],
    ['NUMBER(MAX_PHYSMEM_BITS)', '-46'],
  ])('is none where %s=%s', (key, value) => {
    expect(modelOf({ [key]: value })).toBeUndefined();
  });

  it('is FLATMEM where there are no sections and a mem_map, and none without', () => {
    expect(modelOf({ 'SYMBOL(mem_section)': undefined, 'SYMBOL(mem_map)': 'ffffffff82000000' })).toEqual({
      kind: 'flatmem',
      memMap: 0xffffffff82000000n,
    });
    expect(modelOf({ 'SYMBOL(mem_section)': undefined })).toBeUndefined();
  });
});
