/** Modules by hand-made lists and tables: where an address lies, and what is said of lists that are torn. */
import { describe, expect, it } from 'vitest';
import { listModules, withUsers } from '../../../src/kernel/modules/module-list.ts';
import { Btf } from '../../../src/kernel/view/btf.ts';
import type { KernelView } from '../../../src/kernel/view/view.ts';
import { BtfBuilder } from '../../build/btf.ts';
import { ViewBuilder } from '../../build/view.ts';

const HEAD = 0xffffffff82000000n;
const FIRST = 0xffffffffc1000000n;
const TEXT = 0xffffffffc2000000n;
const DATA = 0xffffffffc3000000n;
const TABLES = 0xffffffffc4000000n;
const NOWHERE = 0xffff999999990000n;
const LIST_AT = 8n;
const USERS_AT = 88n;
/** Of struct module, in these tests. */
const MODULE_BYTES = 0x1000n;

function layouts(): Btf {
  const built = new BtfBuilder();
  const long = built.int('unsigned long', 8);
  const char = built.int('char', 1);
  const list = built.struct('list_head', 16, [
    { name: 'next', type: long, bitOffset: 0 },
    { name: 'prev', type: long, bitOffset: 64 },
  ]);
  const memory = built.struct('module_memory', 16, [
    { name: 'base', type: long, bitOffset: 0 },
    { name: 'size', type: long, bitOffset: 64 },
  ]);
  built.struct('module', 256, [
    { name: 'list', type: list, bitOffset: 64 },
    { name: 'name', type: built.array(char, 56), bitOffset: 8 * 24 },
    { name: 'source_list', type: list, bitOffset: 8 * 88 },
    { name: 'mem', type: built.array(memory, 2), bitOffset: 8 * 104 },
    { name: 'kallsyms', type: long, bitOffset: 8 * 136 },
  ]);
  built.struct('mod_kallsyms', 32, [
    { name: 'symtab', type: long, bitOffset: 0 },
    { name: 'num_symtab', type: long, bitOffset: 64 },
    { name: 'strtab', type: long, bitOffset: 128 },
    { name: 'typetab', type: long, bitOffset: 192 },
  ]);
  built.struct('module_use', 32, [
    { name: 'source_list', type: list, bitOffset: 0 },
    { name: 'source', type: long, bitOffset: 128 },
  ]);
  return Btf.parse(built.bytes())!;
}

const at = (i: number) => FIRST + BigInt(i) * MODULE_BYTES;
const entry = (i: number) => (i < 0 ? HEAD : at(i) + LIST_AT);

/** `count` modules that have text and data, far from each other. */
function machine(count: number): ViewBuilder {
  const built = new ViewBuilder();
  const around = (i: number) => [i + 1 < count ? entry(i + 1) : HEAD, entry(i - 1)];
  built.u64(HEAD, entry(0), entry(count - 1));
  for (let i = 0; i < count; i++) {
    built.write(at(i), Buffer.alloc(Number(MODULE_BYTES)));
    built.u64(entry(i), ...around(i));
    built.write(at(i) + 24n, Buffer.from(`module_${i}\0`));
    built.u64(at(i) + USERS_AT, at(i) + USERS_AT, at(i) + USERS_AT);
    built.u64(at(i) + 104n, TEXT + 0x10000n * BigInt(i), 0x1000n, DATA + 0x10000n * BigInt(i), 0x1000n);
  }
  return built;
}

const viewOf = (built: ViewBuilder) => built.view([{ name: 'modules', vaddr: HEAD, type: 'd' }], layouts());
const symbolsOf = (view: KernelView) => [...view.moduleSymbols.of(view.modules!.modules[0]!)];
const usersIn = (view: KernelView) => withUsers(view, listModules(view)!.modules, async () => {});

