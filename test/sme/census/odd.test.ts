/** The census of tables that no kernel would make, or that few do: loops, shared tables, tables that are not there, any bytes. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { extentsOf } from '../../../src/read/extents.ts';
import { rootVpn, vpnOf } from '../../../src/sme/census/upper-tables.ts';
import { readerOf } from '../../arch/memory.ts';
import { type Leaf, PageTables } from '../../build/page-tables.ts';
import { PhysicalPages } from '../../build/physical-pages.ts';
import { censusOf, plainCensus, planOf, runsOf, x86_64 } from './census-of.ts';

const ROOT = 0x1000;
const DIRECT = 0xffff_8880_0000_0000n;
const MASK = 1n << 47n;
const PRESENT = 0x63n;
const PSE = 0x80n;
const MIB = 2 ** 20;

/** 32 MiB of memory, of which the page frames that were written are in the dump. */
class Machine {
  readonly pages = new PhysicalPages();
  readonly file = {
    pageSize: 4096,
    memory: extentsOf([{ paddr: 0, sizeBytes: 32 * MIB, byteOffset: 0 }]),
  };
  #next = ROOT;

  constructor() {
    this.pages.page(ROOT / 4096);
  }

  table(): number {
    this.#next += 4096;
    this.pages.page(this.#next / 4096);
    return this.#next;
  }

  map(vaddr: bigint, paddr: number, bytes: number, leaf: Leaf = '4k', encrypted = true): this {
    const tables = new PageTables({
      pages: this.pages,
      levels: 4,
      mask: MASK,
      rootPaddr: ROOT,
      allocate: () => this.table(),
    });
    tables.map(vaddr, paddr, bytes, { leaf, encrypted });
    return this;
  }

  entry(table: number, index: number, value: bigint): this {
    this.pages.writeU64(table + index * 8, value);
    return this;
  }

  names(table: number, index: number, next: number): this {
    return this.entry(table, index, BigInt(next) | PRESENT | MASK);
  }

  get asked() {
    return {
      reader: readerOf(this.pages),
      file: this.file,
      tables: { root: ROOT, levels: 4, encryptionMask: MASK },
    };
  }

  census(threads = 1) {
    return censusOf(this.asked, threads);
  }
}

/** Index in the top-level table, and in the tables below, of an address. */
const indices = (vaddr: bigint) => [39n, 30n, 21n, 12n].map((shift) => Number((vaddr >> shift) & 511n));
const none = { missingTables: 0, aliases: 0, tablesAtTwoLevels: 0, beyondLimit: 0, badAddresses: 0 };

describe('the census', () => {
  it('takes the kernel half of the top-level table only', () => {
    const machine = new Machine().map(DIRECT, 0, 4096).map(0x4000_0000n, 0x8000, 4096);
    expect(runsOf(machine.census().frames.encrypted)).toEqual([[0, 1]]);
  });

  it('passes over what is not present', () => {
    const machine = new Machine().map(DIRECT, 0, 4096);
    // PROT_NONE, a swap entry, and one that looks like an address.
    const table = ROOT + 3 * 4096;
    machine
      .entry(table, 5, 0x5160n)
      .entry(table, 6, 0xfff0n)
      .entry(table, 7, 0x7000n | MASK);
    machine.entry(ROOT, 400, 0x7000n).entry(ROOT + 4096, 5, 0x7000n | PSE);
    expect(machine.census()).toMatchObject({ pages: { encrypted: 1 }, oddities: none });
  });

  it('counts memory that leaves map twice once, and leaves as often as they are', () => {
    const machine = new Machine().map(DIRECT, 0, 8192).map(0xffff_c900_0000_0000n, 4096, 4096);
    const census = machine.census();
    expect(census.pages.encrypted).toBe(2);
    expect(census.leaves[0].withBit).toBe(3);
  });

  it('counts apart what leaves map outside of memory', () => {
    const machine = new Machine()
      .map(DIRECT, 0, 4096)
      .map(0xffff_c900_0000_0000n, 0xfec0_0000, 8192, '4k', false);
    // Half of a leaf is memory, half is not.
    machine.map(DIRECT + BigInt(30 * MIB), 30 * MIB, 4 * MIB, '2m');
    const census = machine.census();
    expect(census.pages).toMatchObject({ encrypted: 1 + 512, shared: 0 });
    expect(census.regions.reduce((sum, region) => sum + region.outside, 0)).toBe(2 + 512);
    expect(census.oddities).toEqual(none);
  });

  it('counts a table that the dump does not have, at any level, and goes on behind it', () => {
    for (const depth of [0, 1, 2]) {
      const machine = new Machine().map(DIRECT, 0, 4096);
      machine.names(ROOT + depth * 4096, 300, 0x100_0000);
      machine.map(DIRECT + 0x2000n, 0x2000, 4096);
      const census = machine.census();
      expect(census.oddities).toEqual({ ...none, missingTables: 1 });
      expect(runsOf(census.frames.encrypted)).toEqual([
        [0, 1],
        [2, 3],
      ]);
    }
    const nothing = censusOf({
      ...new Machine().asked,
      tables: { root: 2 ** 30, levels: 5, encryptionMask: 0n },
    });
    expect(nothing).toMatchObject({ oddities: { ...none, missingTables: 1 }, pages: { unmapped: 8192 } });
  });

  it('walks a table once that several entries name (KASAN), and counts the others', () => {
    const machine = new Machine().map(DIRECT, 0, 4096);
    const [, lower, middle, lowest] = [0, 1, 2, 3].map((depth) => ROOT + depth * 4096);
    for (let i = 1; i < 512; i++) machine.names(middle, i, lowest);
    for (let i = 1; i < 512; i++) machine.names(lower, i, middle);
    for (let i = 300; i < 512; i++) machine.names(ROOT, i, lower);
    const census = machine.census();
    expect(census.oddities).toEqual({ ...none, aliases: 511 + 511 + 212 });
    expect(census.leaves[0].withBit).toBe(1);
    expect(census.tables.map(({ withBit }) => withBit)).toEqual([1, 1, 1]);
  });

  it('does not follow a table that is at two levels, itself above all', () => {
    const machine = new Machine().map(DIRECT, 0, 4096);
    for (let i = 300; i < 400; i++) machine.names(ROOT, i, ROOT);
    const [, lower, middle] = [0, 1, 2].map((depth) => ROOT + depth * 4096);
    machine.names(lower, 7, lower).names(lower, 8, ROOT).names(middle, 9, ROOT).names(middle, 10, lower);
    machine.names(middle, 11, middle);
    const census = machine.census();
    expect(census.pages.encrypted).toBe(1);
    expect(census.oddities.tablesAtTwoLevels).toBe(100 + 5);
  });

  it('counts addresses that cannot be: behind the encryption bit, or inside of a large leaf', () => {
    const machine = new Machine().map(DIRECT, 0, 4096);
    const lowest = ROOT + 3 * 4096;
    machine.entry(lowest, 8, 0x8000n | PRESENT | (1n << 48n));
    machine.entry(lowest, 9, 0x9000n | PRESENT | MASK | (1n << 51n));
    const middle = ROOT + 2 * 4096;
    machine.entry(middle, 4, 0x80_4000n | PRESENT | PSE | MASK);
    // Bit 12 of a large leaf is a flag.
    machine.entry(middle, 5, 0xa0_1000n | PRESENT | PSE | MASK);
    const census = machine.census();
    expect(census.oddities).toEqual({ ...none, badAddresses: 3 });
    expect(runsOf(census.frames.encrypted)).toEqual([
      [0, 1],
      [0x800, 0xc00],
    ]);
  });

  it('does not take bit 7 of the top-level table for a large leaf', () => {
    const machine = new Machine().map(DIRECT, 0, 4096);
    machine.entry(ROOT, indices(DIRECT)[0], machine.pages.readU64(ROOT + indices(DIRECT)[0] * 8) | PSE);
    expect(machine.census().pages.encrypted).toBe(1);
  });

  it('tells entries that name tables without the bit from those with it', () => {
    const machine = new Machine().map(DIRECT, 0, 4096).map(DIRECT + BigInt(4 * MIB), 4 * MIB, 4096);
    const middle = ROOT + 2 * 4096;
    machine.entry(middle, 2, machine.pages.readU64(middle + 16) & ~MASK);
    const [lowest] = machine.census().tables;
    expect(lowest).toEqual({ level: 1, withBit: 1, withoutBit: 1 });
  });

  it('plans a piece for each table of 1 GiB with lowest tables', () => {
    const machine = new Machine().map(DIRECT, 0, 4096);
    const plan = planOf(machine.asked);
    expect(plan).toMatchObject({ lowestTables: 1, todoWords: 16 });
    expect([...plan.tables]).toEqual([(ROOT + 2 * 4096) / 4096]);
    expect([...plan.vpns]).toEqual([vpnOf(x86_64.tableFormat, DIRECT)]);
    expect([...plan.todo]).toEqual([1, ...new Array(15).fill(0)]);
  });
});

describe('numbers of virtual pages', () => {
  it('count from the address that entry 0 of the top-level table would have with the sign of the kernel half', () => {
    const format = x86_64.tableFormat;
    expect(rootVpn(format, 4) + 256 * 512 ** 3).toBe(vpnOf(format, 0xffff_8000_0000_0000n));
    expect(rootVpn(format, 5) + 256 * 512 ** 4).toBe(vpnOf(format, 0xff00_0000_0000_0000n));
    expect(vpnOf(format, 0xffff_ffff_ffff_ffffn)).toBe(2 ** 52 - 1);
    expect(vpnOf(format, -4096n)).toBe(2 ** 52 - 1);
  });
});

describe('the census of any bytes', () => {
  /** Entries that lead to the few frames there are, most of them. */
  const entry = fc.oneof(
    fc.nat(39).map((pfn) => (BigInt(pfn) << 12n) | PRESENT | MASK),
    fc.nat(39).map((pfn) => (BigInt(pfn) << 12n) | PRESENT | PSE),
    fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    fc.constant(0n),
  );

  it('ends, is the same in one part and in two, and adds up', () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(entry, { minLength: 1, maxLength: 20 }), { minLength: 1, maxLength: 12 }),
        fc.constantFrom(0n, MASK, 1n << 51n),
        fc.constantFrom(4, 5),
        (tables, encryptionMask, levels) => {
          const machine = new Machine();
          for (let pfn = 1; pfn < 40; pfn++) {
            const entries = tables[pfn % tables.length];
            for (let i = 0; i < 512; i++) machine.entry(pfn * 4096, i, entries[(i * pfn) % entries.length]);
          }
          const asked = { ...machine.asked, tables: { root: ROOT, levels, encryptionMask } };
          const census = censusOf(asked);
          expect(plainCensus(censusOf(asked, 2))).toEqual(plainCensus(census));
          const { pages } = census;
          const mapped = pages.encrypted + pages.shared + pages.plain - pages.both;
          expect(mapped + pages.unmapped).toBe(pages.memory);
          // No more tables than there are frames to hold them.
          const named = census.tables.reduce((sum, table) => sum + table.withBit + table.withoutBit, 0);
          expect(named).toBeLessThanOrEqual(pages.memory);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('equals that of a table of flags: each leaf on its own', () => {
    const leaf = fc.record({
      index: fc.nat(511),
      pfn: fc.nat(8300),
      encrypted: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.uniqueArray(leaf, { selector: (l) => l.index, maxLength: 200 }), (leaves) => {
        const machine = new Machine().map(DIRECT, 0, 4096);
        const lowest = ROOT + 3 * 4096;
        machine.entry(lowest, 0, 0n);
        const flags = { encrypted: new Set<number>(), shared: new Set<number>() };
        for (const { index, pfn, encrypted } of leaves) {
          machine.entry(lowest, index, BigInt(pfn * 4096) | PRESENT | (encrypted ? MASK : 0n));
          if (pfn < 8192) flags[encrypted ? 'encrypted' : 'shared'].add(pfn);
        }
        const { frames, regions } = machine.census();
        // A mask that no page frame has says nothing of the others.
        const without = flags.encrypted.size > 0 ? 'shared' : 'plain';
        for (const [kind, set] of [
          ['encrypted', flags.encrypted],
          [without, flags.shared],
        ] as const) {
          const got = runsOf(frames[kind]).flatMap(([from, to]) =>
            Array.from({ length: to - from }, (_, i) => from + i),
          );
          expect(got).toEqual([...set].sort((a, b) => a - b));
        }
        const sum = (of: (region: (typeof regions)[number]) => number) =>
          regions.reduce((total, region) => total + of(region), 0);
        expect(sum((r) => r.withBit)).toBe(leaves.filter((l) => l.encrypted && l.pfn < 8192).length);
        expect(sum((r) => r.outside)).toBe(leaves.filter((l) => l.pfn >= 8192).length);
      }),
    );
  });
});
