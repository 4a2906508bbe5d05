import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, test } from 'vitest';
import { encodeFlattened, recordsOf } from '../build/flattened.ts';
import { buildKdump } from '../build/kdump.ts';
import { buildVmcore } from '../build/vmcore.ts';
import { FLAG, INCOMPLETE, parseKdump } from './parse-kdump.ts';
import { checkFailure, failureOf, namesIn, scratch, smelt } from './smelt.ts';

const dir = scratch();
const out = join(dir, 'out');
const elfPath = join(dir, 'core');
const kdumpPath = join(dir, 'kdump');
let elf: Buffer;
let kdump: Buffer;

beforeAll(() => {
  mkdirSync(out);
  const core = buildVmcore({ path: elfPath, ram: [{ start: 2 ** 20, end: 24 * 2 ** 20 }] });
  elf = readFileSync(elfPath);
  const pages = new Map<number, Uint8Array>();
  for (let pfn = 256; pfn < 6144; pfn++) pages.set(pfn, core.pageBytes(pfn));
  buildKdump({ path: kdumpPath, pages, codec: 'zlib', dumpLevel: 1, vmcoreinfo: core.vmcoreinfoText });
  kdump = readFileSync(kdumpPath);
});

/** Gives these bytes to the program, as a person and as a program, and returns the sentence. */
function refusedOf(bytes: Uint8Array, code: string): string {
  const path = join(dir, 'bad');
  writeFileSync(path, bytes);
  const args = ['-z', '-d', '31', '--num-threads', '2', path, join(out, 'dump')];
  const result = smelt('--json', ...args);
  const said = checkFailure(result).replaceAll(path, 'BAD');
  const { error } = failureOf(result);
  expect(error).toMatchObject({ code, exitCode: 1 });
  expect(said.startsWith(`smelt: ${error.message.replaceAll(path, 'BAD')}`)).toBe(true);
  expect(said.length).toBeLessThan(400);
  expect(namesIn(out)).toEqual([]);
  return said;
}

describe('what is no dump is called what it is', () => {
  test('an empty file', () => {
    expect(refusedOf(Buffer.alloc(0), 'NOT_A_DUMP')).toMatch(/^smelt: BAD: is empty/);
  });
  test('text', () => {
    const said = refusedOf(Buffer.from('hello world, this is no dump\n'.repeat(500)), 'NOT_A_DUMP');
    expect(said).toContain('is not a dump: it begins with 68 65 6c 6c 6f 20 77 6f');
    expect(said).toContain('smelt reads ELF vmcores and kdump-compressed files.');
  });
  test('a single byte, and zeros', () => {
    expect(refusedOf(Buffer.of(0x7f), 'NOT_A_DUMP')).toContain('it begins with 7f');
    refusedOf(Buffer.alloc(8192), 'NOT_A_DUMP');
  });
  test('a flattened dump that has no end mark', () => {
    const flat = encodeFlattened(recordsOf(kdump, 65536), { endMark: false });
    const said = refusedOf(flat, 'TRUNCATED');
    expect(said).toContain(`records are whole up to byte ${flat.length.toLocaleString('en-US')}`);
    expect(said).toContain('smelt salvage');
  });
  test('a dump in gzip', () => {
    expect(refusedOf(gzipSync(elf.subarray(0, 2 ** 20)), 'NOT_A_DUMP')).toContain('gzip -d');
  });
  test('a vmlinux', () => {
    const vmlinux = Buffer.from(elf.subarray(0, 8192));
    vmlinux.writeUInt16LE(2, 16); // ET_EXEC
    expect(refusedOf(vmlinux, 'NOT_A_DUMP')).toContain('ELF file of type 2, not a core file');
  });
  test('the core file of a program of another machine, a 32-bit one, a big-endian one', () => {
    const patched = (patch: (b: Buffer) => void): Buffer => {
      const bytes = Buffer.from(elf);
      patch(bytes);
      return bytes;
    };
    expect(
      refusedOf(
        patched((b) => b.writeUInt16LE(183, 18)),
        'UNSUPPORTED',
      ),
    ).toContain('aarch64');
    expect(
      refusedOf(
        patched((b) => b.writeUInt16LE(4242, 18)),
        'UNSUPPORTED',
      ),
    ).toContain('ELF machine 4242');
    expect(
      refusedOf(
        patched((b) => b.writeUInt8(1, 4)),
        'UNSUPPORTED',
      ),
    ).toContain('32-bit');
    refusedOf(readS390(), 'UNSUPPORTED');
  });
  test('a part of a split dump', () => {
    const path = join(dir, 'split');
    const pages = new Map([[1, Buffer.alloc(4096, 1)]]);
    buildKdump({ path, pages, maxMapnr: 16, split: { start: 0, end: 8 } });
    const said = refusedOf(readFileSync(path), 'PARTS');
    expect(said).toContain('is one part of a split dump, and page frames 8 to 15 are in others');
    expect(said).toContain(
      'Give all parts of the dump, in any order, where this one was given: PART1 PART2 …',
    );
  });
  test('a kdump of another architecture, of the future, of the past, of a big-endian machine', () => {
    const patched = (patch: (b: Buffer) => void): Buffer => {
      const bytes = Buffer.from(kdump);
      patch(bytes);
      return bytes;
    };
    expect(
      refusedOf(
        patched((b) => b.fill('aarch64\0', 12 + 4 * 65, 12 + 4 * 65 + 8)),
        'UNSUPPORTED',
      ),
    ).toContain('aarch64');
    expect(
      refusedOf(
        patched((b) => b.writeInt32LE(7, 8)),
        'UNSUPPORTED',
      ),
    ).toContain('expected 1 to 6, saw 7');
    expect(
      refusedOf(
        patched((b) => b.write('DISKDUMP')),
        'UNSUPPORTED',
      ),
    ).toContain('diskdump');
    expect(
      refusedOf(
        patched((b) => b.writeInt32BE(6, 8)),
        'UNSUPPORTED',
      ),
    ).toContain('big-endian');
  });
  test('a file, a folder and a device that cannot be read', () => {
    const output = join(out, 'dump');
    expect(checkFailure(smelt(join(dir, 'nowhere'), output))).toContain(
      'cannot be opened: no such file (ENOENT)',
    );
    expect(checkFailure(smelt(dir, output))).toContain('is a directory');
    expect(checkFailure(smelt('/dev/zero', output))).toContain('is not a regular file');
    expect(namesIn(out)).toEqual([]);
  });
});

