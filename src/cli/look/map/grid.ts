/** Tiles as rows of cells: each row begins at a multiple of its length, and rows without memory are left out. */

import { FrameFlag, KIND_BITS, KindIndex } from '../../../filter/frame-kind.ts';
import { type Picture, tileAt } from '../../../inspect/map.ts';

export interface Grid {
  /** Page frames of a cell. */
  readonly cellPages: number;
  readonly columns: number;
  readonly rows: readonly GridRow[];
}

export interface GridRow {
  readonly pfn: number;
  /** Of FRAME_CODES, one a cell. */
  readonly codes: Uint8Array;
  /** Where there is no memory: rows before this one are left out. From the last page frame's end to the next one. */
  readonly hole: { readonly from: number; readonly end: number } | undefined;
}

/** At most `mostRows`, where memory is not in more pieces than that; `columns` is a power of two. */
export function gridOf(picture: Picture, columns: number, mostRows: number): Grid {
  let rowPages = columns * 2 ** picture.tileShift;
  let first = rowsOf(picture, rowPages);
  // Pieces of memory that lie far apart would never come to so few rows.
  while (first.length > mostRows && rowPages < 2 ** 40) {
    rowPages *= 2;
    first = rowsOf(picture, rowPages);
  }
  const cellPages = rowPages / columns;
  const rows = first.map((pfn) => ({
    pfn,
    codes: Uint8Array.from({ length: columns }, (_, column) =>
      cellAt(picture, pfn + column * cellPages, cellPages),
    ),
  }));
  const there = rows.filter(({ codes }) => codes.some((code) => code !== KindIndex.none));
  return { cellPages, columns, rows: withHoles(picture, there, rowPages) };
}

/** One walk over the tiles finds where memory ends and begins again. */
function withHoles(
  { starts, tiles, tileShift, tilesPerWindow }: Picture,
  rows: readonly Omit<GridRow, 'hole'>[],
  rowPages: number,
): GridRow[] {
  const step = 2 ** tileShift;
  let tile = 0;
  let end = 0;
  return rows.map((row, i) => {
    let next = row.pfn;
    for (; tile * 2 < tiles.length; tile++) {
      if ((tiles[tile * 2]! & KIND_BITS) === KindIndex.none) continue;
      const pfn = starts[Math.floor(tile / tilesPerWindow)]! + (tile % tilesPerWindow) * step;
      next = pfn;
      if (pfn >= row.pfn) break;
      end = pfn + step;
    }
    const isBehind = i > 0 && row.pfn !== rows[i - 1]!.pfn + rowPages;
    return { ...row, hole: isBehind ? { from: end, end: next } : undefined };
  });
}

/** First page frames of the rows that have windows. */
function rowsOf({ starts, windowPages }: Picture, rowPages: number): number[] {
  const rows: number[] = [];
  for (const start of starts) {
    for (let at = start - (start % rowPages); at < start + windowPages; at += rowPages)
      if (at > (rows.at(-1) ?? -1)) rows.push(at);
  }
  return rows;
}

/** What most of its tiles are; that something is shared is told of a single one. */
function cellAt(picture: Picture, pfn: number, pages: number): number {
  const step = 2 ** picture.tileShift;
  const shares = new Float64Array(KIND_BITS + 1);
  let tiles = 0;
  let absent = 0;
  let encrypted = 0;
  let shared = 0;
  for (let at = pfn; at < pfn + pages; ) {
    const tile = tileAt(picture, at);
    if (tile === undefined) {
      // Nothing up to the next window.
      at += picture.windowPages - (at % picture.windowPages);
      continue;
    }
    const [code, share] = tile;
    at += step;
    if ((code & KIND_BITS) === KindIndex.none) continue;
    shares[code & KIND_BITS]! += share;
    tiles++;
    if ((code & FrameFlag.absent) !== 0) absent++;
    if ((code & FrameFlag.encrypted) !== 0) encrypted++;
    if ((code & FrameFlag.shared) !== 0) shared++;
  }
  if (tiles === 0) return KindIndex.none;
  let best = 1;
  for (let kind = 2; kind <= KIND_BITS; kind++) if (shares[kind]! > shares[best]!) best = kind;
  return (
    best |
    (absent * 2 > tiles ? FrameFlag.absent : 0) |
    (encrypted * 2 > tiles ? FrameFlag.encrypted : 0) |
    (shared > 0 ? FrameFlag.shared : 0)
  );
}

/** Runs of equal values in a row, as [first, behind the last, value]. */
export function* runsIn<T>(values: ArrayLike<T>): Generator<[number, number, T]> {
  let from = 0;
  for (let i = 1; i <= values.length; i++) {
    if (i < values.length && values[i] === values[from]) continue;
    yield [from, i, values[from]!];
    from = i;
  }
}
