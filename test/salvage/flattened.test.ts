import { appendFileSync, truncateSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { SmeltError } from '../../src/errors.ts';
import { encodeFlattened, recordsOf } from '../build/flattened.ts';
import { pageContent, xorshift } from '../build/page-content.ts';
import { noNative } from '../native-parts.ts';
import {
  at,
  build,
  compareWith,
  cuts,
  descriptorsOf,
  MANY,
  PAGES,
  runSalvage,
  save,
} from './broken-dumps.ts';

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

  it('with junk behind a record of pages that look like records loses no page', async () => {
    // Memory has what it likes: here short streams of their own, and the same few bytes again and again.
    const own = encodeFlattened(recordsOf(pageContent('random', 1), 40), { endMark: false }).subarray(4096);
    const again = Buffer.alloc(4096);
    for (let i = 0; i + 16 <= 4096; i += 32) again.writeUInt32BE(16, i + 12);
    const pages = new Map(PAGES);
    for (const pfn of PAGES.keys()) {
      const looks = pfn % 3 === 0 ? Buffer.concat([own, own]).subarray(0, 4096) : again;
      if (pfn % 2 === 0) pages.set(pfn, Buffer.concat([looks, Buffer.alloc(4096)]).subarray(0, 4096));
    }
    const { file } = build('raw', { pages });
    const flat = encodeFlattened(recordsOf(file, 60_000));
    const next = xorshift(55);
    for (let run = 0; run < 12; run++) {
      const place = 4096 + 60_016 * (3 + (next() % (Math.floor((flat.length - 4096) / 60_016) - 3)));
      const junk = Buffer.from(pageContent('random', run)).subarray(0, 1 + (next() % 4000));
      const saved = (await save(Buffer.concat([flat.subarray(0, place), junk, flat.subarray(place)])))!;
      expect(compareWith(saved.output, pages), `run ${run}`).toEqual({ wrong: [], right: pages.size });
      expect(saved.report.damage.join()).toContain(`${junk.length.toLocaleString('en-US')} bytes`);
    }
  });

  it('with a record that claims more than it has does not have what follows for its bytes', async () => {
    const { file, layout } = build('raw');
    const flat = encodeFlattened(recordsOf(file, 3000));
    const header = 4096 + Math.ceil((layout.data + 8192) / 3000) * 3016;
    for (const size of [3001, 40_000, 2 ** 29]) {
      const broken = Buffer.from(flat);
      broken.writeBigInt64BE(BigInt(size), header + 8);
      const { output } = (await save(broken))!;
      const { wrong, right } = compareWith(output, PAGES);
      expect(wrong).toEqual([]);
      expect(right).toBeGreaterThan(PAGES.size - 5);
    }
  });

  it('with zeros behind the end of the stream is salvaged in time, whether they are a hole or not', async () => {
    const { file } = build('zlib');
    const flat = encodeFlattened(recordsOf(file, 3000), { endMark: false });
    writeFileSync(at('zeros'), flat);
    const hole = noNative === undefined ? 2 ** 36 : 2 ** 28;
    truncateSync(at('zeros'), hole);
    const began = performance.now();
    for (const bytes of [undefined, Buffer.concat([flat, Buffer.alloc(2 ** 26)])]) {
      if (bytes !== undefined) writeFileSync(at('zeros'), bytes);
      const report = await runSalvage({ input: at('zeros'), output: at('saved') });
      expect(compareWith(at('saved'), PAGES)).toEqual({ wrong: [], right: PAGES.size });
      expect(report.damage.join()).toContain('are no whole records');
    }
    // Byte by byte it would be hours, or a minute.
    expect(performance.now() - began).toBeLessThan(20_000);
  }, 60_000);

  it('with records inside of records that lead nowhere is salvaged in time', async () => {
    const { file } = build('zlib');
    // Each byte has a place of its own, and behind eight of them is junk.
    const inside = Buffer.alloc(8000 * 137, 0xff);
    for (let i = 0; i < 64_000; i++) {
      const place = 17 * i + Math.floor(i / 8);
      inside.writeBigInt64BE(2n ** 24n + 3n * BigInt(i), place);
      inside.writeBigInt64BE(1n, place + 8);
    }
    const outer: Buffer[] = [];
    for (let i = 1; i <= 16; i++) {
      const one = encodeFlattened([{ offset: i * 2 ** 28, bytes: inside }], { endMark: false });
      outer.push(one.subarray(4096), Buffer.alloc(7, 0xff));
    }
    const flat = encodeFlattened(recordsOf(file, 3000), { endMark: false });
    const began = performance.now();
    const saved = (await save(Buffer.concat([flat, ...outer])))!;
    expect(compareWith(saved.output, PAGES)).toEqual({ wrong: [], right: PAGES.size });
    expect(performance.now() - began).toBeLessThan(8000);
  }, 60_000);

  it('that is looked through for a long time is left at once when it is interrupted', async () => {
    writeFileSync(at('long'), encodeFlattened([], { endMark: false }));
    // A stream of what may all begin a record.
    const look = Buffer.alloc(16 * 2 ** 20);
    for (let i = 0; i + 32 <= look.length; i += 16) look[i + 14] = 1;
    appendFileSync(at('long'), Buffer.concat([Buffer.alloc(1, 7), look, look]));
    const abort = new AbortController();
    setTimeout(() => abort.abort(new SmeltError('INTERRUPTED', 'interrupted by SIGINT')), 50);
    const began = performance.now();
    await expect(runSalvage({ input: at('long'), output: at('gone') }, abort.signal)).rejects.toMatchObject({
      code: 'INTERRUPTED',
    });
    expect(performance.now() - began).toBeLessThan(2000);
  });
});
