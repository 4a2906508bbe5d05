/** `smelt map` draws what `smelt pages` counts, and writes it as every output is written. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inflateRawSync, inflateSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { KIND_LOOKS } from '../../src/cli/look/kinds.ts';
import { gridOf } from '../../src/cli/look/map/grid.ts';
import { drawHtml } from '../../src/cli/look/map/html.ts';
import { canDraw } from '../../src/cli/look/map/pixel-text.ts';
import { drawPng } from '../../src/cli/look/map/png.ts';
import { drawSvg } from '../../src/cli/look/map/svg.ts';
import { pictureReport, terminalMap } from '../../src/cli/look/map/terminal.ts';
import { FRAME_CODES, FrameFlag, KIND_BITS, KindIndex, MEMORY_KINDS } from '../../src/filter/frame-kind.ts';
import {
  type MapReport,
  type MapRequest,
  map,
  type Picture,
  type PictureFormat,
} from '../../src/inspect/map.ts';
import { drain } from '../../src/read/drain.ts';
import type { DumpObserver } from '../../src/workers/report.ts';
import { fitRuns, packedRuns, runsOfWindow, type TileRequest, WindowTiles } from '../../src/workers/tiles.ts';
import { buildEveryKind } from '../workers/every-kind.ts';
import { runDump, scratch } from '../workers/run-dump.ts';

const dir = scratch();
const core = join(dir, 'core');
const SME = 'samples/x86_64-6.1-sme.kdump';
const quiet: DumpObserver = { onInput() {}, onProgress() {}, onWarning() {} };

async function draw(asked: Partial<MapRequest> = {}, signal = new AbortController().signal) {
  const pictures: Picture[] = [];
  const keep = (format: PictureFormat) => (picture: Picture) => {
    pictures.push(picture);
    return Buffer.from(`a ${format}`);
  };
  const usual = { input: core, threads: 0, mmap: undefined, smeMask: undefined, vmcoreinfoFile: undefined };
  const outputs = [{ format: 'html', path: join(dir, 'map.html') }] as const;
  const report: MapReport = await map(
    { ...usual, outputs, overwrite: true, quick: false, ...asked },
    quiet,
    signal,
    {
      draw: { html: keep('html'), svg: keep('svg'), png: keep('png') },
      show: async (picture) => {
        pictures.push(picture);
        return pictureReport(picture);
      },
    },
  );
  return { report, picture: pictures[0]! };
}

/** Page frames by their code, out of the runs of all windows. */
function countRuns({
  packed,
  shifts,
  windowPages,
}: Pick<Picture, 'packed' | 'shifts' | 'windowPages'>): Float64Array {
  const counts = new Float64Array(FRAME_CODES);
  for (const [index, bytes] of packed.entries()) {
    const runs = inflateRawSync(bytes);
    let inWindow = 0;
    for (let i = 0; i < runs.length; ) {
      const code = runs[i++]!;
      let length = 0;
      for (let shift = 0; ; shift += 7) {
        length += (runs[i]! & 0x7f) * 2 ** shift;
        if (runs[i++]! < 0x80) break;
      }
      counts[code]! += length * 2 ** shifts[index]!;
      inWindow += length * 2 ** shifts[index]!;
    }
    expect(inWindow).toBeLessThanOrEqual(windowPages);
  }
  return counts;
}

const withFlag = (counts: Float64Array, flag: number) =>
  counts.reduce((sum, some, code) => sum + ((code & flag) === 0 ? 0 : some), 0);

describe('the runs of all windows', () => {
  test.each([{ threads: 0 }, { threads: 2 }])(
    'have each page frame once, as its kind (%o)',
    async (access) => {
      const filtered = join(dir, 'filtered');
      buildEveryKind({ path: core });
      await runDump({ input: core, output: filtered, dumpLevel: 24, overwrite: true });
      for (const input of [core, filtered]) {
        const { report, picture } = await draw({ input, ...access });
        const counts = countRuns(picture);
        for (const kind of MEMORY_KINDS) {
          const drawn = counts.filter((_, code) => (code & KIND_BITS) === KindIndex[kind]);
          expect([kind, drawn.reduce((sum, some) => sum + some, 0)]).toEqual([
            kind,
            report.kinds[kind].pages,
          ]);
        }
        expect(withFlag(counts, FrameFlag.absent)).toBe(
          MEMORY_KINDS.reduce((sum, kind) => sum + report.kinds[kind].absentPages, 0),
        );
        expect(report.finestPages).toBe(1);
      }
    },
  );

  test('have what the census says of encrypted and shared memory', async () => {
    const { report, picture } = await draw({ input: SME });
    expect(report.census).toEqual({ meaning: 'encrypted', encryptedPages: 20_951, sharedPages: 520 });
    const counts = countRuns(picture);
    expect(withFlag(counts, FrameFlag.encrypted)).toBe(20_951);
    expect(withFlag(counts, FrameFlag.shared)).toBe(520);
  });
});

