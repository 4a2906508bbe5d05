/** The map for a terminal: blocks where there are colours, else letters. */

import { FRAME_KINDS, FrameFlag, KIND_BITS, KindIndex, type MemoryKind } from '../../../filter/frame-kind.ts';
import type { Picture, PictureReport } from '../../../inspect/map.ts';
import { count, memory } from '../../../units.ts';
import { columns as table } from '../../columns.ts';
import { percent } from '../../format.ts';
import { inputLine } from '../../summary.ts';
import { painted } from '../../text.ts';
import { KIND_LOOKS } from '../kinds.ts';
import type { Screen } from '../look.ts';
import { gridOf, runsIn } from './grid.ts';
import { legendRows, rgbOf } from './legend.ts';

const MOST_ROWS = 24;
const REPORTED_COLUMNS = 128;
const REPORTED_ROWS = 96;
const BLOCKS = { whole: '█', shared: '▓', absent: '░' } as const;

export function terminalMap(picture: Picture, { width, coloured }: Screen): string[] {
  const { input } = picture;
  const last = (picture.starts.at(-1) ?? 0) + picture.windowPages;
  const labelWidth = `0x${(last * input.pageSizeBytes).toString(16)}`.length;
  const columns = width >= labelWidth + 4 + 128 ? 128 : width >= labelWidth + 4 + 64 ? 64 : 32;
  const grid = gridOf(picture, columns, MOST_ROWS);
  const rows = grid.rows.flatMap(({ pfn, codes, hole }) => {
    const label = `0x${(pfn * input.pageSizeBytes).toString(16)}`.padStart(labelWidth);
    const cells = [...runsIn(codes)].map(([from, to, code]) => drawn(code, to - from, coloured)).join('');
    const left =
      hole === undefined
        ? []
        : [
            `  ${'⋮'.padStart(labelWidth)}  no memory for ${memory((hole.end - hole.from) * input.pageSizeBytes)}`,
          ];
    return [...left, `  ${label}  ${cells}`.trimEnd()];
  });
  return [
    inputLine(input, width),
    '',
    ...rows,
    '',
    `  a cell is ${memory(grid.cellPages * input.pageSizeBytes)}, and what most of it is`,
    '',
    ...legendLines(picture, coloured),
  ];
}

/** For programs: as many cells as a wide terminal has room for, and more rows than it shows. */
export function pictureReport(picture: Picture): PictureReport {
  const { cellPages, rows } = gridOf(picture, REPORTED_COLUMNS, REPORTED_ROWS);
  const { pageSizeBytes } = picture.input;
  return {
    cellBytes: cellPages * pageSizeBytes,
    rows: rows.map(({ pfn, codes }) => ({
      paddr: pfn * pageSizeBytes,
      cells: [...runsIn(codes)].map(([from, to, code]) => drawn(code, to - from, false)).join(''),
    })),
    letters: Object.fromEntries(legendRows(picture).map(({ letter, name }) => [letter, name])),
  };
}

function drawn(code: number, cells: number, coloured: boolean): string {
  const kind = code & KIND_BITS;
  if (kind === KindIndex.none) return ' '.repeat(cells);
  const { letter, colour } = KIND_LOOKS[FRAME_KINDS[kind] as MemoryKind];
  const isAbsent = (code & FrameFlag.absent) !== 0;
  if (!coloured) return (isAbsent ? letter.toLowerCase() : letter).repeat(cells);
  const block = isAbsent ? BLOCKS.absent : (code & FrameFlag.shared) !== 0 ? BLOCKS.shared : BLOCKS.whole;
  return painted(block.repeat(cells), `38;5;${paletteIndex(colour)}`);
}

function legendLines(picture: Picture, coloured: boolean): string[] {
  const { totalPages, census, input } = picture;
  const rows = legendRows(picture);
  const isFiltered = rows.some(({ absentPages }) => absentPages > 0);
  const lines = table(
    ['left', 'left', 'right', 'right', 'right', 'right'],
    rows.map(({ letter, name, pages, absentPages }) => [
      letter,
      name,
      count(pages),
      memory(pages * input.pageSizeBytes),
      percent(pages, totalPages),
      absentPages > 0 ? `${count(absentPages)} not in the dump` : '',
    ]),
  ).map((line, i) =>
    coloured ? `  ${painted(BLOCKS.whole, `38;5;${paletteIndex(rows[i]!.colour)}`)}${line.slice(3)}` : line,
  );
  const absent = coloured ? `${BLOCKS.absent} is` : 'small letters are';
  return [
    ...lines,
    ...(isFiltered ? ['', `  ${absent} what the dump does not have`] : []),
    ...(census === undefined || census.sharedPages === 0
      ? []
      : [
          '',
          `  ${count(census.sharedPages)} pages were shared (not encrypted)${coloured ? `: ${BLOCKS.shared} has some` : ''}`,
        ]),
  ];
}

/** The nearest of the 6 × 6 × 6 colours that terminals have from 16 on. */
export function paletteIndex(colour: string): number {
  const level = (value: number) =>
    value < 48 ? 0 : value < 115 ? 1 : Math.min(5, Math.floor((value - 35) / 40));
  const [red, green, blue] = rgbOf(colour).map(level) as [number, number, number];
  return 16 + 36 * red + 6 * green + blue;
}
