/** Broken dumps salvaged: cut anywhere, damaged anyhow, in all forms. What comes out is true, and as much as can be. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openCodec } from '../../src/codec/makers.ts';
import { SmeltError } from '../../src/errors.ts';
import { reassemble } from '../../src/workers/reassemble.ts';
import { planElfCore } from '../build/elf.ts';
import { encodeFlattened, recordsOf } from '../build/flattened.ts';
import { encodeKdump, type KdumpCodec, type KdumpLayout, type KdumpOptions } from '../build/kdump.ts';
import { vmcoreinfoNote } from '../build/notes.ts';
import { pageContent, xorshift } from '../build/page-content.ts';
import { buildParts } from '../build/split.ts';
import { INCOMPLETE, parseKdump } from '../program/parse-kdump.ts';
import { compareWith, NOTHING_SAVED, runSalvage, salvageOrWhy } from './run-salvage.ts';

/** Random places and damages of each kind; `SMELT_BIG=1` has as many as one night's run would. */
const MANY = process.env.SMELT_BIG ? 500 : 25;
// Hundreds of small dumps, each brought to the disk, would be a test of the disk.
const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'smelt-salvage-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const at = (name: string) => join(folder, name);

const VMCOREINFO = 'OSRELEASE=6.1.0-smelt\nPAGESIZE=4096\n';
const CODECS = ['raw', 'zlib', 'lzo', 'snappy', 'zstd'] as const;
const END_PFN = 1300;

/** Pages of all kinds with a hole between them, and some that nobody has. */
function memory(): Map<number, Uint8Array> {
  const pages = new Map<number, Uint8Array>();
  for (let pfn = 8; pfn < END_PFN; pfn++) {
    if (pfn % 64 > 40 || (pfn > 500 && pfn < 600)) continue;
    const kind = pfn % 7 === 0 ? 'zero' : pfn % 3 === 0 ? 'random' : 'text';
    pages.set(pfn, pageContent(kind, pfn));
  }
  return pages;
}
const PAGES = memory();

const compressors = new Map<KdumpCodec, (page: Uint8Array) => Uint8Array>();
beforeAll(async () => {
  for (const name of ['lzo', 'snappy', 'zstd'] as const) {
    const codec = await openCodec(name);
    const out = Buffer.alloc(codec.outSize(4096));
    compressors.set(name, (page) => {
      const size = codec.compress(page, out);
      return size === 0 ? page : Buffer.from(out.subarray(0, size));
    });
  }
});

function build(codec: KdumpCodec, change: Partial<KdumpOptions> = {}): { file: Buffer; layout: KdumpLayout } {
  const compress = compressors.get(codec);
  return encodeKdump({
    path: '',
    codec,
    pages: PAGES,
    ram: [{ start: 4, end: END_PFN + 50 }],
    vmcoreinfo: VMCOREINFO,
    ...(compress === undefined ? {} : { compress }),
    ...change,
  });
}

/** Salvages these bytes; undefined where nothing was saved. */
async function save(bytes: Uint8Array, name = 'broken') {
  writeFileSync(at(name), bytes);
  const output = at('saved');
  rmSync(output, { force: true });
  const result = await salvageOrWhy({ input: at(name), output });
  if (result instanceof SmeltError) {
    expect(NOTHING_SAVED, result.message).toContain(result.code);
    expect(result.message).not.toMatch(/NaN|undefined|\n/);
    return undefined;
  }
  return { report: result, output };
}

/** Each border and its neighbours, and places between. */
function cuts(borders: readonly number[], size: number, random: number, seed: number): number[] {
  const next = xorshift(seed);
  const places = borders.flatMap((border) => [border - 1, border, border + 1]);
  for (let i = 0; i < random; i++) places.push(next() % size);
  return [...new Set(places.filter((place) => place >= 0 && place <= size))].sort((a, b) => a - b);
}

/** The descriptors of a file that is whole. */
function descriptorsOf(file: Buffer, { descriptorOf }: KdumpLayout) {
  return new Map(
    [...descriptorOf].map(([pfn, where]) => [
      pfn,
      {
        where,
        offset: Number(file.readBigUInt64LE(where)),
        size: file.readUInt32LE(where + 8),
        flags: file.readUInt32LE(where + 12),
      },
    ]),
  );
}

