/** Kdump-compressed dumps that were cut anywhere: all pages before the cut, and none that is not true. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { SmeltError } from '../../src/errors.ts';
import { encodeKdump } from '../build/kdump.ts';
import { INCOMPLETE, parseKdump } from '../program/parse-kdump.ts';
import {
  at,
  build,
  CODECS,
  compareWith,
  cuts,
  descriptorsOf,
  END_PFN,
  isZero,
  MANY,
  PAGES,
  runSalvage,
  salvageOrWhy,
  save,
  VMCOREINFO,
} from './broken-dumps.ts';

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
    const { file } = build('raw', {
      desc: (pfn, desc) => (pfn > 700 && !isZero(PAGES.get(pfn)!) ? first : desc),
    });
    const saved = (await save(file))!;
    const own = [...parseKdump(saved.output).descriptors.values()].filter(({ pfn }) => pfn > 700);
    expect(new Set(own.map(({ offset }) => offset)).size).toBeLessThanOrEqual(2);
    expect(saved.report.lost.overlapping).toBe(0);
  });
});

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
