/** All symbols of a kernel: by name, by address, in memory and from elsewhere, and where their tables have to be searched for. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findKallsyms } from '../../../src/kernel/find-kallsyms.ts';
import type { ReadVirtual } from '../../../src/kernel/kallsyms.ts';
import { type KernelSymbol, SymbolTable } from '../../../src/kernel/view/symbol-table.ts';
import { buildKallsyms } from '../../build/kallsyms.ts';
import { ViewBuilder } from '../../build/view.ts';

const BASE = 0xffffffff81000000n;
const IMAGE = { start: BASE, end: BASE + 0x400000n };
const TABLES = BASE + 0x200ff8n;

const symbol = (name: string, offset: number, type = 'T'): KernelSymbol => ({
  name,
  vaddr: BASE + BigInt(offset),
  type,
});
const FEW = [
  symbol('_stext', 0),
  symbol('static_one', 0x100, 't'),
  symbol('Global', 0x100),
  symbol('other', 0x100),
  symbol('twice', 0x200, 't'),
  symbol('twice', 0x300, 't'),
  symbol(`_R${'long'.repeat(60)}`, 0x400),
  symbol('__ia32_sys_pause', 0x500),
  symbol('__x64_sys_pause', 0x500),
  symbol('init_uts_ns', 0x300000, 'D'),
];
/** More than three markers' worth. */
const MANY = [
  symbol('_stext', 0),
  ...Array.from({ length: 900 }, (_, i) => symbol(`function_${i}`, 16 * (i + 1))),
  symbol('init_uts_ns', 0x300000, 'D'),
];
const KNOWN = [
  { name: '_stext', vaddr: BASE },
  { name: 'init_uts_ns', vaddr: BASE + 0x300000n },
];

/** The image's memory with the tables in it. */
function imageWith(bytes: Buffer, at = TABLES): { memory: Buffer; read: ReadVirtual } {
  const memory = Buffer.alloc(Number(IMAGE.end - IMAGE.start));
  bytes.copy(memory, Number(at - IMAGE.start));
  const read: ReadVirtual = (vaddr, length) => {
    const from = Number(vaddr - IMAGE.start);
    return from < 0 || from + length > memory.length ? undefined : memory.subarray(from, from + length);
  };
  return { memory, read };
}

describe('a table of symbols', () => {
  const built = buildKallsyms(FEW, TABLES, BASE);
  const inMemory = SymbolTable.read(imageWith(built.bytes).read, built.location, KNOWN)!;
  const tables = [
    ['read from memory', inMemory],
    ['made of symbols in any order', SymbolTable.of(FEW.toReversed().toSorted(() => 0))],
  ] as const;

  it.each(tables)('has every symbol with its type and address: %s', (_, table) => {
    const all = Array.from({ length: table.count }, (_, i) => table.symbol(i));
    expect(all.toSorted((a, b) => (a.name < b.name ? -1 : 1))).toEqual(
      FEW.toSorted((a, b) => (a.name < b.name ? -1 : 1)),
    );
  });

  it.each(tables)('finds all addresses of a name: %s', (_, table) => {
    expect(table.find('twice')).toEqual([BASE + 0x200n, BASE + 0x300n]);
    expect(table.find(FEW[6]!.name)).toEqual([BASE + 0x400n]);
    expect(table.find('nobody')).toEqual([]);
  });

  it('says what an address is in, and how far behind it', () => {
    expect(inMemory.at(BASE + 0x210n)).toEqual({
      name: 'twice',
      vaddr: BASE + 0x200n,
      offset: 0x10,
      sizeBytes: 0x100,
    });
    expect(inMemory.at(BASE - 1n)).toBeUndefined();
    expect(inMemory.at(BASE + 0x300001n)).toMatchObject({ name: 'init_uts_ns', sizeBytes: undefined });
  });

  it('prefers a global symbol, and of two names of a system call that of 64-bit programs', () => {
    expect(inMemory.at(BASE + 0x100n)?.name).toBe('Global');
    expect(inMemory.at(BASE + 0x504n)?.name).toBe('__x64_sys_pause');
  });

  it('gives an address behind the per-CPU variables, which begin at 0, to none of them', () => {
    const table = SymbolTable.of([{ name: '__per_cpu_end', vaddr: 0x34000n, type: 'A' }, ...FEW]);
    expect(table.at(0x34000n)).toMatchObject({ name: '__per_cpu_end', sizeBytes: undefined });
    const view = new ViewBuilder().view([
      { name: '__per_cpu_start', vaddr: 0n, type: 'A' },
      { name: '__per_cpu_end', vaddr: 0x34000n, type: 'A' },
      ...FEW,
    ]);
    expect(view.placeOf(0xffff8f14c3d43000n)).toBeUndefined();
    expect(view.placeOf(0x33fffn)).toMatchObject({ name: '__per_cpu_start' });
    expect(view.placeOf(BASE + 0x108n)).toMatchObject({ name: 'Global' });
  });

  it('has a letter for each type, whatever stands there, and names that are no longer than the kernel has them', () => {
    const hostile = [
      symbol('_stext', 0),
      symbol('x'.repeat(3000), 16, '\x1b'),
      symbol('init_uts_ns', 0x300000),
    ];
    const { bytes, location } = buildKallsyms(hostile, TABLES, BASE);
    const table = SymbolTable.read(imageWith(bytes).read, location, KNOWN)!;
    expect(table.symbol(1)).toMatchObject({ type: '?', name: 'x'.repeat(512) });
    expect(table.at(BASE + 20n)?.name).toHaveLength(512);
  });

  it('is asked for an address that very many names have, again and again', () => {
    const alike = Array.from({ length: 400_000 }, (_, i) => symbol(`s${i}`, 0x100, 't'));
    const table = SymbolTable.of([symbol('_stext', 0), ...alike]);
    // Looked at one by one they would be 80 million.
    for (let i = 0; i < 200; i++) expect(table.at(BASE + 0x101n)?.name).toBe('s0');
  });

  it('has other names too where very many symbols have one name, and says that it has more', () => {
    const alike = Array.from({ length: 10_001 }, () => symbol('alike', 0x100, 't'));
    const table = SymbolTable.of([symbol('_stext', 0), ...alike, symbol('other', 0x200)]);
    const found = table.findAll(['alike', 'other']);
    expect([found.get('alike')!.length, found.get('other')]).toEqual([10_000, [BASE + 0x200n]]);
    const { symbols, more } = table.named('alike');
    expect([symbols.length, symbols[0], more]).toEqual([10_000, alike[0], true]);
    expect(table.named('other')).toEqual({ symbols: [symbol('other', 0x200)], more: false });
  });

  it('is not believed where known symbols have other addresses', () => {
    const wrong = [KNOWN[0]!, { name: 'init_uts_ns', vaddr: BASE }];
    expect(SymbolTable.read(imageWith(built.bytes).read, built.location, wrong)).toBeUndefined();
  });
});

