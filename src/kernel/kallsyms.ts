/** Finds addresses of kernel symbols in the kernel's own symbol table (kallsyms), as it lies in the dumped memory. */

/** Reads kernel virtual memory; undefined where the dump does not have all of it. */
export type ReadVirtual = (vaddr: bigint, length: number) => Uint8Array | undefined;

/**
 * Where the tables are: the SYMBOL() values of VMCOREINFO, by the kernel's names. Source: Linux commit 5fd8fea935a1
 * ("vmcoreinfo: include kallsyms symbols") and f09bddbd8661 ("vmcoreinfo: add kallsyms_num_syms symbol"), v6.0.
 * `kallsyms_relative_base` is missing since v7.0, and what it says decides how `kallsyms_offsets` is read.
 */
export interface KallsymsLocation {
  readonly kallsyms_names?: bigint | undefined;
  readonly kallsyms_num_syms?: bigint | undefined;
  readonly kallsyms_token_table?: bigint | undefined;
  readonly kallsyms_token_index?: bigint | undefined;
  readonly kallsyms_offsets?: bigint | undefined;
  readonly kallsyms_relative_base?: bigint | undefined;
}

/** Addresses by name; a symbol that the kernel does not have, or has twice, is not there. */
export type KernelSymbols = ReadonlyMap<string, bigint>;

/** A symbol whose address is known from elsewhere, to check the decoding against. */
export interface KnownSymbol {
  readonly name: string;
  readonly vaddr: bigint;
}

/** The address of a symbol from its place in the table and its entry in `kallsyms_offsets`, as unsigned 32 bits. */
export type Encoding = (index: number, entry: number) => bigint;

/** A name that was looked for, and where in the table it is. */
export interface Match {
  readonly name: string;
  readonly index: number;
}

export interface Matches {
  /** In the order of the table; of one name no more than MAX_MATCHES. */
  readonly list: readonly Match[];
  /** Names that still more symbols have. */
  readonly more: ReadonlySet<string>;
}

/** The 256 pieces of text that names are made of. */
export interface Tokens {
  readonly texts: readonly string[];
  readonly lengths: Uint16Array;
}

/** Claims of the dump that bound loops: a distribution kernel has 0.1 to 0.3 million symbols, with 10 to 20 bytes each. */
export const MAX_SYMBOLS = 4_000_000;
export const MAX_NAMES_BYTES = 64 * 1024 * 1024;
/** Symbols of one name: some thousand static ones are called alike. */
export const MAX_MATCHES = 10_000;
/** KSYM_NAME_LEN since Linux commit b8a94bfb3395 ("kallsyms: increase maximum kernel symbol length to 512"), v6.1. */
export const MAX_NAME_LENGTH = 512;
/** Two bytes of length, and the most that they can say. */
const MAX_ENTRY_BYTES = 2 + 0x3fff;
const CHUNK_BYTES = 64 * 1024;
const PAGE_BYTES = 4096;

/**
 * Addresses of those of the `names` that the kernel's table has; a name that stands for more than one address is left
 * out.
 *
 * Nothing in the tables says how `kallsyms_offsets` is encoded, so `known` decides: the answer is undefined unless one
 * encoding gives the right address for every known symbol that the table has, and these are two different addresses at
 * least (with one, a page of zeros would do: `_stext` is the base itself). It is undefined, too, if a table cannot be read
 * or makes no sense. Never throws for what it reads.
 *
 * @param littleEndian byte order of the crashed machine
 */
export function findSymbols(
  read: ReadVirtual,
  symbols: KallsymsLocation,
  known: readonly KnownSymbol[],
  names: readonly string[],
  littleEndian = true,
): Map<string, bigint> | undefined {
  const memory = new Memory(read, littleEndian);
  const count = memory.u32(symbols.kallsyms_num_syms);
  const tokens = readTokens(memory, symbols);
  const offsets = symbols.kallsyms_offsets;
  if (count === undefined || count === 0 || count > MAX_SYMBOLS || !tokens) return undefined;
  if (symbols.kallsyms_names === undefined || offsets === undefined) return undefined;

  const wanted = new Set([...names, ...known.map((symbol) => symbol.name)]);
  const matches = matchNames(new ByteStream(read, symbols.kallsyms_names), count, tokens, wanted);
  if (!matches) return undefined;

  const entries: number[] = [];
  for (const { index } of matches.list) {
    const entry = memory.u32(offsets + 4n * BigInt(index));
    if (entry === undefined) return undefined;
    entries.push(entry);
  }
  for (const encoding of encodings(memory, offsets, symbols.kallsyms_relative_base)) {
    const vaddrs = matches.list.map(({ index }, i) => BigInt.asUintN(64, encoding(index, entries[i])));
    if (isSorted(vaddrs) && fitsKnown(matches, vaddrs, known)) return unambiguous(matches, vaddrs, names);
  }
  return undefined;
}

