/** What the page knows of memory: tiles for all of it, and frame by frame what is looked at closely. First of the page's four scripts. */

const NONE = 0;
const KIND = 0x0f;
const ABSENT = 0x10;
const ENCRYPTED = 0x20;
const SHARED = 0x40;
/** Windows that stay unpacked; what is packed of all of them is a few MB. */
const MOST_UNPACKED = 3072;

/** @param {string} id */
const at = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

/**
 * @typedef {{ kind: number, name: string, what: string, colour: string, pages: number, absentPages: number }} KindRow
 * @typedef {{ ends: Uint32Array, codes: Uint8Array }} Runs `ends`: the first page frame of the window behind each run
 */

/** @type {{ pageSize: number, windowPages: number, tileShift: number, totalPages: number, end: number, windows: [number, number][],
 * lengths: number[], shifts: number[], kinds: KindRow[], census: { meaning: string } | null }} */
const map = JSON.parse(at('map').textContent ?? '');
const tilePages = 2 ** map.tileShift;
const tilesPerWindow = map.windowPages / tilePages;

/** First page frame of each window. */
const starts = map.windows.flatMap(([first, count]) =>
  Array.from({ length: count }, (_, i) => first + i * map.windowPages),
);
/** Where each window's runs begin among all of them. */
const offsets = [0];
for (const length of map.lengths) offsets.push(offsets[offsets.length - 1] + length);

/** @param {string} id */
function bytesOf(id) {
  const text = atob((at(id).textContent ?? '').trim());
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}

/** @param {Uint8Array<ArrayBuffer>} packed */
async function unpack(packed) {
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream('deflate-raw'));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

const packedRuns = bytesOf('runs');
/** Two bytes a tile: what, and how much of it in 255ths. Empty until they are unpacked. */
const loaded = { tiles: new Uint8Array(0) };
/** @type {Map<number, Runs | undefined>} undefined: on its way */
const unpacked = new Map();

/** The window that has the page frame; -1: there is none. @param {number} pfn */
function windowOf(pfn) {
  let low = 0;
  let high = starts.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (starts[middle] <= pfn) low = middle + 1;
    else high = middle;
  }
  return low > 0 && pfn < starts[low - 1] + map.windowPages ? low - 1 : -1;
}

/** Runs of a window where they are there already; else they are fetched, and `then` is called. @param {number} index @param {() => void} then */
function runsOf(index, then) {
  const runs = unpacked.get(index);
  if (runs !== undefined || unpacked.has(index)) return runs;
  unpacked.set(index, undefined);
  for (const old of unpacked.keys()) if (unpacked.size > MOST_UNPACKED) unpacked.delete(old);
  unpack(packedRuns.slice(offsets[index], offsets[index + 1])).then((bytes) => {
    unpacked.set(index, readRuns(bytes, 2 ** map.shifts[index]));
    then();
  });
  return undefined;
}

/** @param {Uint8Array} bytes @param {number} each page frames that a length counts @returns {Runs} */
function readRuns(bytes, each) {
  const ends = [];
  const codes = [];
  let end = 0;
  for (let i = 0; i < bytes.length; ) {
    codes.push(bytes[i++]);
    let length = 0;
    for (let shift = 0; ; shift += 7) {
      length |= (bytes[i] & 0x7f) << shift;
      if (bytes[i++] < 0x80) break;
    }
    end += length * each;
    ends.push(end);
  }
  return { ends: Uint32Array.from(ends), codes: Uint8Array.from(codes) };
}

/** Where in the window the run is that has a page frame of it. @param {Runs} runs @param {number} frame */
function runAt({ ends }, frame) {
  let low = 0;
  let high = ends.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (ends[middle] <= frame) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * Tells `take` of all memory from `pfn` to `end - 1`, in pieces of one kind; `exactly` false: only most of a piece is of it.
 * @param {number} pfn @param {number} end @param {boolean} closely
 * @param {(from: number, to: number, code: number, share: number, exactly: boolean) => void} take @param {() => void} then
 */
function memoryIn(pfn, end, closely, take, then) {
  for (let from = pfn; from < end; ) {
    const index = windowOf(from);
    if (index < 0) {
      from = from - (from % map.windowPages) + map.windowPages;
      continue;
    }
    const start = starts[index];
    const to = Math.min(end, start + map.windowPages);
    const runs = closely ? runsOf(index, then) : undefined;
    if (runs !== undefined) {
      for (let run = runAt(runs, from - start); from < to && run < runs.codes.length; run++) {
        const next = Math.min(to, start + runs.ends[run]);
        take(from, next, runs.codes[run], 1, map.shifts[index] === 0);
        from = next;
      }
      from = to;
      continue;
    }
    while (from < to) {
      const tile = Math.floor((from - start) / tilePages);
      const next = Math.min(to, start + (tile + 1) * tilePages);
      const place = (index * tilesPerWindow + tile) * 2;
      take(from, next, loaded.tiles[place], loaded.tiles[place + 1] / 255, false);
      from = next;
    }
  }
}