/** A 64-bit big-endian core file's first bytes. */
function readS390(): Buffer {
  const bytes = Buffer.alloc(8192);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 2, 1]);
  bytes.writeUInt16BE(4, 16);
  bytes.writeUInt16BE(22, 18);
  bytes.writeBigUInt64BE(64n, 32);
  bytes.writeUInt16BE(56, 54);
  bytes.writeUInt16BE(1, 56);
  bytes.writeUInt32BE(1, 64);
  bytes.writeBigUInt64BE(4096n, 64 + 8);
  bytes.writeBigUInt64BE(4096n, 64 + 32);
  bytes.writeBigUInt64BE(4096n, 64 + 40);
  return bytes;
}

const SALVAGEABLE =
  'The file is cut short: copy it again from where it was made, or save what is whole of it: `smelt salvage ';
/** Without its headers nobody is sent to salvage. */
const HOPELESS =
  'The file is cut short, and nothing of what is there can be saved: copy it again from where it was made.';
const HEADERS = { elf: 64, kdump: 4200 };

describe('what is cut short is called so', () => {
  // Byte offsets: ELF header 64, program headers, notes, memory.
  test.each([17, 63, 100, 175, 400, 5000, 12 * 2 ** 20, -1])('an ELF file at byte %i', (at) => {
    const said = refusedOf(elf.subarray(0, at < 0 ? elf.length + at : at), 'TRUNCATED');
    expect(said).toContain(at >= 0 && at < HEADERS.elf ? HOPELESS : SALVAGEABLE);
  });

  // Main header, sub header, notes, bitmaps, descriptors; among the pages it is an incomplete dump.
  test.each([8, 463, 4096, 4199, 5000, 8200, 12288, 16383, 20000, 100000])('a kdump at byte %i', (at) => {
    const said = refusedOf(kdump.subarray(0, at), 'TRUNCATED');
    expect(said).toContain(at < HEADERS.kdump ? HOPELESS : SALVAGEABLE);
  });

  test('a kdump among its pages, and what is there is left as a part', () => {
    const path = join(dir, 'cut');
    writeFileSync(path, kdump.subarray(0, kdump.length - 20000));
    const output = join(dir, 'cut.out');
    for (const threads of ['0', '2']) {
      const result = smelt('-f', '-z', '-d', '1', '--num-threads', threads, path, output);
      const said = checkFailure(result);
      expect(existsSync(output)).toBe(false);
      const [whole, cut] = [parseKdump(kdumpPath), parseKdump(`${output}.incomplete`)];
      expect(cut.status).toBe(FLAG.zstd | INCOMPLETE);
      const missing = [...cut.descriptors.keys()].filter((pfn) => cut.page(pfn) === undefined);
      const beyond = [...whole.descriptors.values()].filter((d) => d.offset + d.size > kdump.length - 20000);
      expect(missing).toEqual(beyond.map((d) => d.pfn));
      expect(said).toContain(`the data of ${missing.length} pages lie behind the end of the file`);
      expect(said).toContain(
        'The file is cut short: copy it again from where it was made, or save what is whole of it: `smelt salvage ',
      );
      expect(said).toContain(`What was written is in ${output}.incomplete`);
    }
  });
});

describe('a header that lies ends in a sentence', () => {
  const lies: [string, number, (b: Buffer, at: number) => void][] = [
    ['block_size', 428, (b, at) => b.writeInt32LE(-4096, at)],
    ['block_size', 428, (b, at) => b.writeInt32LE(0x7ffff000, at)],
    ['sub_hdr_size', 432, (b, at) => b.writeInt32LE(-1, at)],
    ['sub_hdr_size', 432, (b, at) => b.writeInt32LE(0x7fffffff, at)],
    ['bitmap_blocks', 436, (b, at) => b.writeUInt32LE(0xffffffff, at)],
    ['bitmap_blocks', 436, (b, at) => b.writeUInt32LE(0, at)],
    ['max_mapnr_64', 4096 + 96, (b, at) => b.writeBigUInt64LE(2n ** 63n, at)],
    ['max_mapnr_64', 4096 + 96, (b, at) => b.writeBigUInt64LE(0n, at)],
    ['dump_level', 4096 + 8, (b, at) => b.writeInt32LE(4711, at)],
    ['offset_note', 4096 + 48, (b, at) => b.writeBigUInt64LE(2n ** 62n, at)],
    ['size_note', 4096 + 56, (b, at) => b.writeBigUInt64LE(2n ** 40n, at)],
    ['offset_eraseinfo', 4096 + 64, (b, at) => b.writeBigUInt64LE(2n ** 50n, at)],
  ];
  test.each(lies)('%s at byte %i', (_, at, lie) => {
    const bytes = Buffer.from(kdump);
    lie(bytes, at);
    const path = join(dir, 'lie');
    writeFileSync(path, bytes);
    checkFailure(smelt('-d', '31', path, join(out, 'dump')));
    expect(namesIn(out)).toEqual([]);
  });
});
