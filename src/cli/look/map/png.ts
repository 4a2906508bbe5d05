/** The map as a PNG picture: the tiles with addresses beside them, and below a legend. Source of the format: https://www.w3.org/TR/png-3/ */

import { crc32, deflateSync } from 'node:zlib';
import { FRAME_KINDS, FrameFlag, KIND_BITS, KindIndex, type MemoryKind } from '../../../filter/frame-kind.ts';
import type { Picture } from '../../../inspect/map.ts';
import { percent } from '../../format.ts';
import { KIND_LOOKS } from '../kinds.ts';
import { gridOf } from './grid.ts';
import { legendRows, rgbOf } from './legend.ts';
import { drawText, LETTER_HEIGHT, LETTER_WIDTH } from './pixel-text.ts';

const COLUMNS = 256;
const MOST_ROWS = 192;
/** Pixels of a cell, in both directions. */
const CELL = 4;
/** In the place of rows without memory: a broken line. */
const HOLE = 16;
const DASH = 5;
const LINE_WIDTH = 2;
/** From a row with an address to the next. */
const LABEL_DISTANCE = 64;
const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
const PAPER = [255, 255, 255] as const;
const BLACK = [26, 26, 26] as const;
/** Behind the colours of the kinds. */
const INK = FRAME_KINDS.length;
const LEGEND_COLUMNS = 3;
const LEGEND_LINE = 24;
const MARGIN = 12;
const SWATCH = LETTER_HEIGHT;
const DEPTH = 8;
const INDEXED = 3;

export function drawPng(picture: Picture): Uint8Array {
  const { rows } = gridOf(picture, COLUMNS, MOST_ROWS);
  const { pageSizeBytes } = picture.input;
  const labels = rows.map(({ pfn }) => `0x${(pfn * pageSizeBytes).toString(16)}`);
  const edge = (labels.reduce((most, { length }) => Math.max(most, length), 0) + 1.5) * LETTER_WIDTH;
  const width = edge + COLUMNS * CELL;
  const holes = rows.filter(({ hole }) => hole !== undefined).length;
  const mapHeight = rows.length * CELL + holes * HOLE;
  const legend = legendOf(picture, holes > 0);
  const height = mapHeight + MARGIN + Math.ceil(legend.length / LEGEND_COLUMNS) * LEGEND_LINE;
  // Each line begins with its filter: none.
  const pixels = Buffer.alloc((width + 1) * height);
  const dot = (x: number, y: number, ink: number) => {
    if (x < width && y < height) pixels[y * (width + 1) + 1 + x] = ink;
  };
  let top = 0;
  let labelled = Number.NEGATIVE_INFINITY;
  for (const [row, { codes, hole }] of rows.entries()) {
    if (hole !== undefined) {
      for (let x = edge; x < width; x++)
        for (let y = 0; y < HOLE; y++) dot(x, top + y, holeAt(x - edge, y, HOLE));
      top += HOLE;
    }
    for (let y = 0; y < CELL; y++)
      for (let x = 0; x < COLUMNS * CELL; x++)
        dot(edge + x, top + y, inkAt(codes[Math.floor(x / CELL)]!, x, y));
    if (hole !== undefined || top - labelled >= LABEL_DISTANCE) {
      const left = edge - (labels[row]!.length + 1) * LETTER_WIDTH;
      drawText(labels[row]!, (x, y) => dot(left + x, top + y, INK));
      labelled = top;
    }
    top += CELL;
  }
  for (const [index, { mark, words }] of legend.entries()) {
    const left = Math.floor(((index % LEGEND_COLUMNS) * width) / LEGEND_COLUMNS);
    const top = mapHeight + MARGIN + Math.floor(index / LEGEND_COLUMNS) * LEGEND_LINE;
    const put = (x: number, y: number, ink: number) => dot(left + x, top + y, ink);
    for (let y = 0; y < SWATCH; y++) for (let x = 0; x < SWATCH; x++) put(x, y, mark(x, y));
    drawText(words, (x, y) => put(SWATCH + LETTER_WIDTH + x, y, INK));
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header[8] = DEPTH;
  header[9] = INDEXED;
  const colours = FRAME_KINDS.map((kind) =>
    kind === 'none' ? PAPER : rgbOf(KIND_LOOKS[kind as MemoryKind].colour),
  );
  const palette = [...colours, BLACK].flat();
  const parts = [
    chunk('IHDR', header),
    chunk('PLTE', Buffer.from(palette)),
    chunk('IDAT', deflateSync(pixels)),
    chunk('IEND', Buffer.alloc(0)),
  ];
  return Buffer.concat([SIGNATURE, ...parts]);
}

interface LegendEntry {
  /** The ink of each pixel. */
  readonly mark: (x: number, y: number) => number;
  readonly words: string;
}

const markOf = (code: number) => (x: number, y: number) => inkAt(code, x, y);

/** A broken line halfway down. */
function holeAt(x: number, y: number, height: number): number {
  const isOnLine = Math.abs(y - (height - 1) / 2) < LINE_WIDTH / 2 + 0.1;
  return isOnLine && x % (2 * DASH) < DASH ? INK : 0;
}

/** "slab 7.1 %" beside its colour; what the marks mean, where there are some. */
function legendOf(picture: Picture, hasHoles: boolean): LegendEntry[] {
  const { totalPages, census } = picture;
  const rows = legendRows(picture);
  return [
    ...rows.map(({ kind, name, pages }) => ({
      mark: markOf(KindIndex[kind]),
      words: `${name} ${percent(pages, totalPages)}`,
    })),
    ...(rows.some(({ absentPages }) => absentPages > 0)
      ? [{ mark: markOf(KindIndex.user | FrameFlag.absent), words: 'not in the dump' }]
      : []),
    ...(census !== undefined && census.sharedPages > 0
      ? [{ mark: markOf(KindIndex.user | FrameFlag.shared), words: 'shared' }]
      : []),
    ...(hasHoles ? [{ mark: (x: number, y: number) => holeAt(x, y, SWATCH), words: 'no memory here' }] : []),
  ];
}

/** What is not in the dump is every second pixel, what is shared has stripes. */
function inkAt(code: number, x: number, y: number): number {
  const kind = code & KIND_BITS;
  if ((code & FrameFlag.absent) !== 0) return (x + y) % 2 === 0 ? kind : 0;
  if ((code & FrameFlag.shared) !== 0) return (x + y) % CELL === 0 ? 0 : kind;
  return kind;
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const whole = Buffer.alloc(body.length + 8);
  whole.writeUInt32BE(data.length, 0);
  body.copy(whole, 4);
  whole.writeUInt32BE(crc32(body), body.length + 4);
  return whole;
}