describe('a kdump-compressed dump that is cut', () => {
  it.each(CODECS)(
    'anywhere gives the pages before the cut, and none that is not true (%s)',
    async (codec) => {
      const { file, layout } = build(codec);
      const descriptors = descriptorsOf(file, layout);
      const borders = [0, 464, layout.subHeader, layout.notes, layout.bitmap1, layout.bitmap2];
      const more = [layout.descriptors, layout.data, layout.data + 4096, layout.size];
      for (const cut of cuts([...borders, ...more], file.length, MANY, CODECS.indexOf(codec) + 1)) {
        const whole = [...descriptors.values()].filter(({ offset, size }) => offset + size <= cut).length;
        const saved = await save(file.subarray(0, cut));
        if (cut <= layout.data) expect(saved).toBeUndefined();
        expect(saved?.report.savedPages ?? 0, `cut at ${cut}`).toBe(cut <= layout.data ? 0 : whole);
        if (saved === undefined) continue;
        expect(compareWith(saved.output, PAGES), `cut at ${cut}`).toEqual({ wrong: [], right: whole });
        const { status } = parseKdump(saved.output);
        expect(status & INCOMPLETE).toBe(whole === PAGES.size ? 0 : INCOMPLETE);
        const { lost, lostPages } = saved.report;
        expect({ lostPages, cutOff: lost.cutOff }).toEqual({
          lostPages: PAGES.size - whole,
          cutOff: PAGES.size - whole,
        });
      }
    },
  );

  it('keeps what the headers say, and takes lost pages out of the second bitmap alone', async () => {
    const { file, layout } = build('zlib', { dumpLevel: 1, eraseinfo: 'erase x 8\n', nrCpus: 3 });
    const saved = (await save(file.subarray(0, layout.data + 30_000)))!;
    const dump = parseKdump(saved.output);
    const original = parseKdump(writtenTo(file));
    expect(dump.bitmap1.subarray(0, 200)).toEqual(original.bitmap1.subarray(0, 200));
    expect(dump).toMatchObject({ vmcoreinfo: VMCOREINFO, dumpLevel: 1, utsname: original.utsname });
    expect(dump.notes).toEqual(original.notes);
    for (const pfn of dump.descriptors.keys()) expect(dump.page(pfn)).toBeDefined();
    expect(saved.report.firstLost).toBeDefined();
  });

  it('is still to be salvaged when it was salvaged before, and comes to the same', async () => {
    const { file, layout } = build('zlib');
    const once = (await save(file.subarray(0, layout.data + 30_000)))!;
    const bytes = readFileSync(once.output);
    const again = (await save(bytes, 'again'))!;
    expect(again.report.savedPages).toBe(once.report.savedPages);
    expect(compareWith(again.output, PAGES).wrong).toEqual([]);
    expect(readFileSync(again.output).length).toBeLessThanOrEqual(bytes.length);
  });

  it('was never finished: pages marked as missing are lost, and those that are there are not', async () => {
    const missing = [...PAGES.keys()].slice(100, 500);
    const { file } = build('zlib', { incomplete: missing });
    const saved = (await save(file))!;
    expect(saved.report.lost).toMatchObject({ neverWritten: 400, cutOff: 0 });
    expect(compareWith(saved.output, PAGES)).toEqual({ wrong: [], right: PAGES.size - 400 });
    expect(parseKdump(saved.output).status & INCOMPLETE).toBe(INCOMPLETE);
  });

  it('can be packed anew', async () => {
    const { file, layout } = build('zlib');
    writeFileSync(at('cut'), file.subarray(0, layout.data + 50_000));
    const plain = await runSalvage({ input: at('cut'), output: at('plain') });
    const anew = await runSalvage({ input: at('cut'), output: at('anew'), codec: 'zstd' });
    expect(anew.savedPages).toBe(plain.savedPages);
    expect(compareWith(at('anew'), PAGES)).toEqual({ wrong: [], right: plain.savedPages });
    expect([...parseKdump(at('anew')).descriptors.values()].every(({ flags }) => flags !== 1)).toBe(true);
  });

  it('is only looked at with --dry-run, which says the same', async () => {
    const { file, layout } = build('zlib');
    writeFileSync(at('cut'), file.subarray(0, layout.data + 50_000));
    const real = await runSalvage({ input: at('cut'), output: at('real') });
    const dry = await runSalvage({ input: at('cut'), output: undefined });
    const told = ({ savedPages, lostPages, lost, output: { sizeBytes } }: typeof dry) => ({
      savedPages,
      lostPages,
      lost,
      sizeBytes,
    });
    expect(told(dry)).toEqual(told(real));
    expect(readFileSync(at('real')).length).toBe(dry.output.sizeBytes);
  });

  it('stores what was shared once', async () => {
    const page = pageContent('random', 5);
    const { file } = build('raw', {
      pages: new Map([...PAGES.keys()].map((pfn) => [pfn, PAGES.get(pfn)!])),
      desc: (pfn, desc) => (pfn > 700 && !isZero(PAGES.get(pfn)!) ? first : desc),
      patch: () => undefined,
    });
    expect(page.length).toBe(4096);
    const saved = (await save(file))!;
    const own = [...parseKdump(saved.output).descriptors.values()].filter(({ pfn }) => pfn > 700);
    expect(new Set(own.map(({ offset }) => offset)).size).toBeLessThanOrEqual(2);
    expect(saved.report.lost.overlapping).toBe(0);
  });
});

