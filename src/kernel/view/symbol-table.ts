/** All symbols of a kernel, from its own table (kallsyms) as it lies in the dumped memory. */

import {
  ByteStream,
  encodings,
  fitsKnown,
  type KallsymsLocation,
  type KnownSymbol,
  MAX_NAME_LENGTH,
  MAX_NAMES_BYTES,
  MAX_SYMBOLS,
  type Matches,
  Memory,
  matchNames,
  type ReadVirtual,
  readTokens,
  type Tokens,
} from '../kallsyms.ts';

/** A symbol, and how far behind it something is. */
export interface Place {
  readonly name: string;
  readonly vaddr: bigint;
  readonly offset: number;
  /** To the next symbol; undefined behind the last one, and behind the last of the lower half of all addresses (per-CPU variables). */
  readonly sizeBytes: number | undefined;
}

export interface KernelSymbol {
  readonly name: string;
  readonly vaddr: bigint;
  /** As nm(1) has it: "T", "t", "D", "A" … */
  readonly type: string;
}

const CHUNK_BYTES = 256 * 1024;
const PAGE_BYTES = 4096;
/** That two bytes can say. */
const MAX_LENGTH = 0x3fff;
/** Names of one address that are looked at. */
const MAX_ALIASES = 1024;

/** Symbols in the order of their addresses. */
export class SymbolTable {
  readonly count: number;
  private readonly tokens: Tokens;
  private readonly names: Uint8Array;
  /** Where in `names` an entry's length stands. */
  private readonly places: Uint32Array;
  private readonly vaddrs: BigUint64Array;
  private readonly found = new Map<string, readonly bigint[]>();

  private constructor(tokens: Tokens, names: Uint8Array, places: Uint32Array, vaddrs: BigUint64Array) {
    this.tokens = tokens;
    this.names = names;
    this.places = places;
    this.vaddrs = vaddrs;
    this.count = vaddrs.length;
  }

  /** Undefined where a table cannot be read, makes no sense, or gives other addresses for `known` symbols than theirs. */
  static read(
    read: ReadVirtual,
    location: KallsymsLocation,
    known: readonly KnownSymbol[],
    littleEndian = true,
  ): SymbolTable | undefined {
    const memory = new Memory(read, littleEndian);
    const count = memory.u32(location.kallsyms_num_syms);
    const tokens = readTokens(memory, location);
    const { kallsyms_names: namesAt, kallsyms_offsets: offsetsAt, kallsyms_relative_base: base } = location;
    if (count === undefined || count === 0 || count > MAX_SYMBOLS || tokens === undefined) return undefined;
    if (namesAt === undefined || offsetsAt === undefined) return undefined;
    const entries = memory.view(offsetsAt, count * 4);
    const stored = readNames(read, namesAt, count);
    if (entries === undefined || stored === undefined) return undefined;
    const { names, places } = stored;
    const wanted = new Set(known.map(({ name }) => name));
    const matches = matchNames(streamOf(names), count, tokens, wanted);
    if (matches === undefined) return undefined;
    for (const encoding of encodings(memory, offsetsAt, base)) {
      const vaddrOf = (index: number) =>
        BigInt.asUintN(64, encoding(index, entries.getUint32(index * 4, littleEndian)));
      if (
        !fitsKnown(
          matches,
          matches.list.map(({ index }) => vaddrOf(index)),
          known,
        )
      )
        continue;
      const vaddrs = new BigUint64Array(count);
      let isSorted = true;
      for (let i = 0; i < count; i++) {
        vaddrs[i] = vaddrOf(i);
        if (i > 0 && vaddrs[i]! < vaddrs[i - 1]!) isSorted = false;
      }
      if (isSorted) return new SymbolTable(tokens, names, places, vaddrs);
    }
    return undefined;
  }

