/** The map as a picture with a legend (SVG), light or dark as the viewer wants it. */

import { FRAME_KINDS, FrameFlag, KIND_BITS, KindIndex, type MemoryKind } from '../../../filter/frame-kind.ts';
import type { Picture } from '../../../inspect/map.ts';
import { count, memory } from '../../../units.ts';
import { percent } from '../../format.ts';
import { inputLine } from '../../summary.ts';
import { element, text } from '../../svg.ts';
import { KIND_LOOKS } from '../kinds.ts';
import { gridOf, runsIn } from './grid.ts';
import { legendRows } from './legend.ts';

const COLUMNS = 128;
const MOST_ROWS = 96;
const CELL = 6;
/** In the place of rows without memory. */
const HOLE = 22;
/** From a row with an address to the next. */
const LABEL_DISTANCE = 24;
const MARGIN = 16;
const LINE = 18;
const LABEL_WIDTH = 110;
const WIDTH = MARGIN * 2 + LABEL_WIDTH + COLUMNS * CELL;
/** Characters that a line has room for. */
const TITLE_CHARACTERS = 120;
const STYLE = `
text { font: 12px ui-monospace, 'DejaVu Sans Mono', monospace; fill: #1a1a1a }
.paper { fill: #fff } .hole { fill: none; stroke: #777; stroke-dasharray: 4 3 } .hatch { stroke: #000; stroke-width: 1.5 }
.fine { stroke: #000; stroke-width: .6; opacity: .45 }
@media (prefers-color-scheme: dark) { text { fill: #e6e6e6 } .paper { fill: #15181c } }`;

export function drawSvg(picture: Picture): Uint8Array {
  const { input, totalPages, census } = picture;
  const grid = gridOf(picture, COLUMNS, MOST_ROWS);
  const title = inputLine(input, TITLE_CHARACTERS).split('\n');
  const top = MARGIN + title.length * LINE + LINE;
  const left = MARGIN + LABEL_WIDTH;
  const address = (pfn: number) => `0x${(pfn * input.pageSizeBytes).toString(16)}`;
  let bottom = top;
  let labelled = Number.NEGATIVE_INFINITY;
  const rows = grid.rows.flatMap(({ pfn, codes, hole }) => {
    const y = bottom + (hole === undefined ? 0 : HOLE);
    bottom = y + CELL;
    const isLabelled = hole !== undefined || y - labelled >= LABEL_DISTANCE;
    if (isLabelled) labelled = y;
    return [
      ...(isLabelled
        ? [
            text(left - 8, y + CELL, address(pfn), {
              'text-anchor': 'end',
              style: 'font-size: 9px',
            }),
          ]
        : []),
      ...(hole === undefined
        ? []
        : [
            element('rect', {
              class: 'hole',
              x: left,
              y: y - HOLE + 3,
              width: COLUMNS * CELL,
              height: HOLE - 6,
            }),
            text(
              left + (COLUMNS * CELL) / 2,
              y - HOLE / 2 + 3.5,
              `no memory for ${memory((hole.end - hole.from) * input.pageSizeBytes)}: ${address(hole.from)} to ${address(hole.end)}`,
              { 'text-anchor': 'middle', style: 'font-size: 10px' },
            ),
          ]),
      ...[...runsIn(codes)].flatMap(([from, to, code]) =>
        rects(code, left + from * CELL, y, (to - from) * CELL, CELL),
      ),
    ];
  });
  const legendTop = bottom + LINE;
  const entries = [
    ...legendRows(picture).map(({ kind, name, what, pages, absentPages }) => {
      const size = `${count(pages)} pages, ${memory(pages * input.pageSizeBytes)}, ${percent(pages, totalPages)}`;
      const missing = absentPages > 0 ? ` (${count(absentPages)} not in the dump)` : '';
      return [KindIndex[kind], name, `${size}${missing}: ${what}`] as const;
    }),
    ...(picture.totalPages > 0 && legendRows(picture).some(({ absentPages }) => absentPages > 0)
      ? [[KindIndex.user | FrameFlag.absent, 'dotted', 'not in the dump'] as const]
      : []),
    ...(census === undefined
      ? []
      : [
          [
            KindIndex.user | FrameFlag.shared,
            'wide stripes',
            `${count(census.sharedPages)} pages shared, not encrypted`,
          ] as const,
          ...(census.meaning === 'encrypted'
            ? [
                [
                  KindIndex.user | FrameFlag.encrypted,
                  'fine stripes',
                  `${count(census.encryptedPages)} pages encrypted`,
                ] as const,
              ]
            : []),
        ]),
  ];
  const legend = entries.flatMap(([code, name, words], index) => {
    const y = legendTop + LINE * (index + 1);
    return [
      ...rects(code, MARGIN, y - 11, 14, 12),
      text(MARGIN + 22, y, name),
      text(MARGIN + 22 + LABEL_WIDTH + 8, y, words),
    ];
  });
  const height = legendTop + LINE * (entries.length + 1) + MARGIN;
  const body = [
    element('style', {}, STYLE),
    element('defs', {}, patterns()),
    element('rect', { class: 'paper', width: WIDTH, height }),
    ...title.map((words, index) => text(MARGIN, MARGIN + LINE * (index + 0.6), words.trim())),
    text(
      MARGIN,
      MARGIN + LINE * (title.length + 0.3),
      `a cell is ${memory(grid.cellPages * input.pageSizeBytes)}, and what most of it is`,
      { style: 'font-size: 10px' },
    ),
    ...rows,
    ...legend,
  ];
  const attributes = {
    xmlns: 'http://www.w3.org/2000/svg',
    width: WIDTH,
    height,
    viewBox: `0 0 ${WIDTH} ${height}`,
  };
  return Buffer.from(`${element('svg', attributes, `\n${body.join('\n')}\n`)}\n`);
}

function rects(code: number, x: number, y: number, width: number, height: number): string[] {
  const kind = FRAME_KINDS[code & KIND_BITS]!;
  if (kind === 'none') return [];
  const place = { x, y, width, height };
  const isAbsent = (code & FrameFlag.absent) !== 0;
  return [
    element('rect', { ...place, fill: isAbsent ? `url(#absent-${kind})` : KIND_LOOKS[kind].colour }),
    ...((code & FrameFlag.shared) !== 0
      ? [element('rect', { ...place, fill: 'url(#shared)' })]
      : (code & FrameFlag.encrypted) !== 0
        ? [element('rect', { ...place, fill: 'url(#encrypted)' })]
        : []),
  ];
}

function patterns(): string {
  const pattern = (id: string, size: number, content: string) =>
    element('pattern', { id, width: size, height: size, patternUnits: 'userSpaceOnUse' }, content);
  const dots = Object.entries(KIND_LOOKS).map(([kind, { colour }]) =>
    pattern(`absent-${kind as MemoryKind}`, 3, element('rect', { width: 2, height: 2, fill: colour })),
  );
  const stripe = (name: string, size: number) =>
    element('path', { class: name, d: `M0 ${size}L${size} 0`, fill: 'none' });
  return [...dots, pattern('shared', 6, stripe('hatch', 6)), pattern('encrypted', 4, stripe('fine', 4))].join(
    '\n',
  );
}
