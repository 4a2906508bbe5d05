/** Page-table walks over tables made by hand and by the builder: levels, leaves, the encryption bit, damage. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EntryWords, PageTableWalker, type PageTables as Tables } from '../../src/arch/page-table.ts';
import { TableReader } from '../../src/arch/table-reader.ts';
import { x86_64 } from '../../src/arch/x86_64.ts';
import { type Leaf, leafBytes, PageTables } from '../build/page-tables.ts';
import { PhysicalPages } from '../build/physical-pages.ts';
import { cachedOf, readerOf } from './memory.ts';

const ROOT = 0x1000;
const MASKS = { none: 0n, bit47: 1n << 47n, bit51: 1n << 51n } as const;
const PRESENT = 0x63n;
const PSE = 0x80n;

interface Map {
  readonly vaddr: bigint;
  readonly paddr: number;
  readonly bytes: number;
  readonly leaf: Leaf;
}

function tablesOf(maps: readonly Map[], levels: 4 | 5, mask: bigint): PhysicalPages {
  const pages = new PhysicalPages();
  pages.page(ROOT / 4096);
  let next = ROOT;
  const tables = new PageTables({ pages, levels, mask, rootPaddr: ROOT, allocate: () => (next += 4096) });
  for (const { vaddr, paddr, bytes, leaf } of maps) tables.map(vaddr, paddr, bytes, { leaf });
  return pages;
}

function walkerOf(pages: PhysicalPages, tables: Partial<Tables> = {}): PageTableWalker {
  const given = { root: ROOT, levels: 4, encryptionMask: 0n, ...tables };
  return new PageTableWalker(cachedOf(pages), x86_64.tableFormat, given);
}

describe.each([4, 5] as const)('a walk of %i levels', (levels) => {
  describe.each(Object.entries(MASKS))('with the encryption bit %s', (_, mask) => {
    it.each(['4k', '2m', '1g'] as const)('ends at a leaf of %s with the rest of it', (leaf) => {
      const size = leafBytes[leaf];
      const vaddr = levels === 5 ? 0xff11_1234_4000_0000n : 0xffff_8881_4000_0000n;
      const pages = tablesOf([{ vaddr, paddr: 3 * 2 ** 30, bytes: size, leaf }], levels, mask);
      const walker = walkerOf(pages, { levels, encryptionMask: mask });
      for (const inLeaf of [0, 1, 4095, size - 1]) {
        const mapping = walker.translate(vaddr + BigInt(inLeaf));
        expect(mapping).toMatchObject({
          paddr: 3 * 2 ** 30 + inLeaf,
          sizeBytes: size - inLeaf,
          level: { '4k': 1, '2m': 2, '1g': 3 }[leaf],
        });
        expect(mapping!.rawEntry & (MASKS.bit47 | MASKS.bit51)).toBe(mask);
      }
      expect(walker.translate(vaddr + BigInt(size))).toBeUndefined();
      expect(walker.translate(vaddr - 1n)).toBeUndefined();
    });
  });

  it('of tables with the bit and a walker that strips it equals that of tables without', () => {
    const map = fc.record({
      slot: fc.nat(3000),
      frame: fc.nat(2 ** 20),
      leaf: fc.constantFrom<Leaf>('4k', '2m', '1g'),
      count: fc.integer({ min: 1, max: 3 }),
    });
    fc.assert(
      fc.property(
        fc.uniqueArray(map, { minLength: 1, maxLength: 5, selector: (m) => m.slot }),
        fc.constantFrom(MASKS.bit47, MASKS.bit51),
        fc.array(fc.tuple(fc.nat(4), fc.nat(2 ** 31)), { minLength: 1, maxLength: 10 }),
        (maps, mask, asks) => {
          // 4 GiB a slot, so that no two overlap.
          const at = maps.map(({ slot, frame, leaf, count }) => ({
            vaddr: 0xffff_8880_0000_0000n + (BigInt(slot) << 32n),
            paddr: Math.floor((frame * 4096) / leafBytes[leaf]) * leafBytes[leaf],
            bytes: count * leafBytes[leaf],
            leaf,
          }));
          const plain = walkerOf(tablesOf(at, levels, 0n), { levels });
          const masked = walkerOf(tablesOf(at, levels, mask), { levels, encryptionMask: mask });
          for (const [i, byte] of asks) {
            const vaddr = at[i % at.length].vaddr + BigInt(byte);
            const want = plain.translate(vaddr);
            const got = masked.translate(vaddr);
            expect(got).toEqual(want && { ...want, rawEntry: want.rawEntry | mask });
          }
        },
      ),
      { numRuns: 100 },
    );
  });
});

describe('a walk', () => {
  const vaddr = 0xffff_8880_0000_0000n;
  const maps: Map[] = [{ vaddr, paddr: 0x7000, bytes: 4096, leaf: '4k' }];

  it('goes astray where the bit is in the tables and is not stripped', () => {
    const walker = walkerOf(tablesOf(maps, 4, MASKS.bit47));
    expect(walker.translate(vaddr)).toBeUndefined();
  });

  it('keeps apart leaves with the bit and without (set_memory_decrypted)', () => {
    const pages = tablesOf(maps, 4, MASKS.bit51);
    const entry = 0x1000 + 3 * 4096;
    pages.writeU64(entry + 8, 0x8000n | PRESENT);
    const walker = walkerOf(pages, { encryptionMask: MASKS.bit51 });
    expect(walker.translate(vaddr)!.rawEntry & MASKS.bit51).toBe(MASKS.bit51);
    expect(walker.translate(vaddr + 4096n)).toMatchObject({ paddr: 0x8000, rawEntry: 0x8000n | PRESENT });
  });

  it('reads the address of a large page without the flags that stand in its low bits (PAT, bit 12)', () => {
    const pages = tablesOf(maps, 4, 0n);
    pages.writeU64(ROOT + 2 * 4096 + 8, 0x40_0000n | 0x1000n | PRESENT | PSE);
    expect(walkerOf(pages).translate(vaddr + 0x20_0000n)).toMatchObject({ paddr: 0x40_0000, level: 2 });
  });

  it('does not take bit 7 of the top levels for a large page, nor of the lowest', () => {
    const pages = tablesOf(maps, 4, 0n);
    pages.writeU64(ROOT + 273 * 8, pages.readU64(ROOT + 273 * 8) | PSE);
    pages.writeU64(ROOT + 3 * 4096, pages.readU64(ROOT + 3 * 4096) | PSE);
    expect(walkerOf(pages).translate(vaddr)).toMatchObject({ paddr: 0x7000, level: 1, sizeBytes: 4096 });
  });

  it('ignores the protection key, no-execute and software bits of an entry', () => {
    const pages = tablesOf(maps, 4, 0n);
    pages.writeU64(ROOT + 3 * 4096, 0xfff0_0000_0000_0e00n | 0x7000n | PRESENT);
    expect(walkerOf(pages).translate(vaddr)!.paddr).toBe(0x7000);
  });

  it.each([0, 1, 2, 3])('ends where an entry is not present (table %i of the walk)', (depth) => {
    const pages = tablesOf(maps, 4, 0n);
    const entry = ROOT + depth * 4096 + (depth === 0 ? 273 * 8 : 0);
    pages.writeU64(entry, pages.readU64(entry) & ~1n);
    expect(walkerOf(pages).translate(vaddr)).toBeUndefined();
  });

  it.each([0, 1, 2])('ends where a table is not in the dump (named by table %i of the walk)', (depth) => {
    const pages = tablesOf(maps, 4, 0n);
    const entry = ROOT + depth * 4096 + (depth === 0 ? 273 * 8 : 0);
    pages.writeU64(entry, 0x000f_ffff_ffff_f000n | PRESENT);
    expect(walkerOf(pages).translate(vaddr)).toBeUndefined();
    expect(walkerOf(pages, { root: 2 ** 45 }).translate(vaddr)).toBeUndefined();
  });

  describe('of the kernel image, of which a table is not in the dump,', () => {
    const start = 0xffff_ffff_8000_0000n;
    const image = { start, end: start + 0x4000_0000n, paddr: 0x100_0000 };
    const at = start + 0x20_3456n;
    /** The image page by page; the page frame of its last table is not in the dump. */
    const cut = () => {
      const pages = tablesOf(
        [{ vaddr: start + 0x20_0000n, paddr: 0x120_0000, bytes: 2 ** 21, leaf: '4k' }],
        4,
        0n,
      );
      pages.writeU64(ROOT + 2 * 4096 + 8, 0x77_7000n | PRESENT);
      return pages;
    };

    it('ends where the image lies', () => {
      const walker = walkerOf(cut(), { image });
      const mapping = walker.translate(at);
      expect(mapping).toMatchObject({ paddr: 0x120_3456, sizeBytes: 0x1f_cbaa, withoutTable: true });
      expect(walker.missedTable).toBe(false);
    });

    it('ends there where nobody says where the image lies, beside the image, and where it would be before memory', () => {
      for (const other of [
        undefined,
        { ...image, end: start + 0x20_0000n },
        { ...image, start: start + 0x40_0000n },
        { ...image, paddr: -0x40_0000 },
      ]) {
        const walker = walkerOf(cut(), { image: other });
        expect(walker.translate(at)).toBeUndefined();
        expect(walker.missedTable).toBe(true);
      }
    });

    it('ends where an entry is not present', () => {
      const pages = cut();
      pages.writeU64(ROOT + 2 * 4096 + 8, 0x77_7000n);
      const walker = walkerOf(pages, { image });
      expect(walker.translate(at)).toBeUndefined();
      expect(walker.missedTable).toBe(false);
    });

    it('ends at a table of a higher level: those lead astray where the encryption bit is not known', () => {
      const pages = cut();
      pages.writeU64(ROOT + 4096 + 510 * 8, 0x77_7000n | PRESENT);
      expect(walkerOf(pages, { image }).translate(at)).toBeUndefined();
    });
  });

  it('ends in tables whose entries point to the table itself', () => {
    const pages = new PhysicalPages();
    for (let i = 0; i < 512; i++) pages.writeU64(ROOT + i * 8, BigInt(ROOT) | PRESENT);
    for (const levels of [4, 5]) {
      const walker = walkerOf(pages, { levels });
      expect(walker.translate(0xffff_ffff_ffff_ffffn)).toMatchObject({ paddr: ROOT + 4095, level: 1 });
      expect(
        [...walker.stretches(0xffff_ffff_ffff_f000n, 3 * 4096)].reduce((n, s) => n + s.sizeBytes, 0),
      ).toBe(12288);
    }
  });

  it('never throws on tables of random bytes', () => {
    fc.assert(
      fc.property(
        fc.array(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), { minLength: 8, maxLength: 64 }),
        fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
        fc.constantFrom(...Object.values(MASKS)),
        (entries, at, encryptionMask) => {
          const pages = new PhysicalPages();
          for (let i = 0; i < 512; i++) pages.writeU64(ROOT + i * 8, entries[i % entries.length]);
          const walker = walkerOf(pages, { encryptionMask });
          const mapping = walker.translate(at);
          if (mapping) expect(mapping.paddr).toBeLessThan(2 ** 52);
          walker.read(at, 100);
        },
      ),
    );
  });
});

