/** What `smelt info` says of pages that a dump should have and has not: cut off, marked as missing, lost before. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { salvageText } from '../../src/cli/salvage-text.ts';
import { info } from '../../src/inspect/info/info.ts';
import { verify } from '../../src/inspect/verify.ts';
import { countDescriptors } from '../../src/read/descriptors.ts';
import { drain } from '../../src/read/drain.ts';
import type { KdumpDumpFile } from '../../src/read/dump-file.ts';
import { countTakenOut } from '../../src/salvage/taken-out.ts';
import { encodeFlattened, recordsOf } from '../build/flattened.ts';
import { buildParts } from '../build/split.ts';
import { tempFiles } from '../read/temp-files.ts';
import { at, build, END_PFN, PAGES, runSalvage, VMCOREINFO } from '../salvage/broken-dumps.ts';
import { observer, request } from './asked.ts';

const files = tempFiles();
const SAMPLE = readFileSync(join(import.meta.dirname, '../../samples/x86_64-6.1-sme.kdump'));
const SAMPLE_PAGES = 21_504;
const NEVER = new AbortController().signal;

const ask = (path: string) => info(request(path), observer(), NEVER);
const check = (path: string) => verify(request(path), observer(), NEVER);

/** The end of the memory stands first in it, so that the last pages are not the ones that are lost. */
const cutSample = () => files.write(SAMPLE.subarray(0, SAMPLE.length - 300_000));

describe('a dump that is cut short', () => {
  it('has its lost pages counted wherever their descriptors are, as verify does', async () => {
    const path = cutSample();
    const { file, missing } = await ask(path);
    expect(file).toMatchObject({
      cutPages: 1608,
      storedPages: SAMPLE_PAGES - 1608,
      leftOutPages: 0,
      missingPages: 0,
      damagedPages: 0,
      atLeast: false,
    });
    expect(missing).toEqual([
      `1,608 pages are cut off: the file ends before them; \`smelt salvage --dry-run ${path}\` says what is whole`,
    ]);
    expect((await check(path)).findings).toMatchObject([{ kind: 'cutOff', pages: 1608 }]);
  });

  it('and flattened has the size that it has, and the end said once', async () => {
    const flat = encodeFlattened(recordsOf(SAMPLE, 100_000));
    const length = 6_000_000;
    const path = files.write(flat.subarray(0, length));
    const { file, missing } = await ask(path);
    expect(file.sizeBytes).toBe(length);
    const { findings, wholePages } = await check(path);
    expect(file).toMatchObject({
      cutPages: SAMPLE_PAGES - wholePages,
      storedPages: wholePages,
      leftOutPages: 0,
      missingPages: 0,
    });
    expect(findings).toMatchObject([{ kind: 'cutOff', pages: file.cutPages }]);
    expect(missing[0]).toBe(
      'the stream ends at byte 6,000,000, in a record and without its end mark: it was cut, or never finished',
    );
    expect(missing[1]).toMatch(/^[\d,]+ pages are cut off; `smelt salvage --dry-run /);
  });

  it('in one of its parts has salvage named with all of them', async () => {
    const [one, two] = buildParts(
      { path: at('part'), codec: 'raw', pages: PAGES, vmcoreinfo: VMCOREINFO },
      [600],
    ) as [string, string];
    const bytes = readFileSync(two);
    const cut = files.write(bytes.subarray(0, bytes.length - 5 * 4096 + 1));
    const { file, missing } = await info(request(one, cut), observer(), NEVER);
    expect(file).toMatchObject({ parts: 2, cutPages: 5, storedPages: PAGES.size - 5 });
    expect(missing[0]).toBe(
      `5 pages are cut off: the file ends before them; \`smelt salvage --dry-run ${one} ${cut}\` says what is whole`,
    );
  });

  it('and of which there is no page is not sent to salvage, and has its size told', async () => {
    const path = files.write(SAMPLE.subarray(0, 3000));
    for (const asked of [ask, check]) {
      await expect(asked(path)).rejects.toMatchObject({
        code: 'TRUNCATED',
        message: `${path}: the sub header needs bytes 4,096 to 4,200 but the file has 3,000 bytes`,
        hint: expect.stringMatching(/^(?!.*smelt salvage).*copy it again from where it was made/),
      });
    }
  });
});