const isZero = (page: Uint8Array) => page.every((byte) => byte === 0);
/** Where the first page that is no page of zeros is in a raw dump. */
const first = (() => {
  const { file, layout } = encodeKdump({
    path: '',
    codec: 'raw',
    pages: PAGES,
    ram: [{ start: 4, end: END_PFN + 50 }],
    vmcoreinfo: VMCOREINFO,
  });
  const where = layout.descriptorOf.get([...PAGES.keys()].find((pfn) => !isZero(PAGES.get(pfn)!))!)!;
  return { offset: file.readBigUInt64LE(where), size: 4096, flags: 0 };
})();

function writtenTo(bytes: Uint8Array): string {
  writeFileSync(at('written'), bytes);
  return at('written');
}

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
});

describe('a flattened dump', () => {
  const sizes = [700, 4096, 65536, 1000] as const;

  it.each(['zlib', 'raw', 'zstd'] as const)(
    'that is cut anywhere gives what is whole (%s)',
    async (codec) => {
      const { file, layout } = build(codec);
      const records = recordsOf(file, ...sizes);
      const flat = encodeFlattened(records);
      const borders = [0, 4096];
      let end = 4096;
      for (const { bytes } of records) {
        borders.push(end + 16, end + 16 + bytes.length);
        end += 16 + bytes.length;
      }
      const step = MANY > 100 ? 3 : 19;
      const some = [...borders.filter((_, i) => i < 12 || i % step === 0), flat.length];
      let best = 0;
      for (const cut of cuts(some, flat.length, MANY, 77)) {
        const saved = await save(flat.subarray(0, cut));
        if (saved === undefined) continue;
        const { wrong, right } = compareWith(saved.output, PAGES);
        expect(wrong, `cut at ${cut}`).toEqual([]);
        expect(right).toBeGreaterThanOrEqual(best);
        best = right;
      }
      expect(best).toBe(PAGES.size);
      expect(layout.size).toBe(file.length);
    },
  );

  it('with its records in another order and the last ones missing has no page made of holes', async () => {
    const { file, layout } = build('raw');
    const records = recordsOf(file, 4096);
    const heads = records.filter(({ offset }) => Number(offset) < layout.data);
    const data = records.filter(({ offset }) => Number(offset) >= layout.data);
    // As threads write them: every other one first.
    const mixed = [...heads, ...data.filter((_, i) => i % 2 === 1), ...data.filter((_, i) => i % 2 === 0)];
    const flat = encodeFlattened(mixed.slice(0, heads.length + data.length * 0.7), { endMark: false });
    const saved = (await save(flat))!;
    const { wrong, right } = compareWith(saved.output, PAGES);
    expect(wrong).toEqual([]);
    expect(right).toBeGreaterThan(100);
    expect(saved.report.lost.cutOff).toBe(PAGES.size - right);
  });

  it('with junk between its records goes on behind it', async () => {
    const { file } = build('zlib');
    const next = xorshift(5);
    const flat = encodeFlattened(recordsOf(file, 3000));
    for (let run = 0; run < 30; run++) {
      const place = 4096 + 3016 * (next() % Math.floor((flat.length - 4096) / 3016));
      const junk = Buffer.from(pageContent('random', run)).subarray(0, 1 + (next() % 4000));
      const saved = (await save(Buffer.concat([flat.subarray(0, place), junk, flat.subarray(place)])))!;
      expect(compareWith(saved.output, PAGES), `run ${run}`).toEqual({ wrong: [], right: PAGES.size });
      expect(saved.report.damage.join()).toContain(`${junk.length.toLocaleString('en-US')} bytes`);
    }
  });

  it('with a record header that is damaged loses that record alone', async () => {
    const { file, layout } = build('zlib');
    const flat = encodeFlattened(recordsOf(file, 3000));
    const record = Math.ceil((layout.data + 8192) / 3000);
    const header = 4096 + record * 3016;
    for (const change of [
      (f: Buffer) => f.fill(0xff, header, header + 8),
      (f: Buffer) => f.writeBigInt64BE(2n ** 40n, header + 8),
      (f: Buffer) => f.writeBigInt64BE(17n, header + 8),
      (f: Buffer) => f.fill(0, header, header + 16),
    ]) {
      const broken = Buffer.from(flat);
      change(broken);
      const saved = (await save(broken))!;
      const { wrong, right } = compareWith(saved.output, PAGES);
      expect(wrong).toEqual([]);
      expect(right).toBeGreaterThan(PAGES.size - 60);
      expect(right).toBeLessThan(PAGES.size);
    }
  });

  it('with changed bytes anywhere gives no page that is not true (zlib)', async () => {
    const { file, layout } = build('zlib');
    const flat = encodeFlattened(recordsOf(file, 3000));
    const descriptors = descriptorsOf(file, layout);
    const next = xorshift(99);
    for (let run = 0; run < MANY; run++) {
      const broken = Buffer.from(flat);
      for (let n = 1 + (next() % 8); n > 0; n--)
        broken[4096 + (next() % (flat.length - 4096))]! ^= 1 << (next() % 8);
      const result = await save(broken);
      if (result === undefined) continue;
      // Of raw pages nothing proves the bytes, nor that a record is where it says; the same of descriptors.
      const unknowable = (pfn: number) => {
        const { where, flags } = descriptors.get(pfn)!;
        const record = (place: number) => 4096 + Math.floor(place / 3000) * 3016;
        const changed = [where, where + 23].some(
          (place) =>
            !flat
              .subarray(record(place), record(place) + 3016)
              .equals(broken.subarray(record(place), record(place) + 3016)),
        );
        return flags !== 1 || changed;
      };
      expect(compareWith(result.output, PAGES, unknowable).wrong, `run ${run}`).toEqual([]);
    }
  });
});