describe('the two words of an entry', () => {
  it('give the page frame that the whole gives, with the mask stripped', () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
        fc.constantFrom(...Object.values(MASKS), 1n << 32n, MASKS.bit47 | MASKS.bit51),
        (raw, mask) => {
          const words = new EntryWords(x86_64.tableFormat, mask);
          const [low, high] = [Number(BigInt.asIntN(32, raw)), Number(BigInt.asIntN(32, raw >> 32n))];
          expect(words.pfn(low, high)).toBe(Number((raw & 0x000f_ffff_ffff_f000n & ~mask) >> 12n));
          expect((high & words.maskHigh) >>> 0).toBe(Number((raw & mask) >> 32n));
        },
      ),
    );
  });
});

describe('a reader of tables', () => {
  it('gives each entry as two words, and says where a table is not in the dump', () => {
    const pages = new PhysicalPages();
    pages.writeU64(0x5000 + 7 * 8, 0x8008_1234_8765_4063n);
    const table = new TableReader(readerOf(pages));
    expect(table.entries).toBe(512);
    expect(table.load(5)).toBe(true);
    expect(table.words[14]).toBe(0x8765_4063 | 0);
    expect(table.words[15]).toBe(0x8008_1234 | 0);
    expect(table.words.filter((word) => word !== 0)).toHaveLength(2);
    expect(table.load(6)).toBe(false);
  });
});