describe('tables that nothing leads to', () => {
  it.each([4, 8] as const)('are found by their shape, with markers of %i bytes', (markerBytes) => {
    const { bytes, location } = buildKallsyms(MANY, TABLES, BASE, markerBytes);
    const { read } = imageWith(bytes);
    expect(findKallsyms(read, IMAGE)).toEqual(location);
    expect(SymbolTable.read(read, location, KNOWN)?.count).toBe(MANY.length);
  });

  it('are found wherever they are, across the borders of what is read at once', () => {
    for (const at of [0x3f800, 0x3fff8, 0x40000, 0x200008]) {
      const vaddr = BASE + BigInt(at);
      const { bytes, location } = buildKallsyms(MANY, vaddr, BASE);
      expect(findKallsyms(imageWith(bytes, vaddr).read, IMAGE)).toEqual(location);
    }
  });

  it('are found in memory that has holes elsewhere', () => {
    const { bytes, location } = buildKallsyms(MANY, TABLES, BASE);
    const { read } = imageWith(bytes);
    const withHole: ReadVirtual = (vaddr, length) =>
      vaddr < BASE + 0x1000n || vaddr + BigInt(length) > BASE + 0x3ff000n ? undefined : read(vaddr, length);
    expect(findKallsyms(withHole, IMAGE)).toEqual(location);
  });

  it('are not taken for some where a byte of the index, the markers or the number of names is another', () => {
    const { bytes, location } = buildKallsyms(MANY, TABLES, BASE);
    const at = (vaddr: bigint) => Number(vaddr - TABLES);
    const places = [
      at(location.kallsyms_token_index) + 300,
      at(location.kallsyms_token_table) - 8,
      at(location.kallsyms_num_syms) + 1,
    ];
    for (const place of places) {
      const spoilt = Buffer.from(bytes);
      spoilt[place] = spoilt[place]! ^ 0x55;
      const found = findKallsyms(imageWith(spoilt).read, IMAGE);
      expect(found && SymbolTable.read(imageWith(spoilt).read, found, KNOWN)).toBeUndefined();
    }
  });

  it('may be anything: the search ends, and throws nothing', () => {
    const { bytes } = buildKallsyms(MANY, TABLES, BASE);
    const change = fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { maxLength: 20 });
    fc.assert(
      fc.property(change, (changes) => {
        const spoilt = Buffer.from(bytes);
        for (const [place, value] of changes) spoilt[place] = value;
        const { read } = imageWith(spoilt);
        const found = findKallsyms(read, IMAGE);
        if (found !== undefined) SymbolTable.read(read, found, KNOWN);
      }),
      { numRuns: 60 },
    );
  });
});
