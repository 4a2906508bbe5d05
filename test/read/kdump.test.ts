/** kdump-compressed files of all versions: what their headers say, and headers that lie. */
import { readFileSync, truncateSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ErrorCode, SmeltError } from '../../src/errors.ts';
import type { KdumpDumpFile } from '../../src/read/dump-file.ts';
import { PFNS_PER_RANK } from '../../src/read/kdump-file.ts';
import { bitmapBytes, DiskDumpHeader as OurHeader } from '../../src/read/kdump-layout.ts';
import { createKdumpReader } from '../../src/read/kdump-reader.ts';
import { parseNotes } from '../../src/read/notes.ts';
import {
  buildKdump,
  DiskDumpHeader,
  encodeKdump,
  type KdumpOptions,
  KdumpSubHeader,
  type KdumpSubHeaderFields,
} from '../build/kdump.ts';
import { prstatusNote } from '../build/notes.ts';
import { expectSmeltError, tempFiles } from './temp-files.ts';

const files = tempFiles();
const U64 = 0xffffffffffffffffn;
const page = (fill: number, length = 4096) => new Uint8Array(length).fill(fill);
const pages = new Map([
  [1, page(1)],
  [5, page(5)],
  [40, page(40)],
]);
const text = 'OSRELEASE=6.1.0\nPAGESIZE=4096\n';
type Options = Omit<KdumpOptions, 'path' | 'pages'> & Partial<Pick<KdumpOptions, 'pages'>>;

function open(options: Options = {}): KdumpDumpFile {
  const path = files.path('kdump');
  buildKdump({ path, pages, ...options });
  return files.open(path) as KdumpDumpFile;
}

function refuse(options: Options, code: ErrorCode, ...words: (string | RegExp)[]): SmeltError {
  const path = files.path('kdump');
  buildKdump({ path, pages, ...options });
  return expectSmeltError(() => files.open(path), code, path, ...words);
}

const memoryOf = (file: KdumpDumpFile) =>
  Array.from(file.memory.paddr, (p, i) => [p / file.pageSize, file.memory.sizeBytes[i] / file.pageSize]);

describe('a kdump file whose bitmaps are longer than its page frames need', () => {
  it('has its second bitmap in the middle of both', () => {
    const { file } = encodeKdump({ path: '', pages, vmcoreinfo: text });
    const subHeaders = file.readInt32LE(432);
    const bitmaps = (1 + subHeaders) * 4096;
    const padding = Buffer.alloc(4096);
    const longer = Buffer.concat([
      file.subarray(0, bitmaps + 4096),
      padding,
      file.subarray(bitmaps + 4096, bitmaps + 8192),
      padding,
      file.subarray(bitmaps + 8192),
    ]);
    longer.writeUInt32LE(4, 436);
    const opened = files.open(files.write(longer)) as KdumpDumpFile;
    expect(opened.bitmap2Offset).toBe(bitmaps + 8192);
    expect(opened.parts[0]!.descOffset).toBe(bitmaps + 16384);
    expect(opened.rank).toEqual(Float64Array.of(0));
  });
});

