/** Debug information that was made to take time or memory: small files, each of which one limit refuses. */
import { closeSync, openSync, writeSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { SmeltError } from '../../../src/errors.ts';
import { Cursor } from '../../../src/read/debug/cursor.ts';
import { DW_AT, DW_FORM, DW_TAG } from '../../../src/read/debug/dwarf.ts';
import { ElfSections } from '../../../src/read/debug/elf-sections.ts';
import { findNames, type WantedNames } from '../../../src/read/debug/find.ts';
import { findStrings } from '../../../src/read/debug/strings.ts';
import { findSymbols } from '../../../src/read/debug/symbols.ts';
import { Types } from '../../../src/read/debug/types.ts';
import { DebugUnits } from '../../../src/read/debug/units.ts';
import { abbrev, type ElfOptions, type SectionSpec, unit, writeDebugElf } from '../../build/debug-elf.ts';
import { tempFiles } from '../temp-files.ts';

const files = tempFiles();
const look = async () => {};
const DW_TAG_compile_unit = 0x11;
const SHT_SYMTAB = 2;
/** Where the first entry of the first unit is. */
const FIRST = 12;

/** The unit's own entry, which has children and no attributes. */
const CU = abbrev(1, DW_TAG_compile_unit, true);
const bytes = (...parts: readonly (number | Iterable<number> | string)[]) =>
  Buffer.concat(
    parts.map((part) =>
      typeof part === 'string'
        ? Buffer.from(part, 'latin1')
        : Buffer.from(typeof part === 'number' ? [part] : [...part]),
    ),
  );
const le32 = (value: number) => [0, 8, 16, 24].map((shift) => (value >>> shift) & 0xff);
const repeated = (row: readonly number[], count: number) =>
  Buffer.alloc(row.length * count, Buffer.from(row));

interface Parts {
  readonly info?: Partial<SectionSpec>;
  readonly abbrev?: Partial<SectionSpec>;
  readonly more?: readonly SectionSpec[];
}

function write({ info, abbrev, more = [] }: Parts, options: ElfOptions = {}): string {
  return writeDebugElf(
    files.path(),
    [
      { name: '.debug_info', bytes: unit(bytes(1, 0)), ...info },
      { name: '.debug_abbrev', bytes: bytes(CU, 0), ...abbrev },
      ...more,
    ],
    options,
  );
}

async function withUnits<T>(path: string, work: (units: DebugUnits) => T | Promise<T>): Promise<T> {
  const elf = ElfSections.open(path);
  try {
    return await work(await DebugUnits.open(elf, look));
  } finally {
    elf.close();
  }
}

const search = (path: string, wanted: WantedNames = { structures: ['page'] }) =>
  withUnits(path, (units) => findNames(units, wanted, look));
/** The first unit's entries and what explains them, searched. */
const searchIn = (entries: Uint8Array, abbrevs: readonly number[], wanted?: WantedNames) =>
  search(write({ info: { bytes: unit(entries) }, abbrev: { bytes: bytes(CU, abbrevs, 0) } }), wanted);
const withTypes = <T>(entries: Uint8Array, abbrevs: readonly number[], work: (types: Types) => T) =>
  withUnits(write({ info: { bytes: unit(entries) }, abbrev: { bytes: bytes(CU, abbrevs, 0) } }), (units) =>
    work(new Types(units)),
  );

async function refused(work: Promise<unknown>, words: string | RegExp, code = 'CORRUPT'): Promise<void> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error, 'nothing was thrown').toBeInstanceOf(SmeltError);
  const { message } = error as SmeltError;
  expect(error).toMatchObject({ code, message: expect.stringMatching(words) });
  expect(message).not.toMatch(/NaN|undefined|\.$|\n/);
}