/**
 * How an entry of `kallsyms_offsets` becomes an address, each way a 64-bit kernel with these VMCOREINFO keys may do it.
 *
 * - Linux commit a081b5789255 ("kallsyms: Get rid of kallsyms relative base"), v7.0: relative to the entry itself, signed.
 * - Linux commit 2213e9a66bb8 ("kallsyms: add support for relative offsets in kallsyms address table"), v4.6: relative to
 *   `kallsyms_relative_base`, unsigned; or, with CONFIG_KALLSYMS_ABSOLUTE_PERCPU, an address if it is not negative and else
 *   -1 - the distance from the base.
 * - Linux commit 01157ddc58dc ("kallsyms: Remove KALLSYMS_ABSOLUTE_PERCPU"), v6.15: the unsigned way only.
 */
export function encodings(memory: Memory, offsets: bigint, relativeBase: bigint | undefined): Encoding[] {
  if (relativeBase === undefined) return [(index, entry) => offsets + 4n * BigInt(index) + BigInt(entry | 0)];
  const base = memory.u64(relativeBase);
  if (base === undefined) return [];
  return [
    (_index, entry) => base + BigInt(entry),
    (_index, entry) => ((entry | 0) >= 0 ? BigInt(entry) : base - 1n - BigInt(entry | 0)),
  ];
}

/** True of the addresses of any symbols in the table's order: scripts/kallsyms.c sorts the table by address. */
function isSorted(vaddrs: readonly bigint[]): boolean {
  return vaddrs.every((vaddr, i) => i === 0 || vaddrs[i - 1] <= vaddr);
}

/** Whether every known symbol that was found has its address, a static namesake aside, and there are enough of them. */
export function fitsKnown(
  { list, more }: Matches,
  vaddrs: readonly bigint[],
  known: readonly KnownSymbol[],
): boolean {
  const confirmed = new Set<bigint>();
  for (const { name, vaddr } of known) {
    const found = vaddrs.filter((_, i) => list[i].name === name);
    if (found.includes(vaddr)) confirmed.add(vaddr);
    else if (found.length > 0 && !more.has(name)) return false;
  }
  return confirmed.size >= 2;
}

function unambiguous({ list, more }: Matches, vaddrs: readonly bigint[], names: readonly string[]) {
  const answer = new Map<string, bigint>();
  for (const name of names) {
    const found = new Set(vaddrs.filter((_, i) => list[i].name === name));
    if (found.size === 1 && !more.has(name)) for (const vaddr of found) answer.set(name, vaddr);
  }
  return answer;
}

/**
 * Reads the token table: 256 NUL-terminated texts one behind the other, and the index, where each of them starts. That
 * the two agree, to the byte, is what shows that they are what VMCOREINFO says. Source: scripts/kallsyms.c.
 */
export function readTokens(memory: Memory, symbols: KallsymsLocation): Tokens | undefined {
  const index = memory.view(symbols.kallsyms_token_index, 2 * 256);
  if (!index) return undefined;
  const starts = Array.from({ length: 256 }, (_, i) => index.getUint16(2 * i, memory.littleEndian));
  const table = memory.upTo(symbols.kallsyms_token_table, starts[255] + MAX_NAME_LENGTH);
  const texts: string[] = [];
  let next = 0;
  for (const start of starts) {
    const end = start === next ? table.indexOf(0, start) : -1;
    if (end < 0 || end - start > MAX_NAME_LENGTH) return undefined;
    texts.push(table.toString('latin1', start, end));
    next = end + 1;
  }
  return { texts, lengths: Uint16Array.from(texts, (text) => text.length) };
}

/** What the first token of an entry (it begins with the symbol's type, one letter) says of the whole. */
const Lead = { reject: 0, accept: 1, askSecond: 2 } as const;

/**
 * Finds the wanted names in `kallsyms_names`, in one pass. An entry is a length and as many token numbers; the text they
 * make is the type letter and the name. Nearly all entries are refused by their first token or two or by the length of
 * their text, before any text is made.
 *
 * The length takes two bytes, the low 7 bits first, if bit 7 of the first is set: Linux commit 73bbb94466fd ("kallsyms:
 * support "big" kernel symbols"), v6.1. Before, names had 127 characters at most, so that compressed ones never set it.
 *
 * @returns undefined if the table ends early or has an empty entry, which no kernel makes
 */
