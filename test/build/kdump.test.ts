/** The kdump writer: its bytes at known offsets, and what makedumpfile makes of its files. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inflateSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasBit } from './expected.ts';
import { buildKdump, DiskDumpHeader, KdumpSubHeader, PageDesc } from './kdump.ts';
import { makedumpfileMissing, runMakedumpfile } from './makedumpfile-oracle.ts';
import { pageContent } from './page-content.ts';
import { buildVmcore } from './vmcore.ts';

let dir: string;
let path: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'smelt-kdump-'));
  path = join(dir, 'kdump');
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const text = pageContent('text', 1);
const random = pageContent('random', 2);
const zero = new Uint8Array(4096);

describe('the kdump writer', () => {
  it('lays structures out as a 64-bit compiler does', () => {
    expect([DiskDumpHeader.size, KdumpSubHeader.size, PageDesc.size]).toEqual([464, 104, 24]);
    expect(DiskDumpHeader.offset).toMatchObject({
      status: 424,
      block_size: 428,
      bitmap_blocks: 436,
      nr_cpus: 460,
    });
    expect(KdumpSubHeader.offset).toMatchObject({ offset_vmcoreinfo: 32, offset_note: 48, max_mapnr_64: 96 });
  });

  it('writes headers, both bitmaps, descriptors and data where the format has them', () => {
    const pages = new Map([
      [3, text],
      [5, zero],
      [6, random],
      [40000, zero],
    ]);
    const layout = buildKdump({
      path,
      pages,
      codec: 'zlib',
      ram: [{ start: 2, end: 9 }],
      vmcoreinfo: 'OSRELEASE=6.1.0\n',
      dumpLevel: 31,
      physBase: -0x5a00000n,
      maxMapnr: 40001,
    });
    const file = readFileSync(path);
    expect(file.length).toBe(layout.size);
    expect(file.toString('latin1', 0, 8)).toBe('KDUMP   ');
    expect(file.readInt32LE(8)).toBe(6);
    expect(file.readUInt32LE(424)).toBe(1);
    expect(file.readInt32LE(428)).toBe(4096);
    expect(file.readInt32LE(432)).toBe(1);
    expect(file.readUInt32LE(436)).toBe(4); // 40001 bits: two blocks a bitmap
    expect(file.readBigInt64LE(4096)).toBe(-0x5a00000n);
    expect(file.readInt32LE(4096 + 8)).toBe(31);
    const info = Number(file.readBigInt64LE(4096 + 32));
    expect(file.toString('latin1', info, info + Number(file.readBigUInt64LE(4096 + 40)))).toBe(
      'OSRELEASE=6.1.0\n',
    );
    expect(file.readBigUInt64LE(4096 + 48)).toBe(0x1068n);
    expect(file.readBigUInt64LE(4096 + 96)).toBe(40001n);
    const [bitmap1, bitmap2] = [file.subarray(8192, 16384), file.subarray(16384, 24576)];
    const set = (bitmap: Uint8Array): number[] =>
      [...Array(65536).keys()].filter((pfn) => hasBit(bitmap, pfn));
    expect(set(bitmap1)).toEqual([2, 3, 4, 5, 6, 7, 8, 40000]);
    expect(set(bitmap2)).toEqual([3, 5, 6, 40000]);
    const desc = (i: number) => PageDesc.read(file, 24576 + i * 24);
    expect(desc(1)).toEqual({ offset: BigInt(24576 + 96), size: 4096, flags: 0, page_flags: 0n });
    expect(desc(3)).toEqual(desc(1));
    expect(desc(0).flags).toBe(1);
    const at = Number(desc(0).offset);
    expect(new Uint8Array(inflateSync(file.subarray(at, at + desc(0).size)))).toEqual(text);
    expect(desc(2)).toMatchObject({ size: 4096, flags: 0 }); // does not shrink: stored raw
  });

  it.each([1, 2, 3, 4, 5, 6] as const)('has in version %i only the fields of that version', (version) => {
    buildKdump({
      path,
      version,
      pages: new Map([[1, text]]),
      vmcoreinfo: 'OSRELEASE=1\n',
      eraseinfo: 'erase x 4\n',
      split: { start: 1, end: 2 },
      notes: Buffer.alloc(12),
    });
    const sub = KdumpSubHeader.read(readFileSync(path), 4096);
    expect([
      sub.split > 0,
      sub.offset_vmcoreinfo > 0n,
      sub.offset_note > 0n,
      sub.offset_eraseinfo > 0n,
      sub.max_mapnr_64 > 0n,
    ]).toEqual([2, 3, 4, 5, 6].map((since) => version >= since));
  });

  it('marks missing pages, keeps to its part of a split dump, and lets itself be corrupted', () => {
    const pages = new Map([1, 2, 3, 4].map((pfn) => [pfn, pageContent('text', pfn)]));
    const layout = buildKdump({
      path,
      pages,
      split: { start: 2, end: 4 },
      incomplete: [3],
      header: { block_size: -1 },
      desc: (pfn) => (pfn === 2 ? { size: 99999 } : {}),
      patch: (file) => file.subarray(0, file.length - 10),
    });
    const file = readFileSync(path);
    expect(file.length).toBe(layout.size - 10);
    expect(file.readInt32LE(428)).toBe(-1);
    expect(file.readUInt32LE(424)).toBe(8);
    expect([...layout.descriptorOf.keys()]).toEqual([2, 3]);
    expect(PageDesc.read(file, layout.descriptorOf.get(2)).size).toBe(99999);
    expect(PageDesc.read(file, layout.descriptorOf.get(3)).offset).toBe(0n);
    expect(hasBit(file.subarray(layout.bitmap2), 4)).toBe(true);
  });

  it('stores pages through any codec that it is given a function for', () => {
    const pages = new Map([[0, text]]);
    expect(() => buildKdump({ path, pages, codec: 'zstd' })).toThrow('needs a compress function');
    const layout = buildKdump({ path, pages, codec: 'zstd', compress: () => Uint8Array.of(1, 2, 3) });
    const file = readFileSync(path);
    expect(PageDesc.read(file, layout.descriptors)).toMatchObject({ size: 3, flags: 0x20 });
    expect(file.subarray(layout.data)).toEqual(Buffer.of(1, 2, 3));
  });
});

const because = makedumpfileMissing ? ` (skipped: ${makedumpfileMissing})` : '';
describe.skipIf(makedumpfileMissing)(`makedumpfile filters a kdump file again${because}`, () => {
  it.each([
    [3, 'raw'],
    [4, 'zlib'],
    [5, 'zlib'],
    [6, 'raw'],
    [6, 'zlib'],
  ] as const)('of version %i, %s pages', (version, codec) => {
    const core = buildVmcore({
      path: join(dir, 'vmcore'),
      smeMask: 1n << 47n,
      ram: [{ start: 0x100000, end: 32 * 2 ** 20 }],
      pages: [
        { pfn: 0x1400, kind: 'cache', count: 64, data: 'text' },
        { pfn: 0x1500, kind: 'anon', count: 64, data: 'random' },
        { pfn: 0x1600, kind: 'buddy', order: 9 },
      ],
    });
    const pages = new Map<number, Uint8Array>();
    const kept = core.expected.kept(2);
    for (let pfn = 0; pfn < core.expected.maxPfn; pfn++)
      if (hasBit(kept, pfn)) pages.set(pfn, core.pageBytes(pfn));
    buildKdump({
      path,
      version,
      codec,
      pages,
      ram: [{ start: 0x100, end: core.expected.maxPfn }],
      vmcoreinfo: core.vmcoreinfoText,
      dumpLevel: 2,
    });
    const peer = runMakedumpfile(path, 24);
    expect(Buffer.from(peer.bitmap2.subarray(0, kept.length)).equals(core.expected.kept(26))).toBe(true);
    // It starts from the first bitmap with the levels added up, so what was dropped before is counted once more.
    expect(peer.counts).toMatchObject({ user: 64, free: 512, cache: 64 });
  });
});
