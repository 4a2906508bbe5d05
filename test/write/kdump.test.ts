import { describe, expect, test } from 'vitest';
import { dataOffset, encodeKdumpHeader, type KdumpHeader, layoutKdump } from '../../src/write/kdump.ts';

const utsname = new Uint8Array(390);
for (const [i, name] of ['Linux', 'host', '6.1.0', '#1', 'x86_64', '(none)'].entries())
  utsname.set(Buffer.from(name), i * 65);

const header: KdumpHeader = {
  utsname,
  timestamp: { sec: 0x11223344n, usec: 0x55n },
  codec: 'zstd',
  incomplete: false,
  maxMapnr: 0x140000,
  nrCpus: 4,
  physBase: -0x5a00000n,
  dumpLevel: 31,
  notes: Buffer.from('notes with VMCOREINFO text in them'),
  vmcoreinfo: { offset: 11, length: 10 },
  eraseInfo: { byteOffset: 0x123456789a, length: 7 },
  split: undefined,
};
const words = (bytes: Buffer, from: number, to: number): string =>
  bytes.toString('hex', from, to).replaceAll(/.{8}(?=.)/g, '$& ');

describe('the header', () => {
  const layout = layoutKdump(4096, header.notes.length, header.maxMapnr);
  const bytes = encodeKdumpHeader(layout, header);

  test('is golden to the byte', () => {
    expect(bytes.length).toBe(8192);
    expect(words(bytes, 0, 12)).toBe('4b44554d 50202020 06000000');
    expect(bytes.subarray(12, 402)).toEqual(Buffer.from(utsname));
    expect(words(bytes, 402, 464)).toBe(
      // padding, tv_sec, tv_usec, status, block_size, sub_hdr_size, bitmap_blocks, max_mapnr, 4 zeros, nr_cpus
      '00000000 00004433 22110000 00005500 00000000 00002000 00000010 00000100 00005000 00000000 14000000 00000000 00000000 00000000 00000400 0000',
    );
    expect(bytes.subarray(464, 4096).every((b) => b === 0)).toBe(true);
    expect(words(bytes, 4096, 4096 + 104)).toBe(
      [
        '000060fa ffffffff', // phys_base
        '1f000000 00000000', // dump_level, split
        '00000000 00000000 00000000 00000000', // start_pfn, end_pfn
        '73100000 00000000 0a000000 00000000', // vmcoreinfo
        '68100000 00000000 22000000 00000000', // notes
        '9a785634 12000000 07000000 00000000', // eraseinfo
        '00000000 00000000 00000000 00000000', // start_pfn_64, end_pfn_64
        '00001400 00000000', // max_mapnr_64
      ].join(' '),
    );
    expect(bytes.toString('latin1', 0x1068, 0x1068 + 34)).toBe('notes with VMCOREINFO text in them');
    expect(bytes.toString('latin1', 0x1073, 0x1073 + 10)).toBe('VMCOREINFO');
    expect(bytes.subarray(0x1068 + 34).every((b) => b === 0)).toBe(true);
  });

  test.each([
    ['zlib', 1],
    ['lzo', 2],
    ['snappy', 4],
    ['zstd', 32],
    [undefined, 0],
  ] as const)(
    'names the codec %s by the bit %i, with and without the bit of an incomplete dump',
    (codec, bit) => {
      const status = (incomplete: boolean) =>
        encodeKdumpHeader(layout, { ...header, codec, incomplete }).readUInt32LE(424);
      expect([status(false), status(true)]).toEqual([bit, bit | 8]);
    },
  );

  test('points nowhere when there is nothing', () => {
    const { notes, vmcoreinfo, eraseInfo, ...rest } = header;
    const none = encodeKdumpHeader(layoutKdump(4096, 0, 8), {
      ...rest,
      notes: new Uint8Array(),
      vmcoreinfo: undefined,
      eraseInfo: undefined,
    });
    expect(none.subarray(4096 + 32, 4096 + 80).every((b) => b === 0)).toBe(true);
  });

  test('has the old page frame number cut to 32 bits, and the new one whole', () => {
    const maxMapnr = 2 ** 33;
    const large = encodeKdumpHeader(layoutKdump(4096, 34, maxMapnr), { ...header, maxMapnr });
    expect(large.readUInt32LE(440)).toBe(0xffffffff);
    expect(large.readBigUInt64LE(4096 + 96)).toBe(2n ** 33n);
  });
});

describe('the layout', () => {
  test.each([
    // notes, page frames, blocks of the sub header, blocks of both bitmaps
    [0, 1, 1, 2],
    [4096 - 104, 32768, 1, 2],
    [4096 - 104 + 1, 32769, 2, 4],
    [3 * 2 ** 20, 2 ** 32, 769, 2 ** 18],
  ])('for %i bytes of notes and %i page frames has whole blocks', (notes, maxMapnr, sub, bitmaps) => {
    const layout = layoutKdump(4096, notes, maxMapnr);
    expect(layout).toMatchObject({
      subHeaderBlocks: sub,
      bitmapBlocks: bitmaps,
      bitmap1Offset: (1 + sub) * 4096,
    });
    expect(layout.bitmap2Offset).toBe(layout.bitmap1Offset + (bitmaps / 2) * 4096);
    expect(layout.descOffset).toBe(layout.bitmap1Offset + bitmaps * 4096);
    expect(dataOffset(layout, 100)).toBe(layout.descOffset + 2400);
  });
});
