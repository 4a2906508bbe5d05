/** Where what is on the screen: rows of cells, each row beginning at a multiple of its length. Second script. */

/** Narrower ones are no longer clicked at. */
const LEAST_CELL = 4;
const MOST_COLUMNS = 256;
const LEAST_ROW_SHIFT = 4;
/** Frame by frame, where no more page frames and windows than this are in sight. */
const MOST_PAGES = 2 ** 25;
const MOST_WINDOWS = 2048;
const GUTTER = 118;

const view = {
  /** Page frames of a row, as a power of two, and the row at the top. */
  rowShift: LEAST_ROW_SHIFT,
  top: 0,
  /** In CSS pixels. */
  width: 0,
  height: 0,
  /** Height and width of a cell; the width need not be whole. */
  cell: 0,
  cellWidth: 0,
  columns: 0,
  /** Rows that are seen, and all of them: stretches without a gap, [first page frame, rows, rows before it]. */
  seen: 0,
  /** @type {[number, number, number][]} */
  stretches: [],
  total: 0,
  /** First page frame of the cell with the keyboard's mark. */
  cursor: -1,
};

const rowPages = () => 2 ** view.rowShift;
const cellPages = () => rowPages() / view.columns;

/** Rows of a length: only what has windows. @param {number} shift */
function stretchesOf(shift) {
  const pages = 2 ** shift;
  /** @type {[number, number, number][]} */
  const all = [];
  let total = 0;
  for (const [first, count] of map.windows) {
    const end = Math.ceil(Math.min(first + count * map.windowPages, map.end) / pages);
    let from = Math.floor(first / pages);
    const last = all[all.length - 1];
    const lastEnd = last === undefined ? -1 : last[0] / pages + last[1];
    from = Math.max(from, lastEnd);
    if (from >= end) continue;
    if (from === lastEnd) last[1] += end - from;
    else all.push([from * pages, end - from, total]);
    total += end - from;
  }
  return { all, total };
}

/** First page frame of a row; undefined behind the last one. @param {number} row */
function rowStart(row) {
  const { stretches } = view;
  let low = 0;
  let high = stretches.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (stretches[middle][2] <= row) low = middle + 1;
    else high = middle;
  }
  const stretch = stretches[low - 1];
  return stretch === undefined || row >= stretch[2] + stretch[1]
    ? undefined
    : stretch[0] + (row - stretch[2]) * rowPages();
}

/** The row of a page frame, or of the next one that has a row. @param {number} pfn */
function rowOf(pfn) {
  for (const [first, rows, before] of view.stretches) {
    if (pfn < first) return before;
    if (pfn < first + rows * rowPages()) return before + Math.floor((pfn - first) / rowPages());
  }
  return Math.max(0, view.total - 1);
}

/** Fits all to the size of the canvas and of rows. @param {number} shift */
function layOut(shift) {
  const room = Math.max(64, view.width - GUTTER);
  const most = room >= MOST_COLUMNS * LEAST_CELL ? MOST_COLUMNS : MOST_COLUMNS / 2;
  view.rowShift = Math.max(LEAST_ROW_SHIFT, shift);
  view.columns = Math.min(most, rowPages());
  view.cellWidth = room / view.columns;
  view.cell = Math.max(1, Math.floor(view.cellWidth));
  view.seen = Math.max(1, Math.floor(view.height / view.cell));
  const { all, total } = stretchesOf(view.rowShift);
  view.stretches = all;
  view.total = total;
  view.top = Math.max(0, Math.min(view.top, total - view.seen));
}

/** All of it, or as much as there can be. */
function layOutWhole() {
  view.top = 0;
  for (let shift = LEAST_ROW_SHIFT; ; shift++) {
    layOut(shift);
    if (view.total <= view.seen || shift > 52) break;
  }
  // Few rows may be higher.
  const most = Math.min(view.cell * 2, Math.floor(view.height / Math.max(1, view.total)));
  view.cell = Math.max(view.cell, most);
  view.seen = Math.floor(view.height / view.cell);
}

/** A row twice or half as long; the page frame stays at its height. @param {number} by -1: closer @param {number} pfn */
function zoom(by, pfn) {
  const before = rowOf(pfn) - view.top;
  const height = before * view.cell;
  // Not smaller than all of it.
  if (by > 0 && view.total <= view.seen) return;
  layOut(view.rowShift + by);
  view.top = rowOf(pfn) - Math.round(height / view.cell);
  view.top = Math.max(0, Math.min(view.top, view.total - view.seen));
}

/** First page frame of the cell at a place of the canvas; undefined where there is none. @param {number} x @param {number} y */
function cellAt(x, y) {
  const column = Math.floor((x - GUTTER) / view.cellWidth);
  const start = rowStart(view.top + Math.floor(y / view.cell));
  if (column < 0 || column >= view.columns || start === undefined) return undefined;
  return start + column * cellPages();
}

/** Whether page frames are looked at one by one. */
function isClose() {
  const pages = Math.min(view.seen, view.total) * rowPages();
  return pages <= MOST_PAGES && pages / map.windowPages <= MOST_WINDOWS;
}
