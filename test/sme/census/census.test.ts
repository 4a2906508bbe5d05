/** The census of built dumps: which page frames are shared is what the builder made of them. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { findTables } from '../../../src/sme/mask-of-tables.ts';
import { openReader } from '../../../src/workers/thread.ts';
import type { Leaf } from '../../build/page-tables.ts';
import type { VmcoreOptions } from '../../build/vmcore-options.ts';
import { type OpenedVmcore, openVmcore } from '../../kernel/opened.ts';
import { tempFiles } from '../../read/temp-files.ts';
import { censusOf, lastOf, plainCensus, planOf, runsOf, x86_64 } from './census-of.ts';

const files = tempFiles();
const GIB = 2 ** 30;
const MIB = 2 ** 20;
const MASKS = [1n << 47n, 1n << 51n];
const RAM = [
  { start: 0, end: 64 * MIB },
  { start: GIB, end: GIB + 16 * MIB },
];
/** The same with two whole gigabytes: what leaves of 1 GiB can map. */
const LARGE_RAM = [RAM[0], { start: GIB, end: 3 * GIB }];
/** A page, a run across a table's edge, a whole 2 MiB, and one by itself in the gigabytes. */
const SHARED = [
  { pfn: 0x3000, count: 1 },
  { pfn: 0x31f0, count: 0x20 },
  { pfn: 0x3400, count: 512 },
  { pfn: 0x4_0107, count: 3 },
];
const SHARED_RUNS = SHARED.map(({ pfn, count }) => [pfn, pfn + count]);

type Options = Omit<VmcoreOptions, 'path'>;

const asked = ({ reader, file, built, info }: OpenedVmcore, encryptionMask: bigint, levels: 4 | 5 = 4) => ({
  reader,
  file,
  info,
  tables: { root: built.tables.pgdPaddr, levels, encryptionMask },
});

/** The vmcore's census, with what the builder knows of it. */
function take(options: Options, threads = 1) {
  const opened = openVmcore(files, { ram: RAM, ...options });
  const mask = options.smeMask ?? 0n;
  return { ...opened, census: censusOf(asked(opened, mask, options.levels), threads) };
}

describe.each([4, 5] as const)('the census of a dump with %i levels of tables', (levels) => {
  describe.each(MASKS)('and the encryption bit %i', (smeMask) => {
    it.each<Leaf>(['4k', '2m', '1g'])('finds what is shared in a direct map of %s leaves', (directLeaf) => {
      const ram = directLeaf === '1g' ? LARGE_RAM : RAM;
      const end = ram[1].end / 4096;
      const { census } = take({ levels, smeMask, directLeaf, shared: SHARED, ram });
      expect(census).toMatchObject({ meaning: 'encrypted', bit: smeMask === MASKS[0] ? 47 : 51 });
      expect(runsOf(census.frames.shared)).toEqual(SHARED_RUNS);
      expect(runsOf(census.frames.encrypted)).toEqual([
        [0, 0x3000],
        [0x3001, 0x31f0],
        [0x3210, 0x3400],
        [0x3600, 0x4000],
        [0x4_0000, 0x4_0107],
        [0x4_010a, end],
      ]);
      const shared = 1 + 0x20 + 512 + 3;
      const memory = 0x4000 + end - 0x4_0000;
      expect(census.pages).toEqual({
        memory,
        shared,
        encrypted: memory - shared,
        plain: 0,
        both: 0,
        unmapped: 0,
      });
      const [direct] = census.regions;
      expect(direct).toEqual({
        name: 'direct map',
        withBit: memory - shared,
        withoutBit: shared,
        outside: 0,
      });
      expect(census.oddities).toEqual({
        missingTables: 0,
        aliases: 0,
        tablesAtTwoLevels: 0,
        beyondLimit: 0,
        badAddresses: 0,
      });
    });
  });

  it('counts leaves by size and tables by level, and which of them have the bit', () => {
    const { census, built } = take({
      levels,
      smeMask: MASKS[1],
      directLeaf: '1g',
      shared: SHARED,
      ram: LARGE_RAM,
    });
    // Two of the 32 leaves of 2 MiB in the first 64 MiB are split, one is shared; and the first gigabyte is split, and a leaf of it.
    const [small, middle] = [3 * 512, 30 + 511];
    // By leaves of 2 MiB: struct pages, for each 128 MiB with memory, and the image.
    const others = 17 + Math.ceil(built.tables.image.bytes / 2 ** 21);
    const sharedSmall = 1 + 0x20 + 3;
    expect(census.leaves).toEqual([
      { bytesShift: 12, withBit: small - sharedSmall, withoutBit: sharedSmall },
      { bytesShift: 21, withBit: middle - 1 + others, withoutBit: 1 },
      { bytesShift: 30, withBit: 1, withoutBit: 0 },
    ]);
    // Direct map, vmemmap and image have tables of their own at each level but the top; the direct map has one for each gigabyte.
    const tables = [3, 2 + 1 + 1, 3, ...(levels === 5 ? [3] : [])];
    expect(census.tables).toEqual(tables.map((withBit, i) => ({ level: i + 1, withBit, withoutBit: 0 })));
  });

  it('is the same at mask 0 in tables without the bit, but that nothing is said of encryption', () => {
    const options = { levels, directLeaf: '2m', shared: SHARED } as const;
    const { census } = take(options);
    const masked = take({ ...options, smeMask: MASKS[0] }).census;
    expect(census).toMatchObject({ meaning: 'none', bit: undefined });
    expect(census.pages).toMatchObject({ encrypted: 0, shared: 0, both: 0, plain: census.pages.memory });
    expect(census.leaves.map((leaf) => leaf.withoutBit)).toEqual(
      masked.leaves.map((leaf) => leaf.withBit + leaf.withoutBit),
    );
    expect(census.tables.map((table) => table.withoutBit)).toEqual(
      masked.tables.map((table) => table.withBit),
    );
    expect(census.regions.map((region) => region.withoutBit)).toEqual(
      masked.regions.map((region) => region.withBit + region.withoutBit),
    );
  });
});

