/** What the mouse and the keyboard do. Last script. */

const tip = at('tip');
const said = at('said');
const numbers = new Intl.NumberFormat('en');
const names = new Map(map.kinds.map(({ kind, name }) => [kind, name]));

/** @param {number} pfn @param {number} pages @returns {string[]} */
function describe(pfn, pages) {
  /** @type {Map<number, number>} */
  const kinds = new Map();
  const sums = { memory: 0, absent: 0, encrypted: 0, shared: 0 };
  let isExact = true;
  memoryIn(
    pfn,
    pfn + pages,
    isClose(),
    (from, to, code, share, exactly) => {
      if ((code & KIND) === NONE) return;
      const some = to - from;
      kinds.set(code & KIND, (kinds.get(code & KIND) ?? 0) + some * share);
      sums.memory += some;
      if ((code & ABSENT) !== 0) sums.absent += some;
      if ((code & ENCRYPTED) !== 0) sums.encrypted += some;
      if ((code & SHARED) !== 0) sums.shared += some;
      isExact &&= exactly;
    },
    redraw,
  );
  const hex = (/** @type {number} */ value) => `0x${value.toString(16)}`;
  const last = pfn + pages - 1;
  const frame = pages === 1 ? `page frame ${hex(pfn)}` : `page frames ${hex(pfn)} to ${hex(last)}`;
  const address =
    pages === 1
      ? `address ${hex(pfn * map.pageSize)}`
      : `address ${hex(pfn * map.pageSize)} to ${hex((last + 1) * map.pageSize - 1)}`;
  if (sums.memory === 0) return [frame, address, 'no memory'];
  const some = (/** @type {number} */ of) => (pages === 1 ? '' : ` ${numbers.format(of)}`);
  const parts = [...kinds]
    .sort(([, a], [, b]) => b - a)
    .map(([kind, of]) => `${names.get(kind)}${some(Math.round(of))}`);
  const flags = [
    ...(sums.absent > 0 ? [`not in the dump${some(sums.absent)}`] : []),
    ...(sums.encrypted > 0 ? [`encrypted${some(sums.encrypted)}`] : []),
    ...(sums.shared > 0 ? [`shared, not encrypted${some(sums.shared)}`] : []),
  ];
  return [
    frame,
    address,
    `${isExact ? '' : 'mostly '}${parts.slice(0, 4).join(', ')}${parts.length > 4 ? ' …' : ''}`,
    ...flags,
  ];
}

/** Where the mouse was last. */
const pointer = { x: 0, y: 0 };

/** @param {number} x @param {number} y of the canvas */
function showTip(x, y) {
  Object.assign(pointer, { x, y });
  const pfn = cellAt(x, y);
  tip.hidden = pfn === undefined;
  if (pfn === undefined) return;
  tip.replaceChildren(
    ...describe(pfn, cellPages()).map((line) =>
      Object.assign(document.createElement('div'), { textContent: line }),
    ),
  );
  const box = canvas.getBoundingClientRect();
  const { offsetWidth, offsetHeight } = tip;
  const left = box.left + x + 16 + offsetWidth > innerWidth ? x - offsetWidth - 12 : x + 16;
  const topAt = box.top + y + 16 + offsetHeight > innerHeight ? y - offsetHeight - 12 : y + 16;
  tip.style.left = `${box.left + left + scrollX}px`;
  tip.style.top = `${box.top + topAt + scrollY}px`;
}

/** @param {number} rows */
function scroll(rows) {
  view.top = Math.max(0, Math.min(view.top + rows, view.total - view.seen));
  redraw();
}

/** Makes a page frame the cell that the keyboard moves from. @param {number} pfn */
function mark(pfn) {
  const row = rowOf(pfn);
  const start = rowStart(row) ?? 0;
  const inRow = Math.max(0, Math.min(pfn - start, rowPages() - 1));
  view.cursor = start + Math.floor(inRow / cellPages()) * cellPages();
  if (row < view.top) view.top = row;
  if (row >= view.top + view.seen) view.top = row - view.seen + 1;
  said.textContent = describe(view.cursor, cellPages()).join('; ');
  redraw();
}

/** @param {number} by @param {number} [pfn] */
function zoomAt(by, pfn) {
  const middle = rowStart(view.top + Math.floor(Math.min(view.seen, view.total) / 2)) ?? 0;
  const place = pfn ?? (view.cursor >= 0 ? view.cursor : middle);
  zoom(by, place);
  if (view.cursor >= 0) mark(place);
  tip.hidden = true;
  redraw();
}

function whole() {
  layOutWhole();
  view.cursor = -1;
  redraw();
}

/** One cell to the left or right, or a row up or down. @param {number} columns @param {number} rows */
function step(columns, rows) {
  if (view.cursor < 0) {
    mark(rowStart(view.top) ?? 0);
    return;
  }
  const row = rowOf(view.cursor);
  const inRow = view.cursor - (rowStart(row) ?? 0) + columns * cellPages();
  const over = Math.floor(inRow / rowPages());
  const target = Math.max(0, Math.min(row + rows + over, view.total - 1));
  mark((rowStart(target) ?? 0) + inRow - over * rowPages());
}

