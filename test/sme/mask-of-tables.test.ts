/** Which encryption bit the tables of a dump show, and which tables are the kernel's: built dumps, made-up tables, real dumps. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { SymbolSource } from '../../src/arch/arch.ts';
import { CachedMemory } from '../../src/arch/memory.ts';
import type { DumpFile, Extents } from '../../src/read/dump-file.ts';
import { extentsOf } from '../../src/read/extents.ts';
import { findMask } from '../../src/sme/mask.ts';
import { bitOfTables, findTables } from '../../src/sme/mask-of-tables.ts';
import { openReader } from '../../src/workers/thread.ts';
import { cachedOf } from '../arch/memory.ts';
import { qemuNote } from '../build/notes.ts';
import { PhysicalPages } from '../build/physical-pages.ts';
import type { VmcoreOptions } from '../build/vmcore-options.ts';
import { openVmcore, x86_64 } from '../kernel/opened.ts';
import { tempFiles } from '../read/temp-files.ts';
import { lastOf } from './census/census-of.ts';
import { REAL_DUMPS } from './real-dumps.ts';

const files = tempFiles();
const GIB = 2 ** 30;
const MASKS = [1n << 47n, 1n << 51n];
/** Memory that begins high, so that the addresses of all tables share bits: 36 and 38. */
const HIGH = [
  { start: 0, end: 32 * 2 ** 20 },
  { start: 2 ** 38 + 2 ** 36, end: 2 ** 38 + 2 ** 36 + 64 * 2 ** 20 },
];
const CASES: readonly Omit<VmcoreOptions, 'path'>[] = [
  {},
  { levels: 5 },
  { kernelOffset: 0x1ca00000n, physBase: -0x1c000000n },
  { levels: 5, kernelOffset: 0x1ca00000n, physBase: -0x1c000000n },
  { kernel: '5.10', memoryModel: 'sparsemem-static' },
  { ram: HIGH, physBase: BigInt(HIGH[1].start) },
  // Where the SME host of libkdumpfile's tests has its kernel.
  {
    ram: [HIGH[0], { start: 0x1692000000, end: 0x1692000000 + 64 * 2 ** 20 }],
    physBase: 0x1691000000n,
  },
];

describe.each(CASES)('the tables of a built dump (%o)', (options) => {
  it.each(MASKS)('show the bit %i, also where VMCOREINFO says 0, another one or nothing', (smeMask) => {
    for (const said of ['0', String(((1n << 47n) | (1n << 51n)) ^ smeMask), undefined, 'nonsense']) {
      const { file, memory, info } = openVmcore(files, {
        ...options,
        smeMask,
        overrides: { 'NUMBER(sme_mask)': said },
      });
      expect(bitOfTables(file, memory, x86_64, info)).toBe(smeMask);
      const { mask, source, warning } = findMask(file, memory, x86_64, info, undefined);
      expect({ mask, source }).toEqual({ mask: smeMask, source: 'page tables' });
      expect(warning === undefined).toBe(said === undefined || said === 'nonsense');
    }
  });

  it('show none where there is none', () => {
    const { file, memory, info } = openVmcore(files, options);
    expect(bitOfTables(file, memory, x86_64, info)).toBe(0n);
    expect(findMask(file, memory, x86_64, info, undefined)).toEqual({
      mask: 0n,
      source: undefined,
      warning: undefined,
    });
  });

  it.each([0n, ...MASKS])('are found through CR3 without VMCOREINFO, the bit %i in it or not', (smeMask) => {
    const { built, file, memory, reader } = openVmcore(files, { ...options, smeMask, qemuNote: true });
    expect(bitOfTables(file, memory, x86_64, undefined)).toBe(smeMask);
    expect(lastOf(findTables(file, reader, x86_64, undefined, smeMask))?.tables).toEqual({
      root: built.tables.pgdPaddr,
      levels: options.levels ?? 4,
      encryptionMask: smeMask,
    });
  });
});