describe('the census', () => {
  it.each([2, 3, 7])('is the same in %i parts as in one', (threads) => {
    const options = { ram: RAM, smeMask: MASKS[1], directLeaf: '4k', leaf: '4k', shared: SHARED } as const;
    const opened = openVmcore(files, options);
    const one = plainCensus(censusOf(asked(opened, MASKS[1])));
    expect(planOf(asked(opened, MASKS[1])).tables.length).toBeGreaterThanOrEqual(3);
    expect(plainCensus(censusOf(asked(opened, MASKS[1]), threads))).toEqual(one);
  });

  it('says "both" of a page that is shared in the direct map and encrypted in the kernel text', () => {
    const opened = openVmcore(files);
    const text = opened.built.tables.image.paddr / 4096 + 5;
    const { census } = take({ smeMask: MASKS[0], shared: [{ pfn: text, count: 2 }] });
    expect(runsOf(census.frames.both)).toEqual([[text, text + 2]]);
    expect(census.pages.both).toBe(2);
    expect(census.pages.unmapped).toBe(0);
    expect(census.pages.encrypted).toBe(census.pages.memory);
  });

  it('says "unmapped" of memory that no table maps', () => {
    // The first and the last page frame are there in part, and the direct map is of whole ones.
    const ram = [{ start: 0x1000 + 100, end: 64 * MIB - 100 }];
    const { census } = take({ ram, smeMask: MASKS[0] });
    expect(census.pages).toMatchObject({ unmapped: 2, memory: 0x3fff });
    expect(runsOf(census.frames.encrypted)).toEqual([[2, 0x3fff]]);
  });

  it('tells regions apart, with KASLR too', () => {
    for (const options of [
      {},
      { kernelOffset: 0x1ca00000n, physBase: -0x1c000000n },
      { levels: 5, kernelOffset: 0x1ca00000n, physBase: -0x1c000000n },
    ] as const) {
      const opened = openVmcore(files, { ...options, ram: RAM, smeMask: MASKS[1], leaf: '4k' });
      const { image, vmemmapBase } = opened.built.tables;
      const vmemmap = { start: vmemmapBase, end: vmemmapBase + BigInt(64 * 0x4_1000) };
      const levels = 'levels' in options ? options.levels : 4;
      const census = censusOf({ ...asked(opened, MASKS[1], levels), vmemmap });
      const pages = new Map(census.regions.map((region) => [region.name, region.withBit]));
      expect(pages.get('direct map')).toBe(census.pages.memory);
      expect(pages.get('image')).toBe(image.bytes / 4096);
      // 2 MiB of struct pages for each 128 MiB with memory.
      expect(pages.get('vmemmap')).toBe(2 * 512);
      expect(pages.get('other')).toBe(0);
    }
  });
});