describe('sections', () => {
  it('are read where nothing is wrong with them', async () => {
    const found = await search(write({}));
    expect(found.structures.size).toBe(0);
  });

  it('are as many as a linked file has', async () => {
    await refused(
      search(write({}, { countInSection0: 2 ** 16 + 1 })),
      'has 65,537 sections, more than 65,536',
    );
    await search(write({}, { countInSection0: 2 ** 10 }));
  });

  it('have no names where those would fill memory', async () => {
    await search(write({}, { namesHole: 2 ** 20 }));
    await refused(search(write({}, { namesHole: 2 ** 24 })), 'has no debug information', 'UNSUPPORTED');
  });

  it('unpack to 2 GiB in all at most, and to what they promise', async () => {
    await refused(
      search(write({ info: { promises: 2 ** 31 + 1 } })),
      /unpack to 2,147,483,649 bytes, and all/,
    );
    const first = unit(bytes(1, 0));
    await refused(
      search(write({ info: { promises: first.length }, abbrev: { promises: 2 ** 31 - first.length + 1 } })),
      /section \.debug_abbrev is said to unpack .* and all sections together to more than 2,147,483,648$/,
    );
    await search(write({ info: { promises: first.length } }));
    const zeros = { bytes: Buffer.alloc(2 ** 20), promises: 2 ** 16 };
    await refused(search(write({ info: zeros })), 'unpacks to more than the 65,536 bytes that it promises');
    await refused(
      search(write({ info: { promises: 2 ** 20 } })),
      /unpacks to 14 bytes, and promises 1,048,576/,
    );
  });

  it('have as many bytes of abbreviations as may be held', async () => {
    await refused(
      search(write({ abbrev: { sizeBytes: 2 ** 26 + 1 } })),
      '.debug_abbrev has 67,108,865 bytes, more than 67,108,864',
    );
    await search(write({ abbrev: { sizeBytes: 2 ** 26 } }));
  });
});

describe('units', () => {
  it('are as many, and as large, as a kernel may have', async () => {
    // Without entries, which is as short as they can be.
    const many = repeated([...unit(bytes())], 2 ** 20 + 1);
    await refused(search(write({ info: { bytes: many } })), 'there are more than 1,048,576');
    const length = 2 ** 28 + 1;
    const large = { bytes: unit(bytes(1, 0), 0, length - 8), sizeBytes: length + 4 };
    await refused(search(write({ info: large })), 'it has 268,435,457 bytes, more than 268,435,456');
  });

  it('have strings that can be held', async () => {
    const withBase = abbrev(1, DW_TAG_compile_unit, true, [DW_AT.str_offsets_base, DW_FORM.sec_offset]);
    const length = 2 ** 28 + 1;
    const path = write({
      info: { bytes: unit(bytes(1, le32(8), 0)) },
      abbrev: { bytes: bytes(withBase, 0) },
      more: [{ name: '.debug_str_offsets', bytes: bytes(le32(length + 4), le32(5)), sizeBytes: 8 + length }],
    });
    await refused(search(path), 'it has too many strings');
  });

  it('name no table of abbreviations that is larger than any', async () => {
    const row = (code: number, count: number) =>
      abbrev(
        code,
        DW_TAG.variable,
        false,
        ...Array.from({ length: count }, () => [3, DW_FORM.flag_present] as const),
      );
    const table = (...rows: readonly number[][]) =>
      search(write({ abbrev: { bytes: bytes(CU, ...rows, 0) } }));
    await refused(table(row(2 ** 16 + 1, 1)), 'has the number 65537');
    await table(row(2 ** 16, 1));
    await refused(table(row(2, 257)), 'too many attributes');
    await table(row(2, 256));
    const full = (count: number) => Array.from({ length: count }, (_, i) => row(i + 2, 255));
    await refused(table(...full(2 ** 10)), 'has more than 262144 attributes');
    await table(...full(2 ** 10 - 1));
    // A number may be given again and again, and have no attributes at all.
    await refused(table([...repeated(row(2, 0), 2 ** 18)]), 'has more than 262144 attributes');
  });

  it('do not have two tables read again and again by turns', async () => {
    const rows = repeated(abbrev(2, DW_TAG.variable, false), 2 ** 14);
    const one = bytes(CU, rows, 0);
    const turns = (count: number, tables: number) =>
      search(
        write({
          info: {
            bytes: Buffer.concat(
              Array.from({ length: count }, (_, i) => unit(bytes(1, 0), (i % tables) * one.length)),
            ),
          },
          abbrev: { bytes: Buffer.concat([one, one]) },
        }),
      );
    await refused(turns(120, 2), 'it and those before it name tables of abbreviations by turns');
    await turns(80, 2);
    await turns(1000, 1);
  });
});