describe('a picture', () => {
  test('as a page has no address in it that could be asked, and no markup of a name', async () => {
    const input = join(dir, '<script>alert(1)<');
    buildEveryKind({ path: input });
    const { picture } = await draw({ input });
    const page = Buffer.from(drawHtml(picture)).toString();
    expect(page).not.toContain('<script>alert');
    expect(page).toContain('&lt;script&gt;alert(1)&lt;');
    expect(page.match(/https?:|src=|url\(|@import/g)).toBeNull();
    expect(Buffer.from(drawSvg(picture)).toString()).not.toContain('<script>');
  });

  test('as PNG has the size that its header says, and pixels of a palette', async () => {
    const { picture } = await draw({ input: SME });
    const png = Buffer.from(drawPng(picture));
    expect(png.subarray(0, 8).toString('latin1')).toBe('\x89PNG\r\n\x1a\n');
    const [width, height] = [png.readUInt32BE(16), png.readUInt32BE(20)];
    const at = png.indexOf('IDAT');
    const pixels = inflateSync(png.subarray(at + 4, at + 4 + png.readUInt32BE(at - 4)));
    expect(pixels.length).toBe((width + 1) * height);
    expect(new Set(pixels)).toContain(KindIndex.reserved);
  });

  test('as PNG has a legend: a square of each kind that there is, with words beside it', async () => {
    const { picture } = await draw({ input: SME });
    const png = Buffer.from(drawPng(picture));
    const width = png.readUInt32BE(16);
    const at = png.indexOf('IDAT');
    const pixels = inflateSync(png.subarray(at + 4, at + 4 + png.readUInt32BE(at - 4)));
    const last = gridOf(picture, 256, 192).rows.length * 4;
    const below = pixels.subarray((width + 1) * last);
    const there = MEMORY_KINDS.filter((kind) => picture.kinds[kind].pages > 0);
    for (const kind of there)
      expect(below.filter((ink) => ink === KindIndex[kind]).length).toBeGreaterThanOrEqual(14 * 14);
    const ink = pixels.reduce((most, each) => Math.max(most, each), 0);
    expect(below.filter((each) => each === ink).length).toBeGreaterThan(there.length * 200);
  });

  test('has letters for whatever its legend says', () => {
    const words = [
      ...Object.values(KIND_LOOKS).map(({ name }) => name),
      'not in the dump',
      'no memory here',
      'shared',
      '<0.1 %',
    ];
    expect(words.filter((each) => !canDraw(each))).toEqual([]);
    expect(canDraw('0x0123456789abcdef')).toBe(true);
  });

  test('for programs is rows of letters, which add up to the memory', async () => {
    const { report } = await draw({ input: SME, outputs: [] });
    const { rows, cellBytes, letters } = report.picture!;
    const cells = rows.map(({ cells }) => cells).join('');
    expect([...cells].filter((cell) => cell !== ' ').length * cellBytes).toBe(
      report.totalPages * report.input.pageSizeBytes,
    );
    expect(letters).toMatchObject({ K: 'kernel', R: 'reserved', U: 'user' });
    expect(rows.map(({ paddr }) => paddr)).toEqual(rows.map((_, i) => i * cellBytes * 128));
    expect((await draw({ input: SME })).report.picture).toBeUndefined();
  });

  test('in a pipe is letters in lines of at most 80 columns, one for each kind that there is', async () => {
    const { picture } = await draw({ input: SME, outputs: [] });
    const lines = terminalMap(picture, { width: 80, coloured: false, isTerminal: false });
    expect(lines.join('\n')).not.toContain('\x1b');
    expect(Math.max(...lines.slice(2).map((line) => line.length))).toBeLessThanOrEqual(80);
    expect(lines.join('\n')).toMatch(/^ +0x400000 {2}U+$/m);
    expect(terminalMap(picture, { width: 80, coloured: true, isTerminal: true }).join('\n')).toContain(
      '\x1b[38;5;',
    );
  });

  test('has no row where there is no memory, however far apart its pieces are', async () => {
    const far = join(dir, 'far');
    const ram = [
      { start: 0, end: 64 * 2 ** 20 },
      { start: 2 ** 40, end: 2 ** 40 + 8 * 2 ** 20 },
    ];
    buildEveryKind({ path: far, ram });
    const { picture } = await draw({ input: far, outputs: [] });
    const { rows } = gridOf(picture, 64, 24);
    expect(rows.length).toBeLessThanOrEqual(24);
    expect(rows.flatMap(({ hole }) => hole ?? [])).toEqual([
      { from: (64 * 2 ** 20) / 4096, end: 2 ** 40 / 4096 },
    ]);
    const size = '1,023.9 GiB';
    expect(Buffer.from(drawSvg(picture)).toString()).toContain(
      `no memory for ${size}: 0x4000000 to 0x10000000000`,
    );
    const png = Buffer.from(drawPng(picture));
    const width = png.readUInt32BE(16);
    const at = png.indexOf('IDAT');
    const pixels = inflateSync(png.subarray(at + 4, at + 4 + png.readUInt32BE(at - 4)));
    const ink = pixels.reduce((most, each) => Math.max(most, each), 0);
    const inkOf = (y: number) => {
      const line = pixels.subarray(y * (width + 1) + 1, (y + 1) * (width + 1));
      return line.filter((each) => each === ink).length;
    };
    const broken = Array.from({ length: pixels.length / (width + 1) }, (_, y) => inkOf(y));
    expect(broken.filter((pixels) => pixels > 500)).toHaveLength(2);
    const screen = terminalMap(picture, { width: 80, coloured: false, isTerminal: false });
    expect(screen.join('\n')).toContain(`⋮  no memory for ${size}`);
    expect(rows.every(({ codes }) => codes.some((code) => code !== KindIndex.none))).toBe(true);
  });
});

describe('the file', () => {
  test('is never the input, and never over another one without -f', async () => {
    buildEveryKind({ path: core });
    const over = (path: string, overwrite: boolean) =>
      draw({ outputs: [{ format: 'html', path }], overwrite });
    await expect(over(core, true)).rejects.toMatchObject({ code: 'TARGET' });
    const path = join(dir, 'there');
    writeFileSync(path, 'mine');
    await expect(over(path, false)).rejects.toMatchObject({ code: 'TARGET' });
    expect(readFileSync(path, 'utf8')).toBe('mine');
    await over(path, true);
    expect(readFileSync(path, 'utf8')).toBe('a html');
    const twice = [
      { format: 'svg', path: 'x' },
      { format: 'png', path: './x' },
    ] as const;
    await expect(draw({ outputs: twice })).rejects.toMatchObject({ code: 'TARGET' });
  });

  test('is not there, and nothing of it, when the work is interrupted or fails', async () => {
    const path = join(dir, 'gone.html');
    const controller = new AbortController();
    controller.abort();
    await expect(draw({ outputs: [{ format: 'html', path }] }, controller.signal)).rejects.toMatchObject({
      code: 'INTERRUPTED',
    });
    expect(existsSync(path)).toBe(false);
    expect(readdirSync(dir).filter((name) => name.endsWith('.incomplete'))).toEqual([]);
  });
});

describe('where memory is too motley for a page', () => {
  const windowPages = 2 ** 12;
  const requestOf = (windows: number, mostBytes: number): TileRequest => ({
    tileShift: 4,
    tilesPerWindow: windowPages / 16,
    tiles: new Uint8Array((windows * windowPages * 2) / 16),
    runs: packedRuns(windows, mostBytes),
  });
  /** Any kind after any other. */
  let seed = 1;
  const noise = Uint8Array.from({ length: windowPages }, () => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
    return 1 + ((seed >>> 24) % 9);
  });

  test('the windows that take the most get coarser, until all fit, and have each page frame still', () => {
    const mostBytes = 5000;
    const request = requestOf(8, mostBytes);
    const runs = request.runs!;
    const tiles = new WindowTiles(request);
    const plain = new Uint8Array(windowPages).fill(KindIndex.free);
    for (let index = 0; index < 8; index++) tiles.draw(index, index < 6 ? noise : plain);
    const all = () => runs.lengths.reduce((sum, length) => sum + length, 0);
    expect(Math.max(...runs.lengths)).toBeLessThanOrEqual((2 * mostBytes) / 8);
    expect(all()).toBeGreaterThan(mostBytes);
    expect(drain(fitRuns(runs, windowPages, mostBytes))).toBeUndefined();
    expect(all()).toBeLessThanOrEqual(mostBytes);
    expect(all()).toBeGreaterThan(mostBytes / 4);
    expect([...runs.shifts.subarray(6)]).toEqual([0, 0]);
    expect(Math.min(...runs.shifts.subarray(0, 6))).toBeGreaterThan(0);
    for (let index = 0; index < 8; index++) {
      const packed = [runsOfWindow(runs, index)];
      const counts = countRuns({ packed, shifts: runs.shifts.subarray(index), windowPages });
      expect(counts.reduce((sum, some) => sum + some, 0)).toBe(windowPages);
    }
  });

  test('a window is coarsened to what most of it is', () => {
    const request = requestOf(1, 100);
    const mostly = new Uint8Array(windowPages).fill(KindIndex.user);
    for (let i = 0; i < windowPages; i += 5) mostly[i] = noise[i]!;
    new WindowTiles(request).draw(0, mostly);
    const counts = countRuns({
      packed: [runsOfWindow(request.runs!, 0)],
      shifts: request.runs!.shifts,
      windowPages,
    });
    expect(counts[KindIndex.user]).toBe(windowPages);
  });

  test('a tile is what most of it is, and something shared in it is told', () => {
    const request = requestOf(1, 2 ** 20);
    const codes = new Uint8Array(windowPages).fill(KindIndex.user);
    codes.fill(KindIndex.free, 0, 4);
    codes[20] = KindIndex.user | FrameFlag.shared;
    new WindowTiles(request).draw(0, codes);
    expect([...request.tiles.subarray(0, 4)]).toEqual([
      KindIndex.user,
      Math.round((12 / 16) * 255),
      KindIndex.user | FrameFlag.shared,
      255,
    ]);
  });
});
