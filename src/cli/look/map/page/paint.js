/** Draws the cells, with what hatches them. Third script. */

const canvas = /** @type {HTMLCanvasElement} */ (at('cells'));
const strip = /** @type {HTMLCanvasElement} */ (at('strip'));
const colours = new Map(map.kinds.map(({ kind, colour }) => [kind, colour]));
/** Kinds that are shown alone; empty: all. @type {Set<number>} */
const only = new Set();
/** Sums of a row's cells: page frames of each kind, and behind them those not in the dump, encrypted, shared. */
const SUMS = 20;
const sums = new Float64Array(MOST_COLUMNS * SUMS);
/** @type {Map<string, CanvasPattern>} */
const patterns = new Map();

const style = (/** @type {string} */ name) =>
  getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** What a cell mostly is; anything shared in it is told. @param {number} column */
function codeOf(column) {
  const base = column * SUMS;
  let best = NONE;
  let memory = 0;
  for (let kind = 1; kind <= KIND; kind++) {
    const pages = sums[base + kind];
    memory += pages;
    if (pages > 0 && (best === NONE || pages > sums[base + best])) best = kind;
  }
  return (
    best |
    (sums[base + 16] * 2 > memory ? ABSENT : 0) |
    (sums[base + 17] * 2 > memory ? ENCRYPTED : 0) |
    (sums[base + 18] > 0 ? SHARED : 0)
  );
}

/** @param {number} start @param {number} pages of a cell @param {number} columns @param {boolean} closely @returns {Uint8Array} */
function rowCodes(start, pages, columns, closely) {
  sums.fill(0, 0, columns * SUMS);
  const add = (
    /** @type {number} */ from,
    /** @type {number} */ to,
    /** @type {number} */ code,
    /** @type {number} */ share,
  ) => {
    for (let at = from; at < to; ) {
      const column = Math.floor((at - start) / pages);
      const next = Math.min(to, start + (column + 1) * pages);
      const base = column * SUMS;
      sums[base + (code & KIND)] += (next - at) * share;
      if ((code & ABSENT) !== 0) sums[base + 16] += (next - at) * share;
      if ((code & ENCRYPTED) !== 0) sums[base + 17] += (next - at) * share;
      if ((code & SHARED) !== 0) sums[base + 18] += next - at;
      at = next;
    }
  };
  memoryIn(start, start + pages * columns, closely, add, redraw);
  return Uint8Array.from({ length: columns }, (_, column) => codeOf(column));
}

/** A small tile that is repeated. @param {string} key @param {number} size @param {(to: CanvasRenderingContext2D) => void} draw */
function pattern(key, size, draw) {
  let found = patterns.get(key);
  if (found === undefined) {
    const tile = document.createElement('canvas');
    tile.width = size;
    tile.height = size;
    const to = /** @type {CanvasRenderingContext2D} */ (tile.getContext('2d'));
    draw(to);
    found = /** @type {CanvasPattern} */ (to.createPattern(tile, 'repeat'));
    patterns.set(key, found);
  }
  return found;
}

/** @param {string} key @param {number} size @param {[colour: string, width: number][]} lines */
const stripes = (key, size, lines) =>
  pattern(key, size, (to) => {
    for (const [colour, width] of lines) {
      to.strokeStyle = colour;
      to.lineWidth = width;
      to.beginPath();
      for (const shift of [-size, 0, size]) {
        to.moveTo(shift - 1, size + 1);
        to.lineTo(shift + size + 1, -1);
      }
      to.stroke();
    }
  });

/** @param {CanvasRenderingContext2D} to @param {number} code @param {number} x @param {number} y @param {number} width @param {number} height */
function fill(to, code, x, y, width, height) {
  const kind = code & KIND;
  if (kind === NONE) return;
  const colour = colours.get(kind) ?? '#f0f';
  to.globalAlpha = only.size > 0 && !only.has(kind) ? 0.12 : 1;
  to.fillStyle =
    (code & ABSENT) === 0
      ? colour
      : pattern(`absent ${colour}`, 4, (dots) => {
          dots.fillStyle = colour;
          dots.fillRect(0, 0, 2, 2);
          dots.fillRect(2, 2, 2, 2);
        });
  to.fillRect(x, y, width, height);
  if ((code & SHARED) !== 0) {
    to.fillStyle = stripes('shared', 8, [
      ['#fff', 4],
      ['#000', 2],
    ]);
    to.fillRect(x, y, width, height);
  } else if ((code & ENCRYPTED) !== 0) {
    to.fillStyle = stripes('encrypted', 6, [['rgba(0, 0, 0, .3)', 1]]);
    to.fillRect(x, y, width, height);
  }
  to.globalAlpha = 1;
}

