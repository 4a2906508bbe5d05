/** The map as a page: one file that asks nobody for anything. Its scripts and its style are in page/. */

import { deflateRawSync } from 'node:zlib';
import { KindIndex } from '../../../filter/frame-kind.ts';
import type { Picture } from '../../../inspect/map.ts';
import { count, memory } from '../../../units.ts';
import { percent } from '../../format.ts';
import { inputLine } from '../../summary.ts';
import { escapeXml } from '../../svg.ts';
import { type LegendRow, legendRows } from './legend.ts';
import mainScript from './page/main.js?raw';
import memoryScript from './page/memory.js?raw';
import style from './page/page.css?raw';
import paintScript from './page/paint.js?raw';
import viewScript from './page/view.js?raw';

/** Nothing is loaded from anywhere, and no script runs but those in the file. */
const POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'";

export function drawHtml(picture: Picture): Uint8Array {
  const rows = legendRows(picture);
  const [name = '', facts = ''] = titleOf(picture);
  const scripts = [memoryScript, viewScript, paintScript, mainScript].join('\n');
  const head = `<!doctype html>
<html lang="en" data-theme="auto">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<title>${escapeXml(name)}: map of its memory</title>
<style>
${style}</style>
</head>
<body>
<header><h1>${escapeXml(name)}</h1><span class="soft">${escapeXml(facts)}</span></header>
<nav>
<button id="closer" title="+ or Ctrl and the wheel">closer</button>
<button id="wider" title="- or Ctrl and the wheel">wider</button>
<button id="whole" title="0">all of it</button>
<form id="go"><input id="address" size="22" placeholder="physical address, 0x…" aria-label="physical address">
<button>go there</button></form>
<label>colours <select id="theme"><option value="auto">as the system</option><option value="light">light</option><option value="dark">dark</option></select></label>
</nav>
<main>
<div id="grid">
<canvas id="strip" aria-hidden="true"></canvas>
<canvas id="cells" tabindex="0" role="application" aria-label="memory in physical order" aria-describedby="keys"></canvas>
<p id="said" class="soft" role="status"></p>
</div>
<aside>
${legendTable(picture, rows)}
<p id="keys" class="soft screen">Wheel and drag move; with Ctrl the wheel zooms, a double click goes closer.
Keys: <kbd>←</kbd> <kbd>↑</kbd> <kbd>→</kbd> <kbd>↓</kbd> a cell, <kbd>PgUp</kbd> <kbd>PgDn</kbd> a screen, <kbd>+</kbd> <kbd>-</kbd> zoom, <kbd>0</kbd> all.
A name in the table shows its kind alone.</p>
</aside>
</main>
<div id="tip" hidden></div>
<script type="application/json" id="map">${dataOf(picture, rows)}</script>
<script type="text/plain" id="tiles">${deflateRawSync(picture.tiles, { level: 9 }).toString('base64')}</script>
<script type="text/plain" id="runs">`;
  const tail = `</script>
<script>
${scripts}</script>
</body>
</html>
`;
  return around(head, picture.packed, tail);
}

/** Bytes that are a whole number of letters. */
const BASE64_PIECE = 3 * 2 ** 13;

/** Piece by piece into one buffer: `parts` in base64 as a string, and that within another, would take their length many times. */
function around(head: string, parts: readonly Uint8Array[], tail: string): Buffer {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const before = Buffer.byteLength(head);
  const letters = Math.ceil(length / 3) * 4;
  const page = Buffer.allocUnsafe(before + letters + Buffer.byteLength(tail));
  page.write(head);
  page.write(tail, before + letters);
  let at = before;
  for (const piece of pieces(parts, BASE64_PIECE)) at += page.write(piece.toString('base64'), at, 'latin1');
  return page;
}

/** One behind the other, in pieces of one length; each is valid until the next. */
function* pieces(parts: readonly Uint8Array[], each: number): Generator<Buffer> {
  const piece = Buffer.alloc(each);
  let filled = 0;
  for (const part of parts) {
    for (let from = 0; from < part.length; ) {
      const some = part.subarray(from, from + each - filled);
      piece.set(some, filled);
      filled += some.length;
      from += some.length;
      if (filled < each) continue;
      yield piece;
      filled = 0;
    }
  }
  yield piece.subarray(0, filled);
}

/** The name of the dump, and what it is. */
function titleOf({ input }: Picture): string[] {
  const [name, facts] = inputLine(input, Number.POSITIVE_INFINITY).split(/ {2}(?=\S+)/, 2);
  return [name!, facts ?? ''];
}

function dataOf(
  { starts, windowPages, input, tileShift, totalPages, end, packed, shifts, census }: Picture,
  rows: readonly LegendRow[],
): string {
  const windows: [number, number][] = [];
  for (const start of starts) {
    const last = windows.at(-1);
    if (last !== undefined && last[0] + last[1] * windowPages === start) last[1]++;
    else windows.push([start, 1]);
  }
  const data = {
    pageSize: input.pageSizeBytes,
    windowPages,
    tileShift,
    totalPages,
    end,
    windows,
    lengths: packed.map(({ length }) => length),
    shifts: [...shifts],
    kinds: rows.map(({ kind, name, what, colour, pages, absentPages }) => ({
      kind: KindIndex[kind],
      name,
      what,
      colour,
      pages,
      absentPages,
    })),
    census: census ?? null,
  };
  // What would end the script.
  return JSON.stringify(data).replaceAll('<', '\\u003c');
}

function legendTable(
  { totalPages, input, census, zerosLookedFor }: Picture,
  rows: readonly LegendRow[],
): string {
  const isFiltered = rows.some(({ absentPages }) => absentPages > 0);
  const cells = (...all: string[]) => all.map((cell) => `<td>${cell}</td>`).join('');
  const size = (pages: number) => memory(pages * input.pageSizeBytes);
  const kinds = rows.map(
    ({ kind, name, what, colour, pages, absentPages }) =>
      `<tr title="${escapeXml(what)}">${cells(
        `<button data-kind="${KindIndex[kind]}" aria-pressed="false"><span class="swatch" style="background: ${colour}"></span>${escapeXml(name)}</button>`,
        count(pages),
        size(pages),
        percent(pages, totalPages),
        ...(isFiltered ? [absentPages > 0 ? count(absentPages) : ''] : []),
      )}</tr>`,
  );
  const mark = (look: string, name: string, pages: number) =>
    `<tr>${cells(`<span class="swatch ${look}"></span>${name}`, count(pages), size(pages), percent(pages, totalPages))}</tr>`;
  const absent = rows.reduce((sum, { absentPages }) => sum + absentPages, 0);
  const marks = [
    ...(isFiltered ? [mark('dotted', 'not in dump', absent)] : []),
    ...(census?.meaning === 'encrypted' ? [mark('fine', 'encrypted', census.encryptedPages)] : []),
    ...(census === undefined ? [] : [mark('wide', 'shared', census.sharedPages)]),
  ];
  return `<table id="kinds">
<tr><th></th><th>pages</th><th>size</th><th>share</th>${isFiltered ? '<th>not in dump</th>' : ''}</tr>
${kinds.join('\n')}
<tr class="sum">${cells('all', count(totalPages), size(totalPages), '', ...(isFiltered ? [count(absent)] : []))}</tr>
${marks.join('\n')}
</table>${zerosLookedFor ? '' : '\n<p class="soft">Pages of zeros were not looked for.</p>'}`;
}
