/** The map as a PNG picture: the tiles, and below them a legend. Source of the format: https://www.w3.org/TR/png-3/ */

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
  const width = COLUMNS * CELL;
  const mapHeight = rows.length * CELL;
  const legend = legendOf(picture);
  const height = mapHeight + MARGIN + Math.ceil(legend.length / LEGEND_COLUMNS) * LEGEND_LINE;
  // Each line begins with its filter: none.
  const pixels = Buffer.alloc((width + 1) * height);
  for (const [row, { codes }] of rows.entries()) {
    for (let y = 0; y < CELL; y++) {
      const line = (row * CELL + y) * (width + 1) + 1;
      for (let x = 0; x < width; x++) pixels[line + x] = inkAt(codes[Math.floor(x / CELL)]!, x, y);
    }
  }
  for (const [index, { code, words }] of legend.entries()) {
    const left = Math.floor(((index % LEGEND_COLUMNS) * width) / LEGEND_COLUMNS);
    const top = mapHeight + MARGIN + Math.floor(index / LEGEND_COLUMNS) * LEGEND_LINE;
    const put = (x: number, y: number, ink: number) => {
      if (left + x < width) pixels[(top + y) * (width + 1) + 1 + left + x] = ink;
    };
    for (let y = 0; y < SWATCH; y++) for (let x = 0; x < SWATCH; x++) put(x, y, inkAt(code, x, y));
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

/** "slab 7.1 %" beside its colour; what the marks mean, where there are some. */
function legendOf(picture: Picture): { readonly code: number; readonly words: string }[] {
  const { totalPages, census } = picture;
  const rows = legendRows(picture);
  return [
    ...rows.map(({ kind, name, pages }) => ({
      code: KindIndex[kind],
      words: `${name} ${percent(pages, totalPages)}`,
    })),
    ...(rows.some(({ absentPages }) => absentPages > 0)
      ? [{ code: KindIndex.user | FrameFlag.absent, words: 'not in the dump' }]
      : []),
    ...(census !== undefined && census.sharedPages > 0
      ? [{ code: KindIndex.user | FrameFlag.shared, words: 'shared' }]
      : []),
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