  /** From elsewhere than a kernel's memory, in any order. */
  static of(symbols: readonly KernelSymbol[]): SymbolTable {
    const sorted = symbols
      .filter(({ name }) => name.length + 1 <= MAX_LENGTH)
      .sort((a, b) => (a.vaddr < b.vaddr ? -1 : a.vaddr > b.vaddr ? 1 : 0));
    // Every character is a token of its own.
    const texts = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code));
    const places = new Uint32Array(sorted.length);
    const pieces: Buffer[] = [];
    let at = 0;
    for (const [i, { name, type }] of sorted.entries()) {
      const text = Buffer.from(`${type}${name}`, 'latin1');
      const { length } = text;
      const head = length < 0x80 ? [length] : [(length & 0x7f) | 0x80, length >> 7];
      places[i] = at;
      pieces.push(Buffer.from(head), text);
      at += head.length + length;
    }
    const vaddrs = BigUint64Array.from(sorted, ({ vaddr }) => vaddr);
    const tokens = { texts, lengths: new Uint16Array(256).fill(1) };
    return new SymbolTable(tokens, Buffer.concat(pieces), places, vaddrs);
  }

  symbol(index: number): KernelSymbol {
    const text = this.text(index);
    const type = text.slice(0, 1);
    return { name: text.slice(1), vaddr: this.vaddrs[index]!, type: /[A-Za-z]/.test(type) ? type : '?' };
  }

  /** Addresses of all symbols of the name (MAX_MATCHES at most), ascending; a static function may be there many times. */
  find(name: string): readonly bigint[] {
    return this.findAll([name]).get(name) ?? [];
  }

  /** The symbols of the name, without making the names of the others; `more`: it has still more. */
  named(name: string): { readonly symbols: KernelSymbol[]; readonly more: boolean } {
    const { list, more } = this.matches(new Set([name]));
    return { symbols: list.map(({ index }) => this.symbol(index)), more: more.has(name) };
  }

  /** In one pass over the table for all names that were not asked for before. */
  findAll(names: readonly string[]): ReadonlyMap<string, readonly bigint[]> {
    const wanted = new Set(names.filter((name) => !this.found.has(name)));
    if (wanted.size > 0) {
      const lists = new Map<string, bigint[]>([...wanted].map((name) => [name, []]));
      for (const { name, index } of this.matches(wanted).list) lists.get(name)!.push(this.vaddrs[index]!);
      for (const [name, vaddrs] of lists) this.found.set(name, vaddrs);
    }
    return this.found;
  }

  private matches(wanted: ReadonlySet<string>): Matches {
    const found = matchNames(streamOf(this.names), this.count, this.tokens, wanted);
    return found ?? { list: [], more: new Set() };
  }

  /** The last symbol at or below an address: of several at one address the first that is global, else the first. */
  at(vaddr: bigint): Place | undefined {
    const { vaddrs, count } = this;
    const low = this.below(vaddr + 1n);
    if (low === 0) return undefined;
    const start = vaddrs[low - 1]!;
    const first = this.below(start);
    let best = first;
    for (let i = first; i < Math.min(low, first + MAX_ALIASES); i++) {
      const text = this.text(i);
      if (!/^[A-Z]/.test(text)) continue;
      // Of the two names of a system call the one of 64-bit programs.
      best = i;
      if (!text.includes('__ia32_')) break;
    }
    const next = low < count ? vaddrs[low]! : undefined;
    const isLast = next === undefined || next >> 63n !== start >> 63n;
    const sizeBytes = isLast ? undefined : Number(next - start);
    return { name: this.symbol(best).name, vaddr: start, offset: Number(vaddr - start), sizeBytes };
  }

  /** How many symbols are at lower addresses. */
  private below(vaddr: bigint): number {
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.vaddrs[middle]! < vaddr) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Type and name, which is no longer than the kernel's may be. */
  private text(index: number): string {
    const { names } = this;
    let at = this.places[index]!;
    let length = names[at++]!;
    if (length & 0x80) length = (length & 0x7f) | (names[at++]! << 7);
    let text = '';
    for (let i = 0; i < length && text.length <= MAX_NAME_LENGTH; i++)
      text += this.tokens.texts[names[at + i]!];
    return text.slice(0, 1 + MAX_NAME_LENGTH);
  }
}

/** The names as they are stored, and where each begins. */
function readNames(
  read: ReadVirtual,
  vaddr: bigint,
  count: number,
): { names: Uint8Array; places: Uint32Array } | undefined {
  const places = new Uint32Array(count);
  let names = Buffer.alloc(Math.min(count * 16 + CHUNK_BYTES, MAX_NAMES_BYTES));
  let filled = 0;
  const fill = () => {
    if (filled >= MAX_NAMES_BYTES) return false;
    const from = vaddr + BigInt(filled);
    const upTo = (alignment: number) => alignment - Number(from % BigInt(alignment));
    const chunk = read(from, upTo(CHUNK_BYTES)) ?? read(from, upTo(PAGE_BYTES));
    if (chunk === undefined) return false;
    if (filled + chunk.length > names.length) names = Buffer.concat([names, Buffer.alloc(names.length)]);
    names.set(chunk, filled);
    filled += chunk.length;
    return true;
  };
  let at = 0;
  for (let i = 0; i < count; i++) {
    while (at + 2 > filled) if (!fill()) return undefined;
    places[i] = at;
    let length = names[at++]!;
    if (length & 0x80) length = (length & 0x7f) | (names[at++]! << 7);
    if (length === 0) return undefined;
    at += length;
  }
  while (at > filled) if (!fill()) return undefined;
  return { names: names.subarray(0, at), places };
}

/** Bytes that are here already. What follows them is zeros, so that the last entry can be looked at like the others. */
function streamOf(bytes: Uint8Array): ByteStream {
  const read = (vaddr: bigint, length: number) => {
    const from = Number(vaddr);
    if (from >= bytes.length) return undefined;
    const out = new Uint8Array(length);
    out.set(bytes.subarray(from, from + length));
    return out;
  };
  return new ByteStream(read, 0n);
}