export function matchNames(
  stream: ByteStream,
  count: number,
  tokens: Tokens,
  wanted: ReadonlySet<string>,
): Matches | undefined {
  const { texts, lengths } = tokens;
  const names = [...wanted];
  const begins = (text: string) => names.some((name) => name.startsWith(text));
  const follows = Uint8Array.from(texts, (text) => (begins(text) ? 1 : 0));
  const leads = Uint8Array.from(texts, (text) => {
    if (text.length < 2) return Lead.askSecond;
    return begins(text.slice(1)) ? Lead.accept : Lead.reject;
  });
  const textLengths = new Set(names.map((name) => 1 + name.length));

  const list: Match[] = [];
  const more = new Set<string>();
  const counts = new Map<string, number>();
  const bytes = stream.buffer;
  // What is done a hundred thousand times is done with local variables: for a small dump that is time that is felt.
  let next = 0;
  let filled = 0;
  for (let index = 0; index < count; index++) {
    if (filled - next < MAX_ENTRY_BYTES) {
      filled = stream.fill(next, MAX_ENTRY_BYTES);
      next = 0;
    }
    let at = next;
    if (filled - at < 2) return undefined;
    let length = bytes[at++];
    if (length & 0x80) length = (length & 0x7f) | (bytes[at++] << 7);
    const end = at + length;
    if (length === 0 || length > 0x3fff || end > filled) return undefined;
    next = end;

    const lead = leads[bytes[at]];
    if (lead === Lead.reject) continue;
    if (lead === Lead.askSecond && length > 1 && !follows[bytes[at + 1]]) continue;
    let textLength = 0;
    for (let i = at; i < end; i++) textLength += lengths[bytes[i]];
    if (!textLengths.has(textLength)) continue;
    let text = '';
    for (let i = at; i < end; i++) text += texts[bytes[i]];
    const name = text.slice(1);
    if (!wanted.has(name)) continue;
    const known = counts.get(name) ?? 0;
    counts.set(name, known + 1);
    if (known < MAX_MATCHES) list.push({ name, index });
    else more.add(name);
  }
  return { list, more };
}

/** The bytes from an address on, through one buffer that is refilled in large aligned chunks. */
export class ByteStream {
  readonly buffer = new Uint8Array(MAX_ENTRY_BYTES + CHUNK_BYTES);
  #end = 0;
  readonly #read: ReadVirtual;
  #next: bigint;
  #remaining = MAX_NAMES_BYTES;

  constructor(read: ReadVirtual, vaddr: bigint) {
    this.#read = read;
    this.#next = vaddr;
  }

  /** Moves what lies from `at` on to the front and reads on until `length` bytes are there, or the memory or the limit ends; gives how many are there. */
  fill(at: number, length: number): number {
    this.buffer.copyWithin(0, at, this.#end);
    this.#end -= at;
    while (this.#end < length && this.#remaining > 0) {
      const chunk = this.#upTo(CHUNK_BYTES) ?? this.#upTo(PAGE_BYTES);
      if (!chunk) {
        this.#remaining = 0;
        break;
      }
      this.buffer.set(chunk, this.#end);
      this.#end += chunk.length;
      this.#next += BigInt(chunk.length);
      this.#remaining -= chunk.length;
    }
    return this.#end;
  }

  /** What lies from here to the next multiple of `alignment`. */
  #upTo(alignment: number): Uint8Array | undefined {
    return readExactly(this.#read, this.#next, alignment - Number(this.#next % BigInt(alignment)));
  }
}

/** Single values of the dumped memory, in its byte order. */
export class Memory {
  readonly #read: ReadVirtual;
  readonly littleEndian: boolean;

  constructor(read: ReadVirtual, littleEndian: boolean) {
    this.#read = read;
    this.littleEndian = littleEndian;
  }

  view(vaddr: bigint | undefined, length: number): DataView | undefined {
    const bytes = vaddr === undefined ? undefined : readExactly(this.#read, vaddr, length);
    return bytes && new DataView(bytes.buffer, bytes.byteOffset, length);
  }

  u32(vaddr: bigint | undefined): number | undefined {
    return this.view(vaddr, 4)?.getUint32(0, this.littleEndian);
  }

  u64(vaddr: bigint): bigint | undefined {
    return this.view(vaddr, 8)?.getBigUint64(0, this.littleEndian);
  }

  /** The bytes from an address on, `length` of them or as many as there are up to the first page that is missing. */
  upTo(vaddr: bigint | undefined, length: number): Buffer {
    const pieces: Uint8Array[] = [];
    for (let done = 0; vaddr !== undefined && done < length; ) {
      const from = vaddr + BigInt(done);
      const size = Math.min(length - done, PAGE_BYTES - Number(from % BigInt(PAGE_BYTES)));
      const piece = readExactly(this.#read, from, size);
      if (!piece) break;
      pieces.push(piece);
      done += size;
    }
    return Buffer.concat(pieces);
  }
}

function readExactly(read: ReadVirtual, vaddr: bigint, length: number): Uint8Array | undefined {
  const bytes = read(vaddr, length);
  return bytes?.length === length ? bytes : undefined;
}