/** @type {Record<string, () => void>} */
const KEYS = {
  ArrowLeft: () => step(-1, 0),
  ArrowRight: () => step(1, 0),
  ArrowUp: () => step(0, -1),
  ArrowDown: () => step(0, 1),
  PageUp: () => scroll(-view.seen + 1),
  PageDown: () => scroll(view.seen - 1),
  Home: () => scroll(-view.total),
  End: () => scroll(view.total),
  '+': () => zoomAt(-1),
  '=': () => zoomAt(-1),
  '-': () => zoomAt(1),
  0: whole,
};

canvas.addEventListener('keydown', (event) => {
  const act = KEYS[event.key];
  if (act === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  act();
});
canvas.addEventListener(
  'wheel',
  (event) => {
    event.preventDefault();
    if (event.ctrlKey || event.shiftKey)
      zoomAt(event.deltaY + event.deltaX < 0 ? -1 : 1, cellAt(event.offsetX, event.offsetY));
    else scroll(Math.sign(event.deltaY) * Math.max(1, Math.round(48 / view.cell)));
  },
  { passive: false },
);
/** @type {{ y: number, top: number } | undefined} */
let drag;
canvas.addEventListener('pointerdown', (event) => {
  drag = { y: event.offsetY, top: view.top };
  canvas.setPointerCapture(event.pointerId);
});
canvas.addEventListener('pointermove', (event) => {
  if (drag !== undefined && Math.abs(event.offsetY - drag.y) > 3) {
    const top = drag.top + Math.round((drag.y - event.offsetY) / view.cell);
    scroll(top - view.top);
    tip.hidden = true;
  } else showTip(event.offsetX, event.offsetY);
});
canvas.addEventListener('pointerup', (event) => {
  const isClick = drag !== undefined && Math.abs(event.offsetY - drag.y) <= 3;
  drag = undefined;
  const pfn = isClick ? cellAt(event.offsetX, event.offsetY) : undefined;
  if (pfn !== undefined) mark(pfn);
});
// What was not unpacked yet may be by now.
canvas.addEventListener('drawn', () => {
  if (!tip.hidden) showTip(pointer.x, pointer.y);
});
canvas.addEventListener('pointerleave', () => {
  tip.hidden = true;
});
canvas.addEventListener('dblclick', (event) =>
  zoomAt(event.shiftKey ? 2 : -2, cellAt(event.offsetX, event.offsetY)),
);
strip.addEventListener('pointerdown', (event) => {
  const share = (event.offsetX - GUTTER) / (view.width - GUTTER);
  scroll(Math.round(share * view.total - view.seen / 2) - view.top);
});

at('closer').addEventListener('click', () => zoomAt(-1));
at('wider').addEventListener('click', () => zoomAt(1));
at('whole').addEventListener('click', whole);
const form = /** @type {HTMLFormElement} */ (at('go'));
form.addEventListener('submit', (event) => {
  event.preventDefault();
  const input = /** @type {HTMLInputElement} */ (at('address'));
  const address = Number.parseInt(input.value.trim().replace(/^0x/i, ''), 16);
  const isThere = Number.isFinite(address) && windowOf(Math.floor(address / map.pageSize)) >= 0;
  input.setCustomValidity(isThere ? '' : 'no memory there: a physical address, hexadecimal');
  if (!isThere) {
    input.reportValidity();
    return;
  }
  const pfn = Math.floor(address / map.pageSize);
  mark(pfn);
  view.top = Math.max(0, Math.min(rowOf(pfn) - (view.seen >> 1), view.total - view.seen));
  redraw();
  canvas.focus();
});
at('address').addEventListener('input', () =>
  /** @type {HTMLInputElement} */ (at('address')).setCustomValidity(''),
);

for (const button of document.querySelectorAll('#kinds button')) {
  button.addEventListener('click', () => {
    const kind = Number(button.getAttribute('data-kind'));
    if (!only.delete(kind)) only.add(kind);
    button.setAttribute('aria-pressed', String(only.has(kind)));
    redraw();
  });
}

/** As the system has it, or one of both. @param {string} theme */
function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  patterns.clear();
  redraw();
}
const switches = /** @type {HTMLSelectElement} */ (at('theme'));
switches.addEventListener('change', () => setTheme(switches.value));
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => setTheme(switches.value));
// Paper is white.
addEventListener('beforeprint', () => {
  document.documentElement.dataset.theme = 'light';
  draw();
});
addEventListener('afterprint', () => setTheme(switches.value));

function measure() {
  const box = canvas.getBoundingClientRect();
  view.width = at('grid').clientWidth;
  view.height = Math.max(240, innerHeight - box.top - scrollY - 56);
  canvas.style.height = `${view.height}px`;
}
addEventListener('resize', () => {
  const isWhole = view.total <= view.seen;
  measure();
  if (isWhole) layOutWhole();
  else layOut(view.rowShift);
  redraw();
});

unpack(bytesOf('tiles')).then((bytes) => {
  loaded.tiles = bytes;
  measure();
  layOutWhole();
  redraw();
  document.documentElement.dataset.ready = 'yes';
});