describe('reading virtual memory', () => {
  const vaddr = 0xffff_8880_0000_0000n;

  it('follows pages that lie scattered, in any length from any place', () => {
    const order = [9, 5, 6, 30];
    const maps = order.map(
      (pfn, i): Map => ({
        vaddr: vaddr + BigInt(i * 4096),
        paddr: pfn * 4096 + 0x100000,
        bytes: 4096,
        leaf: '4k',
      }),
    );
    const pages = tablesOf(maps, 4, 0n);
    const all = Buffer.alloc(4 * 4096);
    for (let i = 0; i < all.length; i++) all[i] = (i * 31) & 0xff;
    for (const [i, pfn] of order.entries()) {
      pages.write(pfn * 4096 + 0x100000, all.subarray(i * 4096, (i + 1) * 4096));
    }
    const walker = walkerOf(pages);
    fc.assert(
      fc.property(fc.nat(all.length), fc.nat(all.length), (a, b) => {
        const [from, to] = [Math.min(a, b), Math.max(a, b)];
        expect(Buffer.compare(walker.read(vaddr + BigInt(from), to - from)!, all.subarray(from, to))).toBe(0);
      }),
    );
    expect(walker.read(vaddr, all.length + 1)).toBeUndefined();
    expect(walker.readU64(vaddr + 8n)).toBe(all.readBigUInt64LE(8));
  });

  it('gives stretches that add up, with neighbours in memory joined and holes in between', () => {
    const maps: Map[] = [
      { vaddr, paddr: 0x200000, bytes: 8192, leaf: '4k' },
      { vaddr: vaddr + 8192n, paddr: 0x300000, bytes: 4096, leaf: '4k' },
      { vaddr: vaddr + 5n * 4096n, paddr: 0x301000, bytes: 4096, leaf: '4k' },
    ];
    const walker = walkerOf(tablesOf(maps, 4, 0n));
    expect([...walker.stretches(vaddr + 100n, 6 * 4096)]).toEqual([
      { paddr: 0x200064, sizeBytes: 8192 - 100 },
      { paddr: 0x300000, sizeBytes: 4096 },
      { paddr: undefined, sizeBytes: 8192 },
      { paddr: 0x301000, sizeBytes: 4096 },
      { paddr: undefined, sizeBytes: 100 },
    ]);
    expect([...walker.stretches(vaddr, 0)]).toEqual([]);
  });
});
