/** The map as a PNG picture: the tiles alone. Source of the format: https://www.w3.org/TR/png-3/ */

import { crc32, deflateSync } from 'node:zlib';
import { FRAME_KINDS, FrameFlag, KIND_BITS, type MemoryKind } from '../../../filter/frame-kind.ts';
import type { Picture } from '../../../inspect/map.ts';
import { KIND_LOOKS } from '../kinds.ts';
import { gridOf } from './grid.ts';
import { rgbOf } from './legend.ts';

const COLUMNS = 256;
const MOST_ROWS = 192;
/** Pixels of a cell, in both directions. */
const CELL = 4;
const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
const PAPER = [255, 255, 255] as const;
const DEPTH = 8;
const INDEXED = 3;

export function drawPng(picture: Picture): Uint8Array {
  const { rows } = gridOf(picture, COLUMNS, MOST_ROWS);
  const width = COLUMNS * CELL;
  const height = Math.max(1, rows.length * CELL);
  // Each line begins with its filter: none.
  const pixels = Buffer.alloc((width + 1) * height);
  for (const [row, { codes }] of rows.entries()) {
    for (let y = 0; y < CELL; y++) {
      const line = (row * CELL + y) * (width + 1) + 1;
      for (let x = 0; x < width; x++) pixels[line + x] = inkAt(codes[Math.floor(x / CELL)]!, x, y);
    }
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header[8] = DEPTH;
  header[9] = INDEXED;
  const palette = FRAME_KINDS.flatMap((kind) =>
    kind === 'none' ? PAPER : rgbOf(KIND_LOOKS[kind as MemoryKind].colour),
  );
  const parts = [
    chunk('IHDR', header),
    chunk('PLTE', Buffer.from(palette)),
    chunk('IDAT', deflateSync(pixels)),
    chunk('IEND', Buffer.alloc(0)),
  ];
  return Buffer.concat([SIGNATURE, ...parts]);
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