describe('a kdump file', () => {
  it('has its fields where the format says, in hex', () => {
    const { file, layout } = encodeKdump({
      path: '',
      pages,
      vmcoreinfo: text,
      dumpLevel: 31,
      physBase: -4096n,
    });
    const hex = (from: number, length: number) => file.subarray(from, from + length).toString('hex');
    expect(hex(0, 17)).toBe('4b44554d50202020' + '06000000' + '4c696e7578');
    expect(hex(424, 40)).toBe(`0000000000100000010000000200000029000000${'00000000'.repeat(4)}01000000`);
    expect(hex(4096, 104)).toBe(
      '00f0ffffffffffff' +
        '1f000000' +
        '00000000' +
        '00'.repeat(16) +
        '8010000000000000' +
        '1e00000000000000' +
        '6810000000000000' +
        '3800000000000000' +
        '00'.repeat(32) +
        '2900000000000000',
    );
    expect(layout).toMatchObject({ notes: 0x1068, bitmap1: 0x2000, bitmap2: 0x3000, descriptors: 0x4000 });
    expect(hex(0x3000, 6)).toBe('220000000001');
  });

  it('opens with all that its headers say', () => {
    const file = open({
      vmcoreinfo: text,
      notes: prstatusNote(1, { rip: 1n, rsp: 2n }),
      eraseinfo: 'erase jiffies\n',
      dumpLevel: 23,
      physBase: -0x1ca00000n,
      nrCpus: 3,
      release: '6.1.0-7',
      ram: [{ start: 4, end: 8 }],
      header: { tv_sec: 1700000000n, tv_usec: 5n },
    });
    expect(file).toMatchObject({
      format: 'kdump',
      machine: 'x86_64',
      littleEndian: true,
      pageSize: 4096,
      headerVersion: 6,
      dumpLevel: 23,
      nrCpus: 3,
      physBase: BigInt.asUintN(64, -0x1ca00000n),
      incomplete: false,
      maxMapnr: 41,
      timestamp: { sec: 1700000000n, usec: 5n },
    });
    expect(memoryOf(file)).toEqual([
      [1, 1],
      [4, 4],
      [40, 1],
    ]);
    expect([...parseNotes(file.notes)].map((n) => n.name)).toEqual(['CORE', 'VMCOREINFO']);
    expect(Buffer.from(file.eraseInfo).toString()).toBe('erase jiffies\n');
    expect(Buffer.from(file.utsname).toString('latin1', 130, 137)).toBe('6.1.0-7');
    expect([...file.rank]).toEqual([0]);
  });

  it.each([1, 2, 3, 4, 5, 6] as const)(
    'of header version %i gives what that version has, and no more',
    (version) => {
      // The fields of later versions hold what happened to be in memory.
      const junk: KdumpSubHeaderFields = {};
      if (version < 2) junk.split = 0x5555;
      if (version < 3) Object.assign(junk, { offset_vmcoreinfo: 0x55555555n, size_vmcoreinfo: 0x5555n });
      if (version < 4) Object.assign(junk, { offset_note: 0x5555555555n, size_note: U64 });
      if (version < 5) Object.assign(junk, { offset_eraseinfo: 0x5555555555n, size_eraseinfo: U64 });
      if (version < 6) Object.assign(junk, { max_mapnr_64: U64, start_pfn_64: U64, end_pfn_64: U64 });
      const file = open({
        version,
        vmcoreinfo: text,
        notes: prstatusNote(1, { rip: 1n, rsp: 2n }),
        eraseinfo: 'erased',
        dumpLevel: 31,
        subHeader: junk,
      });
      expect(file).toMatchObject({ headerVersion: version, dumpLevel: 31, maxMapnr: 41 });
      const names = [...parseNotes(file.notes)].map((n) => n.name);
      expect(names).toEqual(version < 3 ? [] : version < 4 ? ['VMCOREINFO'] : ['CORE', 'VMCOREINFO']);
      const info = [...parseNotes(file.notes)].at(-1);
      if (version >= 3) expect(Buffer.from(info!.desc).toString()).toBe(text);
      expect(Buffer.from(file.eraseInfo).toString()).toBe(version < 5 ? '' : 'erased');
      expect(createKdumpReader(file, []).load(5, 1)).toBe(1);
    },
  );

  it('may have one bitmap that stands for both', () => {
    const file = open({ singleBitmap: true });
    expect(memoryOf(file)).toEqual([
      [1, 1],
      [5, 1],
      [40, 1],
    ]);
    const reader = createKdumpReader(file, []);
    expect([1, 2, 5, 40].map((pfn) => reader.load(pfn, 1))).toEqual([1, 0, 1, 1]);
    expect(reader.bytes[0]).toBe(40);
  });

  it.each([4096, 8192, 16384, 65536])('may have blocks of %i bytes', (blockSize) => {
    const large = new Map([...pages.keys()].map((pfn) => [pfn, page(pfn, blockSize)]));
    const file = open({ pages: large, blockSize, vmcoreinfo: text, codec: 'zlib' });
    expect(file.pageSize).toBe(blockSize);
    expect(memoryOf(file)).toHaveLength(3);
    expect([...parseNotes(file.notes)]).toHaveLength(1);
  });

  it('may not say whose it is (QEMU leaves utsname zero)', () => {
    const zero = { sysname: '', nodename: '', release: '', version: '', machine: '', domainname: '' };
    expect(open({ header: zero }).machine).toBeUndefined();
  });

  it('may be incomplete', () => {
    expect(open({ incomplete: [40] }).incomplete).toBe(true);
    expect(open({ header: { status: 0x10 } }).incomplete).toBe(false);
  });

  it('counts the pages before each block of page frames', () => {
    const spread = new Map(
      [3, PFNS_PER_RANK - 1, PFNS_PER_RANK, 3 * PFNS_PER_RANK + 7].map((pfn) => [pfn, page(7)]),
    );
    const file = open({ pages: spread });
    expect([...file.rank]).toEqual([0, 2, 3, 3]);
    expect(memoryOf(file)).toEqual([
      [3, 1],
      [PFNS_PER_RANK - 1, 2],
      [3 * PFNS_PER_RANK + 7, 1],
    ]);
  });

  it('ends where its header says, whatever bits are behind that', () => {
    const file = open({
      patch: (raw, { bitmap1, bitmap2 }) => {
        raw.fill(0xff, bitmap1 + 6, bitmap1 + 4096);
        raw.fill(0xff, bitmap2 + 6, bitmap2 + 4096);
        raw[bitmap1 + 5] |= 0xfe;
        raw[bitmap2 + 5] |= 0xfe;
        return undefined;
      },
    });
    expect(memoryOf(file).at(-1)).toEqual([40, 1]);
    expect(createKdumpReader(file, []).load(41, 1)).toBe(0);
  });
});