describe('an ELF core', () => {
  const loads = [
    { paddr: 0x1000, memsz: 300 * 4096 },
    // Ends inside a page, as QEMU's do.
    { paddr: 0x200000, memsz: 200 * 4096 + 100 },
    { paddr: 0x400000, memsz: 100 * 4096, filesz: 60 * 4096 },
  ];
  const notes = vmcoreinfoNote(VMCOREINFO);
  const plan = planElfCore({ notes, loads });
  const file = Buffer.alloc(plan.size);
  file.set(plan.headers);
  const original = new Map<number, Uint8Array>();
  for (const [i, { paddr, memsz, filesz = memsz }] of loads.entries()) {
    for (let done = 0; done < filesz; done += 4096) {
      const pfn = (paddr + done) / 4096;
      const page = Buffer.from(pageContent(pfn % 5 === 0 ? 'zero' : 'random', pfn));
      page.fill(0, Math.min(4096, filesz - done));
      page.copy(file, plan.offsets[i]! + done, 0, Math.min(4096, filesz - done));
      original.set(pfn, page);
    }
  }

  it('that is cut anywhere gives the pages before the cut, and none that is there in part', async () => {
    const borders = [0, 64, plan.noteOffset, plan.headers.length, ...plan.offsets, plan.size];
    for (const cut of cuts(borders, file.length, MANY, 3)) {
      const saved = await save(file.subarray(0, cut));
      if (saved === undefined) continue;
      const { wrong, right } = compareWith(saved.output, original);
      expect(wrong, `cut at ${cut}`).toEqual([]);
      let whole = 0;
      for (const [i, { memsz, filesz = memsz }] of loads.entries()) {
        for (let done = 0; done < filesz; done += 4096)
          if (plan.offsets[i]! + Math.min(filesz, done + 4096) <= cut) whole++;
      }
      expect(right, `cut at ${cut}`).toBe(whole);
      expect(saved.report.lostPages).toBe(original.size - whole);
    }
  });

  it.each([undefined, 'zlib', 'zstd'] as const)(
    'is compressed where that is asked for (%s)',
    async (codec) => {
      writeFileSync(at('core'), file.subarray(0, plan.offsets[1]! + 10_000));
      const report = await runSalvage({ input: at('core'), output: at('saved-core'), codec });
      expect(report).toMatchObject({ savedPages: 302, input: { vmcoreinfoFrom: 'note' } });
      expect(compareWith(at('saved-core'), original)).toEqual({ wrong: [], right: 302 });
    },
  );

  it('inside of a flattened stream has only the memory that its records have', async () => {
    const records = recordsOf(file, 10_000).filter((_, i) => i < 30 || i > 60);
    const saved = (await save(encodeFlattened(records, { endMark: false })))!;
    const { wrong, right } = compareWith(saved.output, original);
    expect(wrong).toEqual([]);
    expect(right).toBeGreaterThan(200);
    expect(saved.report.lostPages).toBe(original.size - right);
  });

  it('with changed bytes in its headers is salvaged or refused, and nothing else', async () => {
    const next = xorshift(8);
    for (let run = 0; run < 2 * MANY; run++) {
      const broken = Buffer.from(file);
      for (let n = 1 + (next() % 4); n > 0; n--) broken[next() % 400]! ^= 1 << (next() % 8);
      await save(broken);
    }
  });
});

