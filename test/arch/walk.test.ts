/** The walk to one address as data: each entry, its flags, the encryption bit, and where it ends. */
import { describe, expect, it } from 'vitest';
import { type LinearMapping, type PageTables, PageTableWalker } from '../../src/arch/page-table.ts';
import { walkTo } from '../../src/arch/walk.ts';
import { x86_64 } from '../../src/arch/x86_64.ts';
import { walkText } from '../../src/cli/vtop-text.ts';
import { PhysicalPages } from '../build/physical-pages.ts';
import { cachedOf } from './memory.ts';

const PAGE = 4096;
const { tableFormat } = x86_64;
const table = (entries: Record<number, bigint>): Buffer => {
  const bytes = Buffer.alloc(PAGE);
  for (const [index, entry] of Object.entries(entries)) bytes.writeBigUInt64LE(entry, Number(index) * 8);
  return bytes;
};
const MASK = 1n << 51n;
const NX = 1n << 63n;

/** Page frame 1 is the top; 0xffff… with index 511, 510, 1 leads to 2 MiB at 0x400000, and 2, 3 to a page. */
const pages = {
  1: table({ 511: 0x2067n | MASK }),
  2: table({ 510: 0x3063n | MASK }),
  3: table({ 1: 0x4001e3n | MASK | NX, 2: 0x4063n, 3: 0x9063n }),
  4: table({ 3: 0x7163n, 4: 0n }),
};
const vaddr = (pmd: bigint, pte: bigint, offset = 0n) =>
  0xffff000000000000n | (511n << 39n) | (510n << 30n) | (pmd << 21n) | (pte << 12n) | offset;

function walk(
  to: bigint,
  encryptionMask = MASK,
  from: Record<number, Buffer> = pages,
  image?: LinearMapping,
) {
  const tables: PageTables = { root: PAGE, levels: 4, encryptionMask, image };
  const memory = new PhysicalPages();
  for (const [pfn, bytes] of Object.entries(from)) memory.write(Number(pfn) * PAGE, bytes);
  const walker = new PageTableWalker(cachedOf(memory), tableFormat, tables);
  return walkTo(to, walker, tableFormat, tables);
}

describe('the walk to an address', () => {
  it('names each entry as it stands, its place and its flags', () => {
    const { steps, paddr, pageBytes, why } = walk(vaddr(2n, 3n, 0x123n));
    expect({ paddr, pageBytes, why }).toEqual({ paddr: 0x7123, pageBytes: PAGE, why: undefined });
    expect(steps).toEqual([
      {
        name: 'PGD',
        entryPaddr: 0x1ff8,
        rawEntry: 0x2067n | MASK,
        flags: ['PRESENT', 'RW', 'USER', 'ACCESSED'],
        encrypted: true,
      },
      {
        name: 'PUD',
        entryPaddr: 0x2ff0,
        rawEntry: 0x3063n | MASK,
        flags: ['PRESENT', 'RW', 'ACCESSED'],
        encrypted: true,
      },
      {
        name: 'PMD',
        entryPaddr: 0x3010,
        rawEntry: 0x4063n,
        flags: ['PRESENT', 'RW', 'ACCESSED'],
        encrypted: false,
      },
      {
        name: 'PTE',
        entryPaddr: 0x4018,
        rawEntry: 0x7163n,
        flags: ['PRESENT', 'RW', 'ACCESSED', 'DIRTY', 'GLOBAL'],
        encrypted: false,
      },
    ]);
  });

  it('ends at a large page', () => {
    const { steps, paddr, pageBytes } = walk(vaddr(1n, 5n, 0x10n));
    expect({ paddr, pageBytes }).toEqual({ paddr: 0x405010, pageBytes: 2 ** 21 });
    expect(steps.at(-1)).toMatchObject({
      name: 'PMD',
      flags: ['PRESENT', 'RW', 'ACCESSED', 'DIRTY', 'PSE', 'GLOBAL', 'NX'],
      encrypted: true,
    });
  });

  it.each([
    ['an entry that is not present', vaddr(2n, 4n), 'the PTE entry is not present', 4],
    ['a table that the dump does not have', vaddr(3n, 0n), 'the table at 0x9000 is not in the dump', 3],
    ['the other half of addresses', 0x1000n, 'the PGD entry is not present', 1],
  ])('says why it ends at %s', (_, to, why, entries) => {
    const found = walk(to);
    expect(found).toMatchObject({ paddr: undefined, pageBytes: undefined, why });
    expect(found.steps).toHaveLength(entries);
  });

  it('leads nowhere from an address that the tables do not reach to, though its lower bits are those of one', () => {
    const low = vaddr(2n, 3n) & 0xffff_ffff_ffffn;
    for (const to of [low, low | (1n << 63n), low | (1n << 48n)])
      expect(walk(to)).toMatchObject({
        steps: [],
        paddr: undefined,
        why: expect.stringMatching(/canonical/),
      });
  });

  it('is by where the kernel image lies without its last table, and says so', () => {
    const { 4: _, ...without } = pages;
    const start = vaddr(0n, 0n);
    const found = walk(vaddr(2n, 3n, 0x123n), MASK, without, {
      start,
      end: start + 0x4000_0000n,
      paddr: 0x8000,
    });
    expect(found).toMatchObject({ paddr: 0x40b123, pageBytes: undefined });
    expect(found.why).toBe('the table at 0x4000 is not in the dump');
    expect(found.steps).toHaveLength(3);
    expect(walkText(found).at(-2)).toMatch(
      /40b123 {2}in the kernel image, by phys_base: the table at 0x4000 is not/,
    );
  });

  it('says that there is no top-level table', () => {
    expect(walk(vaddr(1n, 0n), 0n, {})).toMatchObject({
      steps: [],
      why: 'the table at 0x1000 is not in the dump',
    });
  });

  it('says nothing of encryption where memory was not encrypted', () => {
    const plain = { 1: table({ 511: 0x2067n }), 2: table({ 510: 0x83n }) };
    const { steps, paddr } = walk(vaddr(1n, 2n), 0n, plain);
    expect(steps.map(({ encrypted }) => encrypted)).toEqual([undefined, undefined]);
    expect(paddr).toBe(0x202000);
  });
});