/** Their names and addresses; each of the type 't', but for the last one's. */
function withSymbols(built: ViewBuilder, symbols: readonly (readonly [string, bigint])[], lastType = 't') {
  const strings = Buffer.from(`\0${symbols.map(([name]) => `${name}\0`).join('')}`);
  const table = Buffer.alloc(24 * symbols.length);
  let nameAt = 1;
  for (const [i, [name, vaddr]] of symbols.entries()) {
    table.writeUInt32LE(nameAt, 24 * i);
    table.writeUInt16LE(1, 24 * i + 6);
    table.writeBigUInt64LE(vaddr, 24 * i + 8);
    nameAt += name.length + 1;
  }
  built.u64(at(0) + 136n, TABLES);
  built.u64(TABLES, TABLES + 0x1000n, BigInt(symbols.length), TABLES + 0x2000n, TABLES + 0x3000n);
  built.write(TABLES + 0x1000n, table);
  built.write(TABLES + 0x2000n, strings);
  built.write(TABLES + 0x3000n, Buffer.from(`${'t'.repeat(symbols.length - 1)}${lastType}`));
}

describe('an address in a module', () => {
  const built = machine(2);
  withSymbols(built, [
    ['last', TEXT + 0x800n],
    ['init', TEXT],
    ['variable', DATA + 0x100n],
  ]);
  const view = viewOf(built);

  it('is in the last symbol at or below it, up to the end of the part that both are in', () => {
    expect(view.placeOf(TEXT + 0x10n)).toMatchObject({ name: 'init', offset: 0x10, sizeBytes: 0x800 });
    expect(view.placeOf(TEXT + 0x900n)).toMatchObject({
      name: 'last',
      offset: 0x100,
      sizeBytes: 0x800,
      module: 'module_0',
    });
    expect(view.placeOf(DATA + 0xfffn)).toMatchObject({ name: 'variable', sizeBytes: 0xf00 });
  });

  it('is in no symbol of another part, however near below it that is', () => {
    expect(view.placeOf(DATA + 0x10n)).toBeUndefined();
    expect(view.placeOf(TEXT + 0x1000n)).toBeUndefined();
    expect(view.moduleSymbols.moduleAt(DATA + 0x10n)?.name).toBe('module_0');
    expect(view.moduleSymbols.moduleAt(TEXT + 0x10010n)?.name).toBe('module_1');
    expect(view.moduleSymbols.moduleAt(TEXT + 0x1000n)).toBeUndefined();
  });
});

it("a module's symbols have letters for types, whatever stands there", () => {
  const built = machine(1);
  withSymbols(
    built,
    [
      ['one', TEXT],
      ['two', TEXT + 8n],
    ],
    '\x1b',
  );
  const view = viewOf(built);
  expect(symbolsOf(view).map(({ type }) => type)).toEqual(['t', '?']);
});

describe('symbols of modules that are not all known', () => {
  const ONE = [['one', TEXT]] as const;
  const gapsAfter = (view: KernelView) => {
    for (const module of view.modules?.modules ?? []) Array.from(view.moduleSymbols.of(module));
    return view.moduleSymbols.gaps;
  };

  it('are nobody else: a module that is whole, or has no table yet, is not told', () => {
    const built = machine(2);
    withSymbols(built, ONE);
    expect(gapsAfter(viewOf(built))).toEqual([]);
  });

  it.each([
    ['the structure that leads to its table', (built: ViewBuilder) => built.u64(at(0) + 136n, NOWHERE)],
    ['its table', (built: ViewBuilder) => built.u64(TABLES, NOWHERE)],
    ['its types', (built: ViewBuilder) => built.u64(TABLES + 24n, NOWHERE)],
    ['its names', (built: ViewBuilder) => built.u64(TABLES + 16n, NOWHERE)],
    ['a number of symbols that can be', (built: ViewBuilder) => built.u64(TABLES + 8n, 200_001n)],
  ])('are told where a module lacks %s', (_, spoil) => {
    const built = machine(2);
    withSymbols(built, ONE);
    spoil(built);
    expect(gapsAfter(viewOf(built))).toEqual([
      'the symbols of module_0 are not all known: their table is damaged or not in the dump',
    ]);
  });

  it('are counted, and the first module is named', () => {
    const built = machine(3);
    for (let i = 0; i < 3; i++) built.u64(at(i) + 136n, NOWHERE);
    expect(gapsAfter(viewOf(built))).toEqual([
      expect.stringMatching(/of module_0 and 2 more modules are not/),
    ]);
  });

  it('are told where the list of modules is torn, and where nothing says how they are laid out', () => {
    const built = machine(3);
    built.u64(HEAD, NOWHERE, entry(2));
    expect(gapsAfter(viewOf(built))).toEqual([expect.stringContaining('the list of modules is torn')]);
    const bare = (name: string) => built.view([{ name, vaddr: HEAD, type: 'd' }]);
    expect(gapsAfter(bare('modules'))).toEqual([
      expect.stringContaining('nothing says how modules are laid'),
    ]);
    expect(gapsAfter(bare('no_modules'))).toEqual([]);
  });
});