/** @param {HTMLCanvasElement} on @param {number} width @param {number} height */
function fresh(on, width, height) {
  const scale = window.devicePixelRatio || 1;
  on.width = Math.round(width * scale);
  on.height = Math.round(height * scale);
  const to = /** @type {CanvasRenderingContext2D} */ (on.getContext('2d'));
  to.setTransform(scale, 0, 0, scale, 0, 0);
  return to;
}

function draw() {
  const { cell, cellWidth, columns, width, height, seen, top } = view;
  const left = (/** @type {number} */ column) => GUTTER + Math.round(column * cellWidth);
  const to = fresh(canvas, width, height);
  const closely = isClose();
  const isWide = cellWidth >= 12;
  to.font = '11px ui-monospace, monospace';
  to.textAlign = 'right';
  to.textBaseline = 'top';
  const every = Math.max(1, Math.ceil(20 / cell));
  for (let i = 0, last = -1; i < seen; i++) {
    const start = rowStart(top + i);
    if (start === undefined) break;
    const y = i * cell;
    const isBehindGap = last >= 0 && start !== last + rowPages();
    last = start;
    if (i % every === 0) {
      to.fillStyle = style('--ink');
      to.fillText(`0x${(start * map.pageSize).toString(16)}`, GUTTER - 8, y);
    }
    const codes = rowCodes(start, cellPages(), columns, closely);
    for (let from = 0; from < columns; ) {
      let end = from + 1;
      while (!isWide && end < columns && codes[end] === codes[from]) end++;
      const space = isWide ? 1 : 0;
      fill(to, codes[from], left(from), y, left(end) - left(from) - space, cell - space);
      from = end;
    }
    if (isBehindGap) {
      // Dotted cells on both sides must not swallow it.
      to.fillStyle = style('--paper');
      to.fillRect(GUTTER, y - 2, width - GUTTER, 4);
      to.fillStyle = style('--ink');
      for (let x = 0; x < width - GUTTER; x += 12) to.fillRect(GUTTER + x, y - 1, 8, 2);
    }
  }
  drawCursor(to);
  drawStrip();
}

/** @param {CanvasRenderingContext2D} to */
function drawCursor(to) {
  if (view.cursor < 0) return;
  const row = rowOf(view.cursor);
  const start = rowStart(row);
  if (start === undefined || row < view.top || row >= view.top + view.seen) return;
  const x = GUTTER + Math.round(((view.cursor - start) / cellPages()) * view.cellWidth);
  const y = (row - view.top) * view.cell;
  for (const [colour, width] of /** @type {const} */ ([
    ['#fff', 4],
    ['#000', 2],
  ])) {
    to.strokeStyle = colour;
    to.lineWidth = width;
    to.strokeRect(x - 1, y - 1, Math.round(view.cellWidth) + 2, view.cell + 2);
  }
}

/** All of memory in one line, and what of it is in sight. */
function drawStrip() {
  const height = 16;
  const to = fresh(strip, view.width, height);
  const room = view.width - GUTTER;
  const pages = starts.length * map.windowPages - (starts[starts.length - 1] + map.windowPages - map.end);
  for (let x = 0; x < room; x++) {
    const position = Math.floor((x / room) * pages);
    const index = Math.floor(position / map.windowPages);
    const tile = Math.floor((position % map.windowPages) / tilePages);
    fill(to, loaded.tiles[(index * tilesPerWindow + tile) * 2], GUTTER + x, 2, 1, height - 4);
  }
  const from = (view.top / view.total) * room;
  const length = Math.max(3, (Math.min(view.seen, view.total) / view.total) * room);
  to.strokeStyle = style('--ink');
  to.lineWidth = 2;
  to.strokeRect(GUTTER + from + 1, 1, length - 2, height - 2);
}

let isDue = false;
function redraw() {
  if (isDue) return;
  isDue = true;
  requestAnimationFrame(() => {
    isDue = false;
    draw();
    canvas.dispatchEvent(new Event('drawn'));
  });
}