describe('a kdump file that lies', () => {
  it.each([7, 8, -1, -6, 0x7fffffff, 0, 0x00060000])(
    'about its version (%i) is refused',
    (header_version) => {
      refuse(
        { header: { header_version } },
        'UNSUPPORTED',
        new RegExp(`header_version: expected 1 to 6, saw ${header_version}$`),
      );
    },
  );

  it.each([1, 6])('in another byte order (version %i) is refused', (version) => {
    refuse({ header: { header_version: version << 24 } }, 'UNSUPPORTED', /big-endian/);
  });

  it('is refused when it was written by diskdump', () => {
    refuse({ header: { signature: Buffer.from('DISKDUMP') } }, 'UNSUPPORTED', /diskdump/);
  });

  it.each([0, 1, 4095, 4097, 2048, 131072, -4096, 12288])(
    'about its block_size (%i) is refused',
    (block_size) => {
      refuse(
        { header: { block_size } },
        'CORRUPT',
        /block_size: expected a power of two/,
        block_size.toLocaleString('en-US'),
      );
    },
  );

  it.each([0, -1, -(2 ** 31)])('about its sub_hdr_size (%i) is refused', (sub_hdr_size) => {
    refuse({ header: { sub_hdr_size } }, 'CORRUPT', `sub_hdr_size: expected 1 or more, saw ${sub_hdr_size}`);
  });

  it('about a sub_hdr_size beyond the file is refused', () => {
    refuse({ header: { sub_hdr_size: 2 ** 31 - 1 } }, 'TRUNCATED', /the bitmaps end at byte 8,796,/);
  });

  it('about its bitmap_blocks is refused', () => {
    refuse(
      { header: { bitmap_blocks: 0 } },
      'CORRUPT',
      /max_mapnr 41 needs 4,096 bytes of bitmap, and bitmap_blocks gives 0/,
    );
    refuse({ header: { bitmap_blocks: 0xffffffff } }, 'TRUNCATED', /the bitmaps end at byte/);
    refuse({ header: { bitmap_blocks: 7 } }, 'TRUNCATED');
  });

  it.each([2n ** 20n, 2n ** 38n, 2n ** 38n + 1n, 2n ** 53n, 2n ** 63n, U64])(
    'about max_mapnr_64 (%i) is refused',
    (n) => {
      const words =
        n > 2n ** 38n ? /max_mapnr: expected .* at most, saw/ : /max_mapnr .* needs .* bytes of bitmap/;
      refuse({ subHeader: { max_mapnr_64: n } }, 'CORRUPT', words);
    },
  );

  it('about max_mapnr of an older version is refused', () => {
    refuse({ version: 5, header: { max_mapnr: 0xffffffff } }, 'CORRUPT', /max_mapnr 4,294,967,295 needs/);
  });

  it('about having page frames at all is refused', () => {
    refuse({ subHeader: { max_mapnr_64: 0n } }, 'CORRUPT', /no memory/);
    refuse({ pages: new Map(), header: { bitmap_blocks: 0 } }, 'CORRUPT', /no memory/);
  });

  it('about more memory than a machine can address is refused before its bitmaps are read', () => {
    const path = files.path('kdump');
    const maxMapnr = 2n ** 41n;
    const blocks = Number(maxMapnr / 8n / 65536n) * 2;
    buildKdump({
      path,
      pages: new Map([[1, page(1, 65536)]]),
      blockSize: 65536,
      header: { bitmap_blocks: blocks },
      subHeader: { max_mapnr_64: maxMapnr },
    });
    truncateSync(path, 2 ** 40);
    expectSmeltError(
      () => files.open(path),
      'CORRUPT',
      path,
      /max_mapnr: expected 17,179,869,184 at most, saw 2,199,023,255,552/,
    );
  });

  it.each([32, -1, 2 ** 31 - 1])('about its dump_level (%i) is refused', (dump_level) => {
    refuse({ subHeader: { dump_level } }, 'CORRUPT', `dump_level: expected 0 to 31, saw ${dump_level}`);
  });

  it.each([
    { start_pfn_64: 6n, end_pfn_64: 5n },
    { start_pfn_64: 0n, end_pfn_64: 2n ** 40n },
    { start_pfn_64: 2n ** 63n, end_pfn_64: 2n ** 63n },
  ])('about the page frames of its part ($start_pfn_64 to $end_pfn_64) is refused', (subHeader) => {
    refuse(
      { split: { start: 0, end: 1 }, subHeader },
      'CORRUPT',
      /part of a split dump with the page frames/,
    );
  });

  it.each([
    ['size_note', { size_note: U64 }, 'CORRUPT', /the notes claims/],
    ['size_note', { size_note: 2n ** 20n }, 'TRUNCATED', /the notes ends? at byte/],
    ['offset_note', { offset_note: 2n ** 63n - 1n }, 'TRUNCATED', /the notes/],
    ['offset_note', { offset_note: -1n }, 'TRUNCATED', /the notes/],
    ['offset_eraseinfo', { offset_eraseinfo: -1n, size_eraseinfo: 1n }, 'TRUNCATED', /the erase info/],
    ['size_eraseinfo', { offset_eraseinfo: 1n, size_eraseinfo: U64 }, 'CORRUPT', /the erase info claims/],
    ['size_eraseinfo', { offset_eraseinfo: 1n, size_eraseinfo: 2n ** 25n }, 'TRUNCATED', /the erase info/],
  ] satisfies [string, KdumpSubHeaderFields, ErrorCode, RegExp][])(
    'about %s is refused',
    (_, subHeader, code, words) => {
      refuse({ vmcoreinfo: text, subHeader }, code, words);
    },
  );

  it('about VMCOREINFO in version 3 is refused', () => {
    const old: Options = { version: 3, vmcoreinfo: text };
    refuse({ ...old, subHeader: { size_vmcoreinfo: U64 } }, 'CORRUPT', /VMCOREINFO claims/);
    refuse({ ...old, subHeader: { offset_vmcoreinfo: 2n ** 62n } }, 'TRUNCATED', /VMCOREINFO ends/);
  });

  it('about a negative number of CPUs has none', () => {
    expect(open({ header: { nr_cpus: -5 } }).nrCpus).toBe(0);
  });

  it('is refused when it is cut short before its page data, wherever', () => {
    const { file, layout } = encodeKdump({ path: '', pages, vmcoreinfo: text });
    const cuts = new Set(Array(470).keys());
    for (const n of [4095, 4096, 4199, 8191, 0x2fff, 0x3000, 0x3fff, layout.data - 1]) cuts.add(n);
    for (let n = 0; n < 104; n += 9) cuts.add(4096 + n);
    for (const cut of cuts) {
      if (cut < 8) continue;
      expectSmeltError(() => files.open(files.write(file.subarray(0, cut))), 'TRUNCATED', /bytes/);
    }
  });
});