describe('a bit that nobody exports', () => {
  it.each([47, 51] as const)('in some leaves of the direct map says "shared": a TDX guest, bit %i', (bit) => {
    for (const directLeaf of ['4k', '2m', '1g'] as const) {
      const ram = directLeaf === '1g' ? LARGE_RAM : RAM;
      const { census } = take({ sharedBit: 1n << BigInt(bit), shared: SHARED, directLeaf, ram });
      expect(census).toMatchObject({ meaning: 'shared', bit });
      expect(runsOf(census.frames.shared)).toEqual(SHARED_RUNS);
      expect(census.pages.encrypted).toBe(0);
      expect(census.pages.plain).toBe(census.pages.memory - census.pages.shared);
      expect(census.pages.unmapped).toBe(0);
      expect(census.regions[0].withBit).toBe(census.pages.shared);
    }
  });

  it.each([
    { count: 3, meaning: 'none' },
    { count: 4, meaning: 'shared' },
  ])('in $count leaves says "$meaning": what few have is broken', ({ count, meaning }) => {
    const shared = [{ pfn: 0x3000, count }];
    const { census } = take({ sharedBit: 1n << 51n, shared, directLeaf: '4k' });
    const [sharedPages, bad] = meaning === 'shared' ? [count, 0] : [0, count];
    expect(census).toMatchObject({ meaning, oddities: { badAddresses: bad } });
    // What they map is mapped all the same, and the sums agree with each other.
    const { pages, leaves, regions } = census;
    expect(pages).toMatchObject({ shared: sharedPages, plain: pages.memory - sharedPages, unmapped: 0 });
    expect(leaves[0]!.withBit).toBe(sharedPages);
    expect(regions[0]!.withBit + regions[0]!.withoutBit).toBe(pages.memory);
  });

  it('says nothing where both of the two are there', () => {
    const { census } = take({ sharedBit: (1n << 47n) | (1n << 51n), shared: SHARED });
    expect(census).toMatchObject({ meaning: 'none', bit: undefined });
    expect(census.pages.unmapped).toBe(SHARED_RUNS.reduce((sum, [from, to]) => sum + to - from, 0));
  });

  it('is not looked for where there is an encryption bit', () => {
    const { census } = take({ smeMask: MASKS[0], sharedBit: 1n << 51n, shared: SHARED });
    expect(census).toMatchObject({ meaning: 'encrypted', bit: 47 });
    // Such an address cannot be: it lies behind the encryption bit.
    expect(census.oddities.badAddresses).toBeGreaterThanOrEqual(SHARED.length);
    expect(census.pages.shared).toBe(0);
  });
});

describe('the SME twin of the sample', () => {
  const path = join(import.meta.dirname, '../../../samples/x86_64-6.1-sme.kdump');
  // What samples/README.md says was done to it.
  it.skipIf(!existsSync(path))(`has the shared pages that it was given (${path})`, async () => {
    const file = files.open(path);
    const reader = await openReader(file, false);
    const mask = 1n << 51n;
    const tables = lastOf(findTables(file, reader, x86_64, undefined, mask))!.tables;
    const census = censusOf({ reader, file, tables }, 2);
    expect(census).toMatchObject({ meaning: 'encrypted', bit: 51 });
    expect(census.pages).toMatchObject({ memory: 21_504, shared: 512 + 8, both: 0 });
    expect(runsOf(census.frames.shared).find(([from, to]) => to - from >= 512)).toEqual([0xe00, 0x1000]);
    expect(census.leaves.reduce((sum, leaf) => sum + leaf.withoutBit, 0)).toBe(18);
    expect(census.regions.reduce((sum, region) => sum + region.outside, 0)).toBe(9);
    expect(census.tables.reduce((sum, table) => sum + table.withoutBit, 0)).toBe(0);
    reader.close();
  });
});