describe('a list of modules', () => {
  it('is whole where it leads back to its head', () => {
    const { modules, gaps } = listModules(viewOf(machine(3)))!;
    expect([modules.map(({ name }) => name), gaps]).toEqual([['module_0', 'module_1', 'module_2'], []]);
  });

  it('is walked from its other end where its first entry is not in the dump', () => {
    const built = machine(3);
    built.u64(HEAD, NOWHERE, entry(2));
    const { modules, gaps } = listModules(viewOf(built))!;
    expect(modules.map(({ name }) => name)).toEqual(['module_0', 'module_1', 'module_2']);
    expect(gaps.join()).toContain('the list of modules is torn');
  });

  it('that cannot be begun is told as such, and not as a kernel without layouts', () => {
    const built = machine(3);
    built.u64(HEAD, NOWHERE, NOWHERE);
    expect(listModules(viewOf(built))).toEqual({ modules: [], gaps: [expect.stringContaining('damaged')] });
  });

  it('is told where the users of a module are not all known', async () => {
    const built = machine(2);
    built.u64(at(1) + USERS_AT, NOWHERE, NOWHERE);
    const { gaps } = await usersIn(viewOf(built));
    expect(gaps).toEqual([expect.stringContaining('the list of the users of module_1 is torn')]);
  });

  it('may have users without end, in every module: no more are walked than a bound for all, with a look at who waits', async () => {
    const built = machine(60);
    const ring = 0xffffffffd0000000n;
    const nodes = 20_000;
    const links = new BigUint64Array(2 * nodes);
    for (let i = 0; i < nodes; i++) links[2 * i] = ring + 16n * BigInt((i + 1) % nodes);
    built.write(ring, new Uint8Array(links.buffer));
    for (let i = 0; i < 60; i++) built.u64(at(i) + USERS_AT, ring, ring);
    const view = viewOf(built);
    let reads = 0;
    const u64 = view.u64.bind(view);
    view.u64 = (vaddr) => {
      reads++;
      return u64(vaddr);
    };
    const { modules } = listModules(view)!;
    let looks = 0;
    const used = await withUsers(view, modules, async () => {
      looks++;
    });
    // Of 1.2 million: each entry is read once as one of the list, and once for who uses it.
    expect(reads).toBeLessThan(200_000);
    expect(looks).toBeGreaterThanOrEqual(60);
    expect(used.modules.map(({ usedBy }) => usedBy === undefined)).toEqual(
      Array.from({ length: 60 }, (_, i) => i >= 16),
    );
    expect(used.gaps.slice(-2)).toEqual([
      'the list of the users of module_15 is torn: it has more than 4,096 entries',
      'the users of 44 more modules are not all known',
    ]);
    const ended = withUsers(view, modules, () => Promise.reject(new Error('told to')));
    await expect(ended).rejects.toThrow('told to');
  });

  it('has one sentence for all tears in lists of users, from the 21st on', async () => {
    const built = machine(30);
    for (let i = 0; i < 30; i++) built.u64(at(i) + USERS_AT, NOWHERE, NOWHERE);
    const { gaps } = await usersIn(viewOf(built));
    expect(gaps).toHaveLength(21);
    expect(gaps.at(-1)).toBe('the users of 10 more modules are not all known');
  });

  it('has all that are not in the dump in one sentence', () => {
    const built = machine(3);
    // The list goes through memory whose page behind it is not there.
    const [one, two] = [0xffffffffc5000ff0n, 0xffffffffc6000ff0n];
    built.u64(entry(2), one, entry(1));
    built.u64(one, two, entry(2));
    built.u64(two, HEAD, one);
    built.u64(HEAD, entry(0), two);
    const { modules, gaps } = listModules(viewOf(built))!;
    expect([modules.length, gaps]).toEqual([
      3,
      [`2 modules are not in the dump, the first at 0x${(one - LIST_AT).toString(16)}`],
    ]);
  });
});