describe('a dump with millions of pages', () => {
  it('has not all descriptors looked at, and says so', () => {
    const file = files.open(files.write(SAMPLE.subarray(0, SAMPLE.length / 2))) as KdumpDumpFile;
    const all = drain(countDescriptors(file));
    expect(all).toMatchObject({ marked: 0, implausible: 0, atLeast: false });
    const some = drain(countDescriptors(file, { descriptors: 20_000, stretches: 2 }));
    expect(some.atLeast).toBe(true);
    expect(some.cut).toBeGreaterThan(0);
    expect(some.cut).toBeLessThan(all.cut);
  });
});

describe('a dump that says that pages are missing', () => {
  const ram = END_PFN + 50 - 4;

  it('because it was never finished has them counted apart from those that its level left out', async () => {
    const gone = [...PAGES.keys()].slice(100, 500);
    const path = files.write(build('zlib', { incomplete: gone, dumpLevel: 31 }).file);
    const { file, missing } = await ask(path);
    expect(file).toMatchObject({
      incomplete: true,
      storedPages: PAGES.size - 400,
      missingPages: 400,
      leftOutPages: ram - PAGES.size,
      cutPages: 0,
    });
    expect(missing).toContain(
      'the dump says of itself that it is incomplete: 400 pages are marked as missing',
    );
    expect(missing.join()).toContain(`${ram - PAGES.size} pages left out (level 31)`);
  });

  it('because it was salvaged has them counted apart, and salvage says so too', async () => {
    const { file: whole } = build('zlib', { dumpLevel: 31 });
    const broken = files.write(whole.subarray(0, Math.floor(whole.length * 0.7)));
    const output = at('salvaged');
    const { lostPages, lostBefore } = await runSalvage({ input: broken, output });
    expect(lostPages).toBeGreaterThan(50);
    expect(lostBefore).toBe(0);
    const { file, missing } = await ask(output);
    expect(file).toMatchObject({
      incomplete: true,
      storedPages: PAGES.size - lostPages,
      missingPages: lostPages,
      leftOutPages: ram - PAGES.size,
    });
    expect(missing).toContain(
      `the dump says of itself that it is incomplete: ${lostPages} pages are marked as missing`,
    );
    const again = await runSalvage({ input: output, output: undefined });
    expect(again).toMatchObject({ lostPages: 0, lostBefore: lostPages });
    expect(salvageText(again).join('\n')).toMatch(
      new RegExp(`lost +nothing more\\n +${lostPages} pages were lost before, it says`),
    );
  });

  it('has them counted behind a mark that is damaged', async () => {
    const { file: whole } = build('zlib');
    const broken = files.write(whole.subarray(0, Math.floor(whole.length * 0.7)));
    const output = at('salvaged');
    const { lostPages } = await runSalvage({ input: broken, output });
    const saved = readFileSync(output);
    const mark = saved.indexOf('smelt:');
    saved.fill(0xa5, mark + 24, mark + 24 + 200);
    const file = files.open(files.write(saved)) as KdumpDumpFile;
    expect(drain(countTakenOut(file))).toEqual({ pages: lostPages, atLeast: false });
  });

  it('is not said to have all pages where a descriptor says what cannot be', async () => {
    const { file: whole, layout } = build('zlib');
    whole.writeUInt32LE(0, layout.descriptorOf.get(200)! + 8);
    const path = files.write(whole);
    const { file, missing } = await ask(path);
    expect(file).toMatchObject({ damagedPages: 1, storedPages: PAGES.size - 1 });
    expect(missing).toContain(
      `1 page is damaged, as the descriptors show: \`smelt verify ${path}\` says more`,
    );
  });
});