describe('the tables', () => {
  it('tell nothing without VMCOREINFO and without a CPU', () => {
    const { file, memory, reader } = openVmcore(files, { smeMask: MASKS[1] });
    expect(bitOfTables(file, memory, x86_64, undefined)).toBeUndefined();
    expect(lastOf(findTables(file, reader, x86_64, undefined, 0n))?.tables).toBeUndefined();
  });

  it('of the kernel are found beside those of a user, page-table isolation being on', () => {
    const { built, file, reader } = openVmcore(files, { qemuNote: true });
    // The user's table stands behind the kernel's, and of the kernel's half it has the image only.
    const kernel = 0x3000000;
    const user = kernel + 4096;
    const top = Buffer.from(built.pageBytes(built.tables.pgdPaddr / 4096));
    const pages = new PhysicalPages();
    for (let i = 256; i < 512; i++) pages.writeU64(kernel + i * 8, top.readBigUInt64LE(i * 8));
    pages.writeU64(user + 511 * 8, top.readBigUInt64LE(511 * 8));
    const withUser = overlay(file, reader, pages, user + 0x800);
    expect(lastOf(findTables(withUser.file, withUser.reader, x86_64, undefined, 0n))?.tables.root).toBe(
      kernel,
    );
  });

  it('are those of VMCOREINFO where it names any, and of a CPU where those lead nowhere', () => {
    const options = { qemuNote: true, overrides: { 'SYMBOL(init_top_pgt)': 'ffffffff81000000' } };
    const { built, file, reader, info } = openVmcore(files, options);
    expect(lastOf(findTables(file, reader, x86_64, info, 0n))?.tables.root).toBe(built.tables.pgdPaddr);
  });
});

/** The dump with other pages in it, and a CPU note with this CR3. */
function overlay(
  file: DumpFile,
  reader: ReturnType<typeof openVmcore>['reader'],
  pages: PhysicalPages,
  cr3: number,
) {
  const cpu = { rip: 0n, rsp: 0n, cr3: BigInt(cr3), cr4: 0x750ef0n, idtBase: 0n };
  const read: typeof reader.read = (paddr, into) => {
    const page = pages.peek(Math.floor(paddr / 4096));
    if (page === undefined) return reader.read(paddr, into);
    into.set(page.subarray(paddr % 4096, (paddr % 4096) + into.length));
    return true;
  };
  return {
    file: { ...file, notes: Buffer.from(qemuNote(cpu)) } as DumpFile,
    reader: { ...reader, pageSize: 4096, read },
  };
}

