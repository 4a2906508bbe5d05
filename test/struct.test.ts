/** Layout tables against what a C compiler gives, and reading what was written. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DiskDumpHeader, KdumpSubHeader, PageDescriptor } from '../src/read/kdump-layout.ts';
import { ElfNoteHeader } from '../src/read/notes.ts';
import { bytes, chars, i32, i64, size64, struct, u8, u16, u32, u64 } from '../src/struct.ts';

describe('struct layouts', () => {
  it('place the kdump main header as gcc does (464 bytes)', () => {
    expect(DiskDumpHeader.size).toBe(464);
    expect(DiskDumpHeader.offset).toEqual({
      signature: 0,
      header_version: 8,
      utsname: 12,
      timestamp_sec: 408,
      timestamp_usec: 416,
      status: 424,
      block_size: 428,
      sub_hdr_size: 432,
      bitmap_blocks: 436,
      max_mapnr: 440,
      total_ram_blocks: 444,
      device_blocks: 448,
      written_blocks: 452,
      current_cpu: 456,
      nr_cpus: 460,
    });
  });

  it('place the kdump sub header as gcc does (104 bytes)', () => {
    expect(KdumpSubHeader.size).toBe(104);
    expect(KdumpSubHeader.offset).toEqual({
      phys_base: 0,
      dump_level: 8,
      split: 12,
      start_pfn: 16,
      end_pfn: 24,
      offset_vmcoreinfo: 32,
      size_vmcoreinfo: 40,
      offset_note: 48,
      size_note: 56,
      offset_eraseinfo: 64,
      size_eraseinfo: 72,
      start_pfn_64: 80,
      end_pfn_64: 88,
      max_mapnr_64: 96,
    });
  });

  it('place page_desc (24 bytes) and the note header (12 bytes)', () => {
    expect(PageDescriptor.size).toBe(24);
    expect(PageDescriptor.offset).toEqual({ offset: 0, size: 8, flags: 12, page_flags: 16 });
    expect(ElfNoteHeader.size).toBe(12);
  });

  it('pad before a field and behind the last one as natural alignment asks', () => {
    const mixed = struct('mixed', { a: u8, b: u16, c: u8, d: u64, e: chars(3), f: u32, g: u8 });
    expect(mixed.offset).toEqual({ a: 0, b: 2, c: 4, d: 8, e: 16, f: 20, g: 24 });
    expect(mixed.size).toBe(32);
  });

  it('put known values where the format says, in hex', () => {
    const raw = new Uint8Array(PageDescriptor.size);
    PageDescriptor.write(raw, { offset: 0x123456789a, size: 4096, flags: 0x20, page_flags: 1n });
    expect(Buffer.from(raw).toString('hex')).toBe('9a785634120000000010000020000000' + '0100000000000000');
    PageDescriptor.write(raw, { offset: 0x123456789a, size: 4096, flags: 0x20, page_flags: 1n }, 0, false);
    expect(Buffer.from(raw).toString('hex')).toBe('000000123456789a0000100000000020' + '0000000000000001');
  });
});

describe('struct reading and writing', () => {
  const all = struct('all', {
    a: u8,
    b: u16,
    c: u32,
    d: i32,
    e: u64,
    f: i64,
    g: size64,
    h: bytes(5),
    i: chars(7),
  });
  const value = fc.record({
    a: fc.integer({ min: 0, max: 0xff }),
    b: fc.integer({ min: 0, max: 0xffff }),
    c: fc.integer({ min: 0, max: 0xffffffff }),
    d: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
    e: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    f: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    g: fc.maxSafeNat(),
    h: fc.uint8Array({ minLength: 5, maxLength: 5 }),
    i: fc.string({ unit: fc.constantFrom(...'aZ09 \xff'), maxLength: 7 }),
  });

  it('gives back what was written, in either byte order, at any place of any buffer', () => {
    fc.assert(
      fc.property(value, fc.boolean(), fc.nat(9), fc.nat(9), (v, littleEndian, before, at) => {
        const whole = new Uint8Array(before + at + all.size + 3).fill(0xa5);
        const part = whole.subarray(before);
        all.write(part, v, at, littleEndian);
        expect(all.read(part, at, littleEndian)).toEqual(v);
        const outside = [...whole.subarray(0, before + at), ...whole.subarray(before + at + all.size)];
        expect(outside.every((b) => b === 0xa5)).toBe(true);
      }),
    );
  });

  it('reads the bytes of one order reversed in the other', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0xffffffff }), (x) => {
        const one = struct('one', { x: u32 });
        const raw = new Uint8Array(4);
        one.write(raw, { x }, 0, true);
        expect(one.read(raw.reverse(), 0, false)).toEqual({ x });
      }),
    );
  });

  it('leaves fields alone that are not given', () => {
    const raw = new Uint8Array(all.size).fill(0xa5);
    all.write(raw, { c: 0 });
    expect(raw.filter((b) => b === 0)).toHaveLength(4);
  });

  it('cuts a string that is too long and pads one that is short with NUL', () => {
    const s = struct('s', { text: chars(4), next: u8 });
    const raw = new Uint8Array(s.size).fill(0xff);
    s.write(raw, { text: 'abcdefg' });
    expect([...raw]).toEqual([97, 98, 99, 100, 0xff]);
    s.write(raw, { text: 'x' });
    expect([...raw]).toEqual([120, 0, 0, 0, 0xff]);
  });

  it('keeps a 64-bit size above 2^53 far outside any file', () => {
    const s = struct('s', { n: size64 });
    for (const n of [0xffffffffffffffffn, 2n ** 63n, 2n ** 53n + 1n]) {
      const raw = new Uint8Array(8);
      new DataView(raw.buffer).setBigUint64(0, n, true);
      expect(s.read(raw).n).toBeGreaterThanOrEqual(2 ** 53);
    }
  });

  it('gives bytes that do not change with the buffer they came from', () => {
    const s = struct('s', { raw: bytes(2) });
    const from = Uint8Array.of(1, 2);
    const read = s.read(from);
    from.fill(9);
    expect([...read.raw]).toEqual([1, 2]);
  });
});
