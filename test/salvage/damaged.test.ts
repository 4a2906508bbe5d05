/** Kdump-compressed dumps that were damaged anyhow: what cannot be believed is not saved. */
import { closeSync, ftruncateSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { SmeltError } from '../../src/errors.ts';
import type { KdumpLayout } from '../build/kdump.ts';
import { pageContent, xorshift } from '../build/page-content.ts';
import { noNative } from '../native-parts.ts';
import { parseKdump } from '../program/parse-kdump.ts';
import {
  at,
  build,
  CODECS,
  compareWith,
  descriptorsOf,
  isZero,
  MANY,
  PAGES,
  salvageOrWhy,
  save,
  VMCOREINFO,
} from './broken-dumps.ts';

describe('a kdump-compressed dump that is damaged', () => {
  const DAMAGES = {
    'single bytes changed': (file: Buffer, next: () => number) => {
      for (let n = 1 + (next() % 12); n > 0; n--) file[next() % file.length]! ^= 1 + (next() % 255);
    },
    'blocks of zeros': (file: Buffer, next: () => number) => {
      for (let n = 1 + (next() % 3); n > 0; n--) {
        const block = next() % Math.ceil(file.length / 4096);
        file.fill(0, block * 4096, Math.min(file.length, block * 4096 + 4096));
      }
    },
    'blocks that changed places': (file: Buffer, next: () => number) => {
      const blocks = Math.floor(file.length / 4096);
      const [a, b] = [next() % blocks, next() % blocks];
      const copy = Buffer.from(file.subarray(a * 4096, a * 4096 + 4096));
      file.copy(file, a * 4096, b * 4096, b * 4096 + 4096);
      copy.copy(file, b * 4096);
    },
  };

  for (const [what, damage] of Object.entries(DAMAGES)) {
    it.each(CODECS)(`by ${what} gives no page that is not true (%s)`, async (codec) => {
      const { file, layout } = build(codec);
      const descriptors = descriptorsOf(file, layout);
      const next = xorshift(CODECS.indexOf(codec) + 11);
      let saved = 0;
      for (let run = 0; run < MANY; run++) {
        const broken = Buffer.from(file);
        damage(broken, next);
        // A second bitmap with as many bits as before: nothing can show that they are others.
        const bitmaps = [file, broken].map((f) => f.subarray(layout.bitmap2, layout.descriptors));
        if (!bitmaps[0]!.equals(bitmaps[1]!) && countBits(bitmaps[0]!) === countBits(bitmaps[1]!)) continue;
        const result = await save(broken);
        if (result === undefined) continue;
        saved++;
        const isDamaged = (from: number, length: number) =>
          !file.subarray(from, from + length).equals(broken.subarray(from, from + length));
        // Only zlib pages prove themselves (they have a checksum). A descriptor that is another page's is as good as that.
        const unknowable = (pfn: number) => {
          const descriptor = descriptors.get(pfn);
          if (descriptor === undefined) return false;
          const { where, offset, size, flags } = descriptor;
          return isDamaged(where, 24) || (flags !== 1 && isDamaged(offset, size));
        };
        expect(compareWith(result.output, PAGES, unknowable).wrong, `run ${run}`).toEqual([]);
      }
      expect(saved).toBeGreaterThan(MANY / 3);
    });
  }

  const countBits = (bytes: Uint8Array) => {
    let count = 0;
    for (const byte of bytes) for (let rest = byte; rest > 0; rest >>= 1) count += rest & 1;
    return count;
  };

  it.each([
    ['the main header', (file: Buffer) => file.fill(0, 0, 4096)],
    ['the main header, by noise', (file: Buffer) => file.set(pageContent('random', 3), 0)],
    ['the signature', (file: Buffer) => file.fill(0, 0, 8)],
    ['block_size', (file: Buffer) => file.writeInt32LE(12345, 428)],
    ['sub_hdr_size', (file: Buffer) => file.writeInt32LE(77, 432)],
    ['bitmap_blocks', (file: Buffer) => file.writeUInt32LE(4096, 436)],
    [
      'max_mapnr of both headers',
      (file: Buffer) => file.fill(0xff, 440, 444).fill(0xee, 4096 + 96, 4096 + 104),
    ],
    ['the sub header', (file: Buffer) => file.fill(0, 4096, 4096 + 104)],
    ['both headers', (file: Buffer) => file.fill(0, 0, 4096 + 104)],
    ['the first bitmap', (file: Buffer, { bitmap1, bitmap2 }: KdumpLayout) => file.fill(0, bitmap1, bitmap2)],
  ] as const)('in %s is salvaged whole', async (_, damage) => {
    const { file, layout } = build('zlib');
    (damage as (file: Buffer, layout: KdumpLayout) => unknown)(file, layout);
    const saved = (await save(file))!;
    expect(saved.report).toMatchObject({ savedPages: PAGES.size, lostPages: 0 });
    expect(compareWith(saved.output, PAGES)).toEqual({ wrong: [], right: PAGES.size });
    expect(parseKdump(saved.output).vmcoreinfo).toBe(VMCOREINFO);
  });

  it.each([
    ['one bit too many', (file: Buffer, { bitmap2 }: KdumpLayout) => file.writeUInt8(1, bitmap2)],
    ['one bit too few', (file: Buffer, { bitmap2 }: KdumpLayout) => file.writeUInt8(0xfd, bitmap2 + 1)],
    ['no bits', (file: Buffer, l: KdumpLayout) => file.fill(0, l.bitmap2, l.descriptors)],
  ])('in the second bitmap (%s) is refused: nothing says which page is which', async (_, damage) => {
    const { file, layout } = build('zlib');
    damage(file, layout);
    writeFileSync(at('bitmap'), file);
    const error = await salvageOrWhy({ input: at('bitmap'), output: at('none') });
    expect(error).toBeInstanceOf(SmeltError);
    expect((error as SmeltError).code).toBe('CORRUPT');
    expect((error as SmeltError).message).toMatch(/second bitmap/);
  });

  it('in the second bitmap of a dump of everything has the first one in its place', async () => {
    const { file, layout } = build('zlib', { ram: [] });
    file[layout.bitmap2 + 20]! ^= 0x10;
    const saved = (await save(file))!;
    expect(compareWith(saved.output, PAGES)).toEqual({ wrong: [], right: PAGES.size });
  });

  it('has a raw page that lies across others called suspect', async () => {
    const raw = [...PAGES.keys()].filter((pfn) => !isZero(PAGES.get(pfn)!));
    const { file } = build('raw', {
      desc: (pfn, desc) => (pfn === raw[50] ? { offset: desc.offset + 100n } : {}),
    });
    const saved = (await save(file))!;
    // It and the one behind it: which of them is right cannot be known.
    expect(saved.report.lost.overlapping).toBe(2);
    expect(compareWith(saved.output, PAGES)).toEqual({ wrong: [], right: PAGES.size - 2 });
  });

  it.each([
    ['lead behind the end', { offset: 2n ** 45n }, 'cutOff'],
    ['lead into the headers', { offset: 100n }, 'badDescriptor'],
    ['claim more than a page', { size: 5000 }, 'badDescriptor'],
    ['claim no bytes', { size: 0 }, 'badDescriptor'],
    ['name no codec', { flags: 0x40 }, 'badDescriptor'],
    ['name another codec', { flags: 0x20 }, 'notWhole'],
  ] as const)('in descriptors that %s loses those pages alone', async (_, change, why) => {
    const packed = [...PAGES.keys()].filter((pfn) => pfn % 7 !== 0 && pfn % 3 !== 0).slice(10, 15);
    const { file } = build('zlib', { desc: (pfn) => (packed.includes(pfn) ? change : {}) });
    const saved = (await save(file))!;
    expect(saved.report.lost[why]).toBe(5);
    expect(compareWith(saved.output, PAGES)).toEqual({ wrong: [], right: PAGES.size - 5 });
    expect(saved.report).toMatchObject({ lostPages: 5, firstLost: { pfn: packed[0] } });
  });

  it('into noise from end to end is refused in time', async () => {
    for (let seed = 1; seed < 20; seed++) {
      const noise = Buffer.concat(
        Array.from({ length: 30 }, (_, i) => pageContent('random', seed * 100 + i)),
      );
      expect(await save(noise)).toBeUndefined();
      noise.write('KDUMP   ', 0, 'latin1');
      expect(await save(noise)).toBeUndefined();
    }
    expect(await save(Buffer.alloc(300_000))).toBeUndefined();
    expect(await save(Buffer.alloc(0))).toBeUndefined();
    expect(await save(Buffer.from('hello'))).toBeUndefined();
  });

  it.skipIf(noNative !== undefined)(
    'into a sparse file that claims more memory than there is, with a byte here and there, is refused in time',
    async () => {
      const { file, layout } = build('zlib');
      const frames = 2 ** 36;
      const blocks = (2 * frames) / 8 / 4096;
      file.writeUInt32LE(blocks, 436);
      file.writeUInt32LE(2 ** 32 - 1, 440);
      file.writeBigUInt64LE(BigInt(frames), 4096 + 96);
      const fd = openSync(at('sparse'), 'w');
      writeSync(fd, file, 0, layout.bitmap2, 0);
      const end = layout.bitmap1 + blocks * 4096;
      for (let place = layout.bitmap1; place < end; place += 2 ** 22)
        writeSync(fd, Buffer.of(1), 0, 1, place);
      ftruncateSync(fd, end + 2 ** 36);
      closeSync(fd);
      const began = performance.now();
      expect(await salvageOrWhy({ input: at('sparse'), output: undefined })).toBeInstanceOf(SmeltError);
      expect(performance.now() - began).toBeLessThan(6000);
    },
    60_000,
  );

  it.each([
    ['each to itself', (place: number) => place + 24],
    ['all to one place', () => 2 ** 27],
  ])(
    'into a file full of what may be descriptors, %s, is refused in time',
    async (_, lead) => {
      // On every page one: each of them may be the first of a dump without headers.
      const fd = openSync(at('hostile'), 'w');
      const size = 160 * 2 ** 20;
      ftruncateSync(fd, size);
      const descriptor = Buffer.alloc(24);
      descriptor.writeUInt32LE(1, 8);
      descriptor.writeUInt32LE(1, 12);
      for (let place = 12288; place < size; place += 4096) {
        descriptor.writeBigUInt64LE(BigInt(lead(place)));
        writeSync(fd, descriptor, 0, 24, place);
      }
      closeSync(fd);
      const began = performance.now();
      expect(await salvageOrWhy({ input: at('hostile'), output: undefined })).toMatchObject({
        code: 'CORRUPT',
      });
      expect(performance.now() - began).toBeLessThan(30_000);
    },
    60_000,
  );
});