describe('the bit of a made-up table', () => {
  const ROOT = 0x5000;
  const info: SymbolSource = {
    symbol: (name) => (name === 'init_top_pgt' ? 0xffffffff80000000n + BigInt(ROOT) : undefined),
    number: () => 0n,
  };
  const PRESENT = 0x63n;

  function bitOf(entries: readonly bigint[], memory: Extents): bigint | undefined {
    const pages = new PhysicalPages();
    for (const [i, entry] of entries.entries()) pages.writeU64(ROOT + i * 8, entry);
    const file = { memory, pageSize: 4096, notes: new Uint8Array(0), littleEndian: true } as DumpFile;
    return bitOfTables(file, cachedOf(pages), x86_64, info);
  }
  const memory = (...ranges: [start: number, end: number][]) =>
    extentsOf(
      [[0, 2 ** 20], ...ranges].map(([start, end]) => ({
        paddr: start,
        sizeBytes: end - start,
        byteOffset: start,
      })),
    );

  it('is the one that all entries have and that leads out of memory', () => {
    const entries = [0x1000n, 0x2000n, 0x3000n].map((paddr) => paddr | PRESENT | (1n << 47n));
    expect(bitOf(entries, memory())).toBe(1n << 47n);
  });

  it('is none where addresses lead to memory as they stand, whatever bits they share', () => {
    const entries = [0x1000n, 0x2000n].map((paddr) => paddr | PRESENT | (1n << 40n));
    expect(bitOf(entries, memory([2 ** 40, 2 ** 40 + GIB]))).toBe(0n);
  });

  it.each([
    ['one entry lacks it', [0x1000n | (1n << 47n), 0x2000n]],
    ['entries have different ones', [0x1000n | (1n << 47n), 0x2000n | (1n << 51n)]],
    ['there is one entry', [0x1000n | (1n << 47n)]],
    ['there is no entry', []],
    ['an entry leads out of memory without it, too', [0x1000n | (1n << 47n), 0x40000000n | (1n << 47n)]],
    ['entries have two bits', [0x1000n, 0x2000n].map((a) => a | (1n << 47n) | (1n << 51n))],
    ['the bit is above 51', [0x1000n | (1n << 62n) | (1n << 45n), 0x2000n | (1n << 62n) | (1n << 46n)]],
  ])('is not known where %s', (_, entries) => {
    expect(
      bitOf(
        entries.map((entry) => entry | PRESENT),
        memory(),
      ),
    ).toBeUndefined();
  });

  it('is not known where two bits would do', () => {
    // 0x1000 at 2^40 and at 2^41 is memory, 2^40 + 2^41 is not.
    const entries = [0x1000n, 0x2000n].map((a) => a | PRESENT | (1n << 40n) | (1n << 41n));
    expect(bitOf(entries, memory([2 ** 40, 2 ** 40 + GIB], [2 ** 41, 2 ** 41 + GIB]))).toBeUndefined();
  });

  it('leaves flags above bit 51 aside', () => {
    const entries = [0x1000n, 0x2000n].map((a) => a | PRESENT | (1n << 51n) | (1n << 63n) | (1n << 58n));
    expect(bitOf(entries, memory())).toBe(1n << 51n);
    expect(bitOf([0x1000n | PRESENT | (1n << 63n), 0x2000n | PRESENT | (1n << 63n)], memory())).toBe(0n);
  });

  it('does not count entries that are not present', () => {
    const entries = [0x1000n | PRESENT | (1n << 47n), 0x7ffff000n, 0x2000n | PRESENT | (1n << 47n)];
    expect(bitOf(entries, memory())).toBe(1n << 47n);
  });

  it('is only ever one that takes all of the entries into memory and without which none was', () => {
    const bits = fc
      .subarray([36n, 40n, 47n, 51n], { maxLength: 2 })
      .map((list) => list.reduce((a, bit) => a | (1n << bit), 0n));
    const entry = fc.tuple(fc.nat(260), bits, fc.constantFrom(0n, 1n << 63n), fc.nat(9));
    const ranges = fc.subarray([
      [2 ** 36, 2 ** 36 + 2 ** 24],
      [2 ** 40, 2 ** 40 + 2 ** 24],
      [2 ** 24, 2 ** 25],
    ] as [number, number][]);
    let inferred = 0;
    fc.assert(
      fc.property(fc.array(entry, { minLength: 1, maxLength: 4 }), bits, ranges, (list, common, more) => {
        const memory_ = memory(...more);
        const entries = list.map(
          ([pfn, extra, flags, same]) =>
            (BigInt(pfn) << 12n) | common | (same > 0 ? 0n : extra) | flags | PRESENT,
        );
        const bit = bitOf(entries, memory_);
        const address = (value: bigint) => Number(value & 0x000ffffffffff000n);
        const inMemory = (paddr: number) =>
          [...memory_.paddr].some((start, i) => start <= paddr && paddr < start + memory_.sizeBytes[i]);
        if (bit === undefined) return;
        if (bit === 0n) {
          expect(entries.every((value) => inMemory(address(value)))).toBe(true);
          return;
        }
        inferred++;
        expect(bit & (bit - 1n)).toBe(0n);
        for (const value of entries) {
          expect(value & bit).toBe(bit);
          expect(inMemory(address(value))).toBe(false);
          expect(inMemory(address(value & ~bit))).toBe(true);
        }
      }),
      { numRuns: 500 },
    );
    expect(inferred).toBeGreaterThan(10);
  });
});

describe('a real dump without encryption', () => {
  for (const { name, path, missing, procVmcore } of REAL_DUMPS) {
    it.skipIf(missing)(`shows no bit, by its notes alone: ${name} (${path})`, async () => {
      const file = files.open(path);
      const reader = await openReader(file, false);
      const shown = bitOfTables(file, new CachedMemory(reader), x86_64, undefined);
      expect(shown).toBe(procVmcore ? undefined : 0n);
      reader.close();
    });
  }
});
