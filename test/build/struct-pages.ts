/** The bytes of struct pages, many at a time. */
import type { KernelProfile } from './kernel-profile.ts';
import type { PageWords } from './page-kinds.ts';
import type { Run } from './runs.ts';
import { runEnd } from './runs.ts';

export const structPageBytes = 64;

/** First pfn of each zone: DMA below 16 MiB, DMA32 below 4 GiB, Normal. */
export const zoneStarts = [0, 4096, 0x100000] as const;
export const zoneOf = (pfn: number): number => (pfn < 4096 ? 0 : pfn < 0x100000 ? 1 : 2);

// page.flags on x86_64 with 1024 nodes and 5 zones: node << 54 | zone << 51 | last cpupid (none: all ones) << 30.
const zoneFlags = (zone: number): bigint => (BigInt(zone) << 51n) | 0x7ffffc0000000n;
const tailMapping = 0xdead000000000400n;
const looseWords: PageWords = { flags: 0n, mapping: 0n, private: 0n, mapcount: -1, refcount: 0 };

export interface FillOptions {
  readonly kernel: KernelProfile;
  /** Virtual address of the struct page of a page frame. */
  readonly structPageVaddr: (pfn: number) => bigint;
}

interface Patterns {
  readonly head: Uint8Array;
  readonly first: Uint8Array;
  readonly rest: Uint8Array;
}

/** Fills `out` with the struct pages of [start, start + out.length / 64), which are reserved where no run says more. */
export class StructPageFiller {
  readonly #o: FillOptions;
  readonly #patterns = new Map<string, Patterns>();
  readonly #ids = new Map<Run['look'], number>();

  constructor(options: FillOptions) {
    this.#o = options;
  }

  /** `runs`: sorted; those outside the frames are passed over. `from`: index of the first that can matter. */
  fill(out: Uint8Array, start: number, runs: readonly Run[], from = 0): void {
    const end = start + out.length / structPageBytes;
    const { kernel } = this.#o;
    const holeWords = { ...looseWords, flags: 1n << BigInt(kernel.bits.reserved), refcount: 1 };
    let at = start;
    const hole = (to: number): void => {
      this.#eachZone(at, to, (a, b, zone) =>
        repeat(out, (a - start) * 64, this.#encode(holeWords, zone), b - a),
      );
    };
    for (let i = from; i < runs.length && runs[i].pfn < end; i++) {
      if (runEnd(runs[i]) <= at) continue;
      if (runs[i].pfn > at) hole(runs[i].pfn);
      const first = Math.max(runs[i].pfn, start);
      const last = Math.min(runEnd(runs[i]), end);
      this.#eachZone(first, last, (a, b, zone) => this.#fillRun(out, start, runs[i], a, b, zone));
      at = last;
    }
    if (at < end) hole(end);
  }