describe('names', () => {
  const table = (text: string, times: number) => {
    const all = Buffer.alloc(text.length * times, text, 'latin1');
    return { sizeBytes: all.length, read: (at: number, n: number) => all.subarray(at, at + n) };
  };

  it('stand in no more places than can be held', async () => {
    const names = new Set(['a']);
    expect((await findStrings('file', table('xa\0', 2 ** 20), names, look)).size).toBe(2 ** 20);
    await refused(
      findStrings('file', table('xa\0', 2 ** 20 + 1), names, look),
      'file: has the names that are looked for in more than 1,048,576 places',
    );
  });

  it('are looked for in a way that can be ended', async () => {
    const piece = Buffer.alloc(2 ** 22, 'xpage\0', 'latin1');
    const endless = { sizeBytes: 2 ** 50, read: (_: number, n: number) => piece.subarray(0, n) };
    const end = new Error('enough');
    const look = async () => Promise.reject(end);
    await expect(findStrings('file', endless, new Set(['other']), look)).rejects.toBe(end);
    // One piece alone takes seconds where each string is compared with a hundred names.
    const alike = new Set(Array.from({ length: 100 }, (_, i) => `${i}page`));
    let looks = 0;
    const thrice = async () => {
      if (++looks === 3) throw end;
    };
    const one = { ...endless, sizeBytes: piece.length };
    await expect(findStrings('file', one, alike, thrice)).rejects.toBe(end);
  });

  it('of symbols have as many addresses as tell that nobody knows which is meant', async () => {
    const symbols = Buffer.alloc(24 * 100);
    for (let i = 0; i < 100; i++) {
      symbols.writeUInt32LE(1, i * 24);
      symbols.writeUInt16LE(1, i * 24 + 6);
      symbols.writeBigUInt64LE(BigInt(i), i * 24 + 8);
    }
    const path = writeDebugElf(files.path(), [
      { name: '.strtab', bytes: bytes('\0twice\0') },
      { name: '.symtab', bytes: symbols, type: SHT_SYMTAB, link: 1 },
    ]);
    const elf = ElfSections.open(path);
    expect((await findSymbols(elf, new Set(['twice']), look))!.get('twice')!.length).toBe(64);
    elf.close();
  });

  it('of variables are defined a thousand times at most', async () => {
    const variable = abbrev(2, DW_TAG.variable, false, [DW_AT.name, DW_FORM.string]);
    const entries = bytes(1, repeated([...bytes(2, 'zone\0')], 1100), 0);
    const found = await searchIn(entries, variable, { variables: ['zone'] });
    expect(found.variables.get('zone')!.length).toBe(1000);
  });
});

describe('entries', () => {
  it('do not have thousands of attributes that take no bytes', async () => {
    const flags = Array.from({ length: 250 }, () => [DW_AT.declaration, DW_FORM.flag_present] as const);
    const variable = abbrev(2, DW_TAG.variable, false, ...flags);
    const unitOf = (count: number) => bytes(1, repeated([2], count), 0);
    await refused(searchIn(unitOf(4300), variable), 'its entries have too many attributes without bytes');
    await searchIn(unitOf(4200), variable);
  });

  it('do not lead back to where they were', async () => {
    // Its sibling is the unit's own entry.
    const structure = abbrev(2, DW_TAG.structure_type, true, [DW_AT.sibling, DW_FORM.ref4]);
    const found = await searchIn(bytes(1, 2, le32(FIRST), 0, 0), structure);
    expect(found.structures.size).toBe(0);
  });

  it('have numbers of 64 bits and strings that end', () => {
    const long = new Uint8Array(200).fill(0x80);
    for (const read of ['uleb', 'sleb'] as const)
      expect(() => new Cursor(long, true)[read]()).toThrow('it has a number of more than 64 bits');
    expect(() => new Cursor(long, true).skipForm(DW_FORM.string)).toThrow('it has a string without an end');
    expect(() => new Cursor(long, true).skipForm(0x7f)).toThrow('unknown form 0x7f');
  });
});