describe('a kdump file with damage at random', () => {
  const path = files.path('fuzz');
  const { size, ...layout } = buildKdump({
    path,
    pages: new Map([1, 2, 3, 9, 40].map((pfn) => [pfn, pfn === 3 ? page(0) : page(pfn)])),
    vmcoreinfo: text,
    eraseinfo: 'x',
    ram: [{ start: 5, end: 8 }],
  });
  const whole = readFileSync(path);
  const place = fc.oneof(
    fc.integer({ min: 400, max: 463 }),
    fc.nat(11),
    fc.integer({ min: layout.subHeader, max: layout.subHeader + 103 }),
    fc.integer({ min: layout.bitmap1, max: layout.bitmap1 + 8 }),
    fc.integer({ min: layout.bitmap2, max: layout.bitmap2 + 8 }),
    fc.integer({ min: layout.descriptors, max: layout.data }),
  );
  const value = fc.oneof(fc.constantFrom(0, 1, 0x7f, 0x80, 0xff), fc.nat(255));

  it('opens or says why not, and what opens can be read at any place without a surprise', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(place, value), { maxLength: 6 }),
        fc.option(fc.nat(size), { freq: 4 }),
        (flips, cut) => {
          const bytes = Buffer.from(whole);
          for (const [at, byte] of flips) bytes[at] = byte;
          const target = files.write(cut === null ? bytes : bytes.subarray(0, cut));
          let file: KdumpDumpFile;
          try {
            file = files.open(target) as KdumpDumpFile;
          } catch (error) {
            expect(error).toBeInstanceOf(SmeltError);
            expect((error as SmeltError).code).not.toBe('INTERNAL');
            return;
          }
          const reader = createKdumpReader(file, []);
          for (const pfn of [0, 1, 2, 3, 9, 40, 41, file.maxMapnr - 1, file.maxMapnr]) {
            expect(reader.load(pfn, 70)).toBeLessThanOrEqual(reader.maxPages);
            reader.read(pfn * file.pageSize + 5, new Uint8Array(5000));
          }
          [...parseNotes(file.notes)].length;
        },
      ),
      { numRuns: 800 },
    );
  });
});

describe('bitmapBytes', () => {
  it('is whole blocks', () => {
    expect([0, 1, 8 * 4096, 8 * 4096 + 1, 0x140000].map((n) => bitmapBytes(n, 4096))).toEqual([
      0, 4096, 4096, 8192, 0x28000,
    ]);
  });

  it('agrees with the layouts of the tests’ own builder', () => {
    expect(OurHeader.size).toBe(DiskDumpHeader.size);
    expect(OurHeader.offset.status).toBe(DiskDumpHeader.offset.status);
    expect(KdumpSubHeader.size).toBe(104);
  });
});