  #eachZone(from: number, to: number, each: (a: number, b: number, zone: number) => void): void {
    for (let a = from; a < to; ) {
      const b = Math.min(to, zoneStarts.find((s) => s > a) ?? to);
      each(a, b, zoneOf(a));
      a = b;
    }
  }

  #fillRun(out: Uint8Array, start: number, run: Run, a: number, b: number, zone: number): void {
    const { look } = run;
    const patterns = this.#patternsOf(look, zone);
    const offset = (pfn: number): number => (pfn - start) * structPageBytes;
    if (look.shape === 'single') {
      repeat(out, offset(a), patterns.head, b - a);
      return;
    }
    const size = 2 ** look.order;
    repeat(out, offset(a), patterns.rest, b - a);
    const pointsAtHead = look.shape === 'compound' && this.#o.kernel.tail === 'pointer';
    const headField = this.#o.kernel.page.compound_head;
    const words = new DataView(out.buffer, out.byteOffset, out.byteLength);
    for (let head = run.pfn + Math.floor((a - run.pfn) / size) * size; head < b; head += size) {
      if (head >= a) out.set(patterns.head, offset(head));
      if (head + 1 >= a && head + 1 < b) out.set(patterns.first, offset(head + 1));
      if (!pointsAtHead) continue;
      const pointer = this.#o.structPageVaddr(head) | 1n;
      const [low, high] = [Number(pointer & 0xffffffffn), Number(pointer >> 32n)];
      for (let pfn = Math.max(a, head + 1); pfn < Math.min(b, head + size); pfn++) {
        words.setUint32(offset(pfn) + headField, low, true);
        words.setUint32(offset(pfn) + headField + 4, high, true);
      }
    }
  }

  #patternsOf(look: Run['look'], zone: number): Patterns {
    let id = this.#ids.get(look);
    if (id === undefined) {
      id = this.#ids.size;
      this.#ids.set(look, id);
    }
    const key = `${id}/${zone}`;
    let patterns = this.#patterns.get(key);
    if (!patterns) {
      patterns = this.#makePatterns(look, zone);
      this.#patterns.set(key, patterns);
    }
    return patterns;
  }

  #makePatterns(look: Run['look'], zone: number): Patterns {
    const { kernel } = this.#o;
    if (look.shape !== 'compound') {
      const head = this.#encode(look.head, zone);
      if (look.name === 'orphanTail') setU64(head, kernel.page.compound_head, 0xffffea0000bad001n);
      const loose = this.#encode(looseWords, zone);
      return { head, first: loose, rest: loose };
    }
    const head = this.#encode(
      { ...look.head, flags: look.head.flags | (1n << BigInt(kernel.bits.head)) },
      zone,
    );
    const rest = this.#encode({ ...looseWords, mapping: tailMapping }, zone);
    if (kernel.tail === 'mask') {
      const blockBytes = BigInt(structPageBytes * 2 ** look.order);
      setU64(rest, kernel.page.compound_head, -blockBytes | 1n);
    }
    const first = rest.slice();
    const { compound } = kernel;
    if (compound.in === 'flags') {
      const hugetlb =
        look.hugetlb && kernel.bits.hugetlb !== undefined ? 1n << BigInt(kernel.bits.hugetlb) : 0n;
      setU64(first, 0, (zoneFlags(zone) & ~0xffn) | BigInt(look.order) | hugetlb);
    } else {
      // COMPOUND_PAGE_DTOR, HUGETLB_PAGE_DTOR, TRANSHUGE_PAGE_DTOR
      const dtor = look.hugetlb ? 2 : look.name === 'thp' ? 3 : 1;
      first.fill(0, compound.dtor, compound.dtor + compound.bytes);
      first.fill(0, compound.order, compound.order + compound.bytes);
      first[compound.dtor] = dtor;
      first[compound.order] = look.order;
    }
    return { head, first, rest };
  }

  #encode(words: PageWords, zone: number): Uint8Array {
    const { page } = this.#o.kernel;
    const bytes = new Uint8Array(structPageBytes);
    const view = new DataView(bytes.buffer);
    setU64(bytes, page.flags, words.flags | zoneFlags(zone));
    setU64(bytes, page.mapping, words.mapping);
    setU64(bytes, page.private, words.private);
    view.setInt32(page._mapcount, words.mapcount, true);
    view.setInt32(page._refcount, words.refcount, true);
    // list_head poison or list pointers: always even, or it would read as a tail's compound_head
    setU64(bytes, page.lru, 0xdead000000000100n);
    setU64(bytes, page.lru + 8, 0xdead000000000122n);
    if (words.mapping !== 0n && page.mapping !== page.lru) setU64(bytes, page.mapping, words.mapping);
    return bytes;
  }
}

function setU64(bytes: Uint8Array, byteOffset: number, value: bigint): void {
  new DataView(bytes.buffer, bytes.byteOffset).setBigUint64(byteOffset, BigInt.asUintN(64, value), true);
}

/** Copies `pattern` `times` times, doubling what is there already. */
function repeat(out: Uint8Array, byteOffset: number, pattern: Uint8Array, times: number): void {
  if (times <= 0) return;
  const total = pattern.length * times;
  out.set(pattern, byteOffset);
  for (let done = pattern.length; done < total; ) {
    const n = Math.min(done, total - done);
    out.copyWithin(byteOffset + done, byteOffset, byteOffset + n);
    done += n;
  }
}