describe('a split dump', () => {
  const options: KdumpOptions = {
    path: at('part'),
    codec: 'zlib',
    pages: PAGES,
    ram: [{ start: 4, end: END_PFN + 50 }],
    vmcoreinfo: VMCOREINFO,
    maxMapnr: END_PFN + 50,
  };
  const within = (from: number, end: number) =>
    [...PAGES.keys()].filter((pfn) => pfn >= from && pfn < end).length;

  it('with parts missing gives the pages of those that are there', async () => {
    const [one, , three] = buildParts(options, [400, 900]);
    const report = await runSalvage({ input: three!, moreParts: [one!], output: at('some') });
    const there = within(0, 400) + within(900, 5000);
    expect(compareWith(at('some'), PAGES)).toEqual({ wrong: [], right: there });
    expect(report.lost).toMatchObject({ otherPart: PAGES.size - there });
    expect(report.damage.join()).toContain('400 to 899 are in parts that were not given');
    expect(parseKdump(at('some')).split).toBe(0);
  });

  it('of which one part is cut gives the rest', async () => {
    const [one, two] = buildParts(options, [650]);
    const whole = readFileSync(two!);
    writeFileSync(two!, whole.subarray(0, whole.length - 50_000));
    const report = await runSalvage({ input: one!, moreParts: [two!], output: at('most') });
    const { wrong, right } = compareWith(at('most'), PAGES);
    expect(wrong).toEqual([]);
    expect(right).toBeGreaterThan(within(0, 650));
    expect(report.lost.cutOff).toBe(PAGES.size - right);
  });

  it('of parts that do not belong together is refused', async () => {
    const [one] = buildParts(options, [650]);
    const pages = new Map([...PAGES].slice(3));
    const [, other] = buildParts({ ...options, path: at('other'), pages }, [650]);
    const error = await salvageOrWhy({ input: one!, moreParts: [other!], output: at('none') });
    expect(error).toMatchObject({ code: 'PARTS' });
    expect(await salvageOrWhy({ input: one!, moreParts: [one!], output: at('none') })).toMatchObject({
      code: 'PARTS',
    });
  });

  it('that is whole is joined by --reassemble, in any order, to the same pages', async () => {
    const [one, two, three] = buildParts({ ...options, eraseinfo: 'erase x 8\n' }, [400, 900]);
    const request = {
      input: three!,
      moreParts: [one!, two!],
      output: at('joined'),
      threads: 0,
      codec: undefined,
      compressionLevel: undefined,
      codecMaker: undefined,
      overwrite: true,
      keepIncomplete: false,
      requireEncryptedTarget: false,
      workDir: undefined,
    };
    const observer = { onInput: () => {}, onProgress: () => {}, onWarning: () => {} };
    const run = (change: object) =>
      reassemble({ ...request, ...change }, observer, new AbortController().signal);
    const report = await run({});
    expect(report).toMatchObject({ pages: PAGES.size, missingPages: 0 });
    expect(compareWith(at('joined'), PAGES)).toEqual({ wrong: [], right: PAGES.size });
    const dump = parseKdump(at('joined'));
    expect(dump).toMatchObject({ split: 0, eraseinfo: 'erase x 8\n', vmcoreinfo: VMCOREINFO });
    expect(dump.status).toBe(1);
    // One page of zeros for all parts.
    const zeros = [...dump.descriptors.values()].filter(({ pfn }) => isZero(PAGES.get(pfn)!));
    expect(new Set(zeros.map(({ offset }) => offset)).size).toBe(1);
    await expect(run({ moreParts: [one!] })).rejects.toMatchObject({ code: 'PARTS' });
    await expect(run({ input: at('joined'), moreParts: [], output: at('x') })).rejects.toMatchObject({
      code: 'PARTS',
      message: expect.stringContaining('is a whole dump'),
    });
  });

  it('with a part that says it is incomplete stays so when it is joined', async () => {
    const some = [...PAGES.keys()].slice(0, 20);
    const [one, two] = buildParts({ ...options, incomplete: some }, [650]);
    const observer = { onInput: () => {}, onProgress: () => {}, onWarning: () => {} };
    const report = await reassemble(
      {
        input: one!,
        moreParts: [two!],
        output: at('joined'),
        threads: 0,
        codec: undefined,
        compressionLevel: undefined,
        codecMaker: undefined,
        overwrite: true,
        keepIncomplete: false,
        requireEncryptedTarget: false,
        workDir: undefined,
      },
      observer,
      new AbortController().signal,
    );
    expect(report.missingPages).toBe(20);
    expect(report.warnings.join()).toContain('20 pages could not be read');
    expect(parseKdump(at('joined')).status & INCOMPLETE).toBe(INCOMPLETE);
  });
});

describe('salvaging', () => {
  it('that is interrupted leaves nothing', async () => {
    const { file, layout } = build('zlib');
    writeFileSync(at('cut'), file.subarray(0, layout.data + 60_000));
    const abort = new AbortController();
    // Before the first page.
    abort.abort(new SmeltError('INTERRUPTED', 'interrupted by SIGINT'));
    await expect(runSalvage({ input: at('cut'), output: at('gone') }, abort.signal)).rejects.toMatchObject({
      code: 'INTERRUPTED',
    });
    expect(existsSync(at('gone'))).toBe(false);
    expect(existsSync(at('gone.incomplete'))).toBe(false);
  });

  it('never writes over what is broken', async () => {
    const { file } = build('zlib');
    writeFileSync(at('same'), file);
    const error = await salvageOrWhy({ input: at('same'), output: at('same') });
    expect(error).toMatchObject({ code: 'TARGET' });
    expect(readFileSync(at('same')).equals(file)).toBe(true);
  });
});
