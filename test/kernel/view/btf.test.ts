/** BTF: hand-built types of every kind that is asked for, damaged ones, and bytes that are none. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Btf } from '../../../src/kernel/view/btf.ts';
import { BtfBuilder } from '../../build/btf.ts';

function sample(): BtfBuilder {
  const built = new BtfBuilder();
  const u8 = built.int('unsigned char', 1);
  const u32 = built.int('unsigned int', 4);
  const u64 = built.int('unsigned long', 8);
  const list = built.struct('list_head', 16, [
    { name: 'next', type: built.pointer(0), bitOffset: 0 },
    { name: 'prev', type: built.pointer(0), bitOffset: 64 },
  ]);
  const pid = built.typedef('pid_t', built.constant(u32));
  const anonymous = built.struct('', 8, [
    { name: 'low', type: u32, bitOffset: 0 },
    { name: 'high', type: pid, bitOffset: 32 },
  ]);
  const inner = built.struct('entity', 24, [
    { name: 'list', type: list, bitOffset: 0 },
    { name: 'sum', type: u64, bitOffset: 128 },
  ]);
  built.struct('task', 128, [
    { name: 'pid', type: pid, bitOffset: 0 },
    { name: '', type: built.struct('', 8, [{ name: '', type: anonymous, bitOffset: 0 }], 5), bitOffset: 64 },
    { name: 'se', type: inner, bitOffset: 128 },
    { name: 'comm', type: built.array(u8, 16), bitOffset: 320 },
    { name: 'grid', type: built.array(built.array(u64, 3), 2), bitOffset: 448 },
    { name: 'lists', type: built.array(list, 2), bitOffset: 832 },
    { name: 'tail', type: built.array(u64, 0), bitOffset: 1024 },
  ]);
  built.struct('orc_entry', 6, [
    { name: 'sp_offset', type: u32, bitOffset: 0 },
    { name: 'sp_reg', type: u32, bitOffset: 32, bits: 4 },
    { name: 'bp_reg', type: u32, bitOffset: 36, bits: 4 },
    { name: 'type', type: u32, bitOffset: 40, bits: 3 },
  ]);
  built.enumeration({ FIRST: 0, NEGATIVE: -3 });
  built.enumeration({ MOVED: 7 }, 'zone_stat_item');
  built.enumeration({ MOVED: 3, OTHER: 4 }, 'node_stat_item');
  return built;
}

const btf = Btf.parse(sample().bytes())!;

describe('BTF', () => {
  it('gives the size of a structure, and nothing for a name that only a typedef or nobody has', () => {
    expect(btf.sizeOf('task')).toBe(128);
    expect(btf.sizeOf('pid_t')).toBeUndefined();
    expect(btf.sizeOf('nobody')).toBeUndefined();
    expect(btf.sizeOf('')).toBeUndefined();
  });

  it('gives a constant of the enumeration that is asked for, where others have one of the name', () => {
    expect(btf.constant('NEGATIVE')).toBe(-3);
    expect(btf.constant('MOVED', 'node_stat_item')).toBe(3);
    expect(btf.constant('MOVED', 'zone_stat_item')).toBe(7);
    expect(btf.constant('OTHER', 'zone_stat_item')).toBeUndefined();
    expect(btf.constant('MOVED', 'nobody')).toBeUndefined();
  });

  it('looks through typedefs and qualifiers', () => {
    expect(btf.field('task', 'pid')).toMatchObject({ byteOffset: 0, sizeBytes: 4, structName: undefined });
  });

  it('takes members of structures without a name for those of their parent', () => {
    expect(btf.field('task', 'low')).toMatchObject({ byteOffset: 8, sizeBytes: 4 });
    expect(btf.field('task', 'high')).toMatchObject({ byteOffset: 12, sizeBytes: 4 });
  });

  it('follows a path through structures, and not through arrays or numbers', () => {
    expect(btf.field('task', 'se')).toMatchObject({ byteOffset: 16, sizeBytes: 24, structName: 'entity' });
    expect(btf.field('task', 'se.sum')).toMatchObject({ byteOffset: 32, sizeBytes: 8 });
    expect(btf.field('task', 'se.list.prev')).toMatchObject({ byteOffset: 24, sizeBytes: 8 });
    expect(btf.field('task', 'lists.prev')).toBeUndefined();
    expect(btf.field('task', 'pid.x')).toBeUndefined();
    expect(btf.field('task', 'se.')).toBeUndefined();
  });

  it('counts the elements of arrays in all their dimensions, and gives no size to those without a length', () => {
    expect(btf.field('task', 'comm')).toMatchObject({ byteOffset: 40, sizeBytes: 16, length: 16 });
    expect(btf.field('task', 'grid')).toMatchObject({ byteOffset: 56, sizeBytes: 48, length: 6 });
    expect(btf.field('task', 'lists')).toMatchObject({ sizeBytes: 32, length: 2, structName: 'list_head' });
    expect(btf.field('task', 'tail')).toMatchObject({ byteOffset: 128, sizeBytes: undefined, length: 0 });
  });

  it('says which bits a bit field has', () => {
    expect(btf.field('orc_entry', 'sp_offset')).toMatchObject({ byteOffset: 0, bits: undefined });
    expect(btf.field('orc_entry', 'sp_reg')).toMatchObject({ byteOffset: 4, bits: { first: 0, count: 4 } });
    expect(btf.field('orc_entry', 'bp_reg')).toMatchObject({ byteOffset: 4, bits: { first: 4, count: 4 } });
    expect(btf.field('orc_entry', 'type')).toMatchObject({ byteOffset: 5, bits: { first: 0, count: 3 } });
  });

  it('gives the constants of enumerations, negative ones too', () => {
    expect(btf.constant('FIRST')).toBe(0);
    expect(btf.constant('NEGATIVE')).toBe(-3);
    expect(btf.constant('task')).toBeUndefined();
  });
});

describe('what is no BTF', () => {
  const good = sample().bytes();

  it.each([
    ['another magic number', 0, 0x00],
    ['another version', 2, 2],
    ['a header that is too short', 4, 8],
    ['types behind the end', 8, 0xff],
    ['strings behind the end', 16, 0xff],
  ])('is not taken for some: %s', (_, at, value) => {
    const bytes = Buffer.from(good);
    bytes[at] = value;
    expect(Btf.parse(bytes)).toBeUndefined();
  });

  it('is not taken for some where it is cut, wherever that is', () => {
    for (let length = 0; length < good.length; length += 7)
      expect(Btf.parse(good.subarray(0, length))).toBeUndefined();
  });

  it('is not taken for some where a type is of no kind that there is', () => {
    const built = new BtfBuilder();
    built.type('x', 31, 0, 0);
    expect(Btf.parse(built.bytes())).toBeUndefined();
  });
});

describe('hostile BTF', () => {
  it('may have types made of themselves: there is an end to it', () => {
    const built = new BtfBuilder();
    built.struct('loop', 8, [{ name: '', type: 1, bitOffset: 0 }]);
    built.typedef('again', 2);
    built.array(3, 2);
    built.struct('arrays', 8, [
      { name: 'a', type: 3, bitOffset: 0 },
      { name: 'b', type: 2, bitOffset: 0 },
      { name: 'c', type: 999, bitOffset: 0 },
    ]);
    const loops = Btf.parse(built.bytes())!;
    expect(loops.field('loop', 'x')).toBeUndefined();
    expect(loops.field('arrays', 'a')).toMatchObject({ byteOffset: 0 });
    expect(loops.field('arrays', 'b')).toMatchObject({ sizeBytes: undefined });
    expect(loops.field('arrays', 'c')).toMatchObject({ sizeBytes: undefined });
  });

  it('may have structures without a name that have each other many times: each is looked through once', () => {
    const built = new BtfBuilder();
    const many = (type: number) => Array.from({ length: 40 }, () => ({ name: '', type, bitOffset: 0 }));
    for (let type = 1; type < 30; type++) built.struct(type === 1 ? 'first' : '', 8, many(type + 1));
    built.struct('', 8, [{ name: 'x', type: built.pointer(0), bitOffset: 0 }]);
    const nested = Btf.parse(built.bytes())!;
    expect(nested.field('first', 'y')).toBeUndefined();
  });

  it('may have arrays of more than any memory has: they are none', () => {
    const built = new BtfBuilder();
    const long = built.int('unsigned long', 8);
    let type = long;
    for (let i = 0; i < 40; i++) type = built.array(type, 0xffffffff);
    built.struct('huge', 8, [{ name: 'all', type, bitOffset: 0 }]);
    expect(Btf.parse(built.bytes())!.field('huge', 'all')).toBeUndefined();
  });

  it('may hold anything: no answer is thrown, and none takes long', () => {
    const good = sample().bytes();
    const damage = fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(damage, (changes) => {
        const bytes = Buffer.from(good);
        for (const [at, value] of changes) bytes[at] = value;
        const damaged = Btf.parse(bytes);
        for (const path of ['pid', 'high', 'se.sum', 'comm', 'grid', 'tail', 'x'])
          damaged?.field('task', path);
        damaged?.constant('NEGATIVE');
        damaged?.sizeOf('orc_entry');
      }),
      { numRuns: 500 },
    );
  });
});