describe('types', () => {
  const typedef = abbrev(2, DW_TAG.typedef, false, [DW_AT.type, DW_FORM.ref4]);
  const corrupt = (work: Promise<unknown>, words: string) => refused(work, words);

  it('are not made of themselves', async () => {
    const self = bytes(1, 2, le32(FIRST + 1), 0);
    await corrupt(
      withTypes(self, typedef, (types) => types.at(FIRST + 1)),
      'a type is made of itself',
    );
    // What a pointer leads to is void where that never ends.
    const pointer = abbrev(3, DW_TAG.pointer_type, false, [DW_AT.type, DW_FORM.ref4]);
    const toSelf = bytes(1, 2, le32(FIRST + 1), 3, le32(FIRST + 1), 0);
    const type = await withTypes(toSelf, [...typedef, ...pointer], (types) => types.at(FIRST + 6));
    expect(type).toEqual({ kind: 'pointer', to: undefined, sizeBytes: 8 });
  });

  it('have a size that is known, or none: an array of itself has none', async () => {
    const array = abbrev(2, DW_TAG.array_type, true, [DW_AT.type, DW_FORM.ref4]);
    const bound = abbrev(3, DW_TAG.subrange_type, false, [DW_AT.count, DW_FORM.data1]);
    const self = bytes(1, 2, le32(FIRST + 1), 3, 4, 0, 0);
    const size = await withTypes(self, [...array, ...bound], (types) => types.sizeOf(types.at(FIRST + 1)));
    expect(size).toBeUndefined();
  });

  const structure = abbrev(2, DW_TAG.structure_type, true);
  const member = abbrev(3, DW_TAG.member, false, [DW_AT.type, DW_FORM.ref4]);

  it('do not contain themselves', async () => {
    const self = bytes(1, 2, 3, le32(FIRST + 1), 0, 0);
    await corrupt(
      withTypes(self, [...structure, ...member], (types) => types.members(FIRST + 1)),
      'a structure contains itself',
    );
  });

  it('have as many members and constants as a C file may have', async () => {
    const named = abbrev(3, DW_TAG.member, false, [DW_AT.name, DW_FORM.string], [DW_AT.type, DW_FORM.ref1]);
    const members = (count: number) => bytes(1, 2, repeated([...bytes(3, 'a\0', FIRST)], count), 0, 0);
    const membersOf = (count: number) =>
      withTypes(members(count), [...structure, ...named], (types) => types.members(FIRST + 1));
    await corrupt(membersOf(100_001), 'a structure has too many members');
    expect((await membersOf(100_000)).length).toBe(100_000);

    const enumeration = abbrev(2, DW_TAG.enumeration_type, true);
    const constant = abbrev(
      3,
      DW_TAG.enumerator,
      false,
      [DW_AT.name, DW_FORM.string],
      [DW_AT.const_value, DW_FORM.data1],
    );
    const constants = (count: number) => {
      const rows = Array.from({ length: count }, (_, i) => bytes(3, `${i}\0`, 1));
      return withTypes(bytes(1, 2, ...rows, 0, 0), [...enumeration, ...constant], (types) =>
        types.enumerators(FIRST + 1),
      );
    };
    await corrupt(constants(100_001), 'an enumeration has too many constants');
    expect((await constants(100_000)).size).toBe(100_000);
  });

  it('are not of more entries than are read in a second', async () => {
    const flags = Array.from({ length: 250 }, () => [DW_AT.declaration, DW_FORM.flag_present] as const);
    const wide = abbrev(3, DW_TAG.variable, false, ...flags);
    const membersOf = (count: number) =>
      withTypes(bytes(1, 2, repeated([3], count), 0, 0), [...structure, ...wide], (types) =>
        types.members(FIRST + 1),
      );
    await corrupt(membersOf(2100), 'a type has too many entries');
    expect(await membersOf(2000)).toEqual([]);
  });

  it('are not in so many units that loading them takes long', async () => {
    // Members without a name, each of a type in another unit than the one before: more units than are held.
    const UNIT_BYTES = 2 ** 23;
    const unnamed = abbrev(3, DW_TAG.member, false, [DW_AT.type, DW_FORM.ref_addr]);
    const base = abbrev(4, DW_TAG.base_type, false);
    const members = (count: number) =>
      Array.from({ length: count }, (_, i) => bytes(3, le32(((i % 5) + 1) * UNIT_BYTES + FIRST + 1)));
    const first = (count: number) => bytes(1, 2, ...members(count), 0, 0);
    const membersOf = (count: number) => {
      const path = write({
        info: { bytes: unit(first(count), 0, UNIT_BYTES - 12), sizeBytes: 6 * UNIT_BYTES },
        abbrev: { bytes: bytes(CU, structure, unnamed, base, 0) },
      });
      // The first section is right behind the header.
      const fd = openSync(path, 'r+');
      for (let i = 1; i < 6; i++)
        writeSync(fd, unit(bytes(1, 4, 0), 0, UNIT_BYTES - 12), 0, 15, 64 + i * UNIT_BYTES);
      closeSync(fd);
      return withUnits(path, (units) => new Types(units).members(FIRST + 1));
    };
    await refused(membersOf(70), 'a type is in too many units');
    expect((await membersOf(50)).length).toBe(50);
  });

  it('have names of 512 bytes at most', async () => {
    const named = abbrev(2, DW_TAG.structure_type, false, [DW_AT.name, DW_FORM.strp]);
    const path = write({
      info: { bytes: unit(bytes(1, 2, le32(0), 0)) },
      abbrev: { bytes: bytes(CU, named, 0) },
      more: [{ name: '.debug_str', bytes: Buffer.alloc(5000, 'n') }],
    });
    const type = await withUnits(path, (units) => new Types(units).at(FIRST + 1));
    expect(type).toMatchObject({ kind: 'structure', name: 'n'.repeat(512) });
  });
});
