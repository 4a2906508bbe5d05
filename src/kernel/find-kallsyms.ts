/** Finds the kernel's own symbol table by its shape, for kernels whose VMCOREINFO does not say where it is (before v6.0). */

import type { VirtualRange } from '../arch/arch.ts';
import { type KallsymsLocation, MAX_NAMES_BYTES, MAX_SYMBOLS, type ReadVirtual } from './kallsyms.ts';

/**
 * The tables stand one behind the other, each aligned to 8 bytes: offsets, relative_base, num_syms, names, markers,
 * token_table, token_index. Source: scripts/kallsyms.c, write_src(), v4.6 to v6.3.
 */
const ALIGNMENT = 8n;
const TOKENS = 256;
const INDEX_BYTES = 2 * TOKENS;
/** A marker says where every 256th name begins. */
const NAMES_A_MARKER = 256;
/** Characters that names have stand for themselves, digits among them: this is in every token table, and behind 48 others. */
const DIGITS = Buffer.from('0\x001\x002\x003\x004\x005\x006\x007\x008\x009\x00', 'latin1');
const TOKENS_BEFORE_DIGITS = 0x30;
const MAX_TOKEN_TABLE_BYTES = 16 * 1024;
const CHUNK_BYTES = 256 * 1024;
const PAGE_BYTES = 4096;
/** Of the kernel image: none has as much. */
const MAX_IMAGE_BYTES = 512 * 1024 * 1024;
const MAX_CANDIDATES = 64;
/** Of these, those whose names are looked for: that may read and walk all of a table. */
const MAX_TABLES = 4;
/** Through all names, for each way to take what is before the markers. */
const MAX_WALKS = 8;

/** Undefined where it is not there, or not whole. What is found has still to be read, and checked against known symbols. */
export function findKallsyms(read: ReadVirtual, image: VirtualRange): KallsymsLocation | undefined {
  let candidates = 0;
  let tables = 0;
  for (const at of occurrences(read, image, DIGITS)) {
    if (++candidates > MAX_CANDIDATES) return undefined;
    const tokens = tokensAround(read, at);
    if (tokens !== undefined && ++tables > MAX_TABLES) return undefined;
    const rest = tokens && tablesBefore(read, tokens.table, image.start);
    if (tokens !== undefined && rest !== undefined)
      return { ...rest, kallsyms_token_table: tokens.table, kallsyms_token_index: tokens.index };
  }
  return undefined;
}

function* occurrences(read: ReadVirtual, { start, end }: VirtualRange, what: Buffer): Generator<bigint> {
  let before: Buffer = Buffer.alloc(0);
  const last = end - start > BigInt(MAX_IMAGE_BYTES) ? start + BigInt(MAX_IMAGE_BYTES) : end;
  for (const { vaddr, bytes } of chunks(read, start, last)) {
    if (bytes === undefined) {
      before = Buffer.alloc(0);
      continue;
    }
    // What lies across the border of two chunks is found in the second.
    const both = Buffer.concat([before, bytes]);
    for (let at = both.indexOf(what); at >= 0; at = both.indexOf(what, at + 1))
      yield vaddr + BigInt(at - before.length);
    before = both.subarray(Math.max(0, both.length - what.length + 1));
  }
}

/** Large ones, and pages where such is not there as a whole; `bytes` undefined: nor is that. */
function* chunks(
  read: ReadVirtual,
  start: bigint,
  end: bigint,
): Generator<{ readonly vaddr: bigint; readonly bytes: Uint8Array | undefined }> {
  for (let vaddr = start; vaddr < end; ) {
    const size = Math.min(CHUNK_BYTES, Number(end - vaddr));
    const whole = read(vaddr, size);
    if (whole !== undefined) yield { vaddr, bytes: whole };
    else {
      for (let at = 0; at < size; at += PAGE_BYTES) {
        const from = vaddr + BigInt(at);
        yield { vaddr: from, bytes: read(from, Math.min(PAGE_BYTES, size - at)) };
      }
    }
    vaddr += BigInt(size);
  }
}

/** `digits`: where the tokens of the digits stand. The index behind the table has to agree with it, to the byte. */
function tokensAround(read: ReadVirtual, digits: bigint): { table: bigint; index: bigint } | undefined {
  const reach = MAX_TOKEN_TABLE_BYTES / 2;
  const before = readBefore(read, digits, reach);
  const behind = readBehind(read, digits, reach);
  // The NUL that ends the token before the digits, and those of all others; what ends with the last one is no token.
  let start = before.length - 1;
  for (let tokens = 0; tokens < TOKENS_BEFORE_DIGITS; tokens++) {
    start = start <= 0 ? -1 : before.lastIndexOf(0, start - 1);
    if (start < 0) return undefined;
  }
  const bytes = Buffer.concat([before.subarray(start + 1), behind]);
  const table = digits - BigInt(before.length - start - 1);
  if (table % ALIGNMENT !== 0n) return undefined;
  const starts: number[] = [];
  let next = 0;
  for (let token = 0; token < TOKENS; token++) {
    starts.push(next);
    const end = bytes.indexOf(0, next);
    if (end < 0) return undefined;
    next = end + 1;
  }
  const indexAt = Math.ceil(next / Number(ALIGNMENT)) * Number(ALIGNMENT);
  if (indexAt + INDEX_BYTES > bytes.length) return undefined;
  const agrees = starts.every((each, i) => bytes.readUInt16LE(indexAt + 2 * i) === each);
  return agrees ? { table, index: table + BigInt(indexAt) } : undefined;
}

function tablesBefore(
  read: ReadVirtual,
  tokenTable: bigint,
  imageStart: bigint,
): Omit<KallsymsLocation, 'kallsyms_token_table' | 'kallsyms_token_index'> | undefined {
  // Linux commit 80ffbaa5b1bd ("kallsyms: reduce size a little on 64-bit"), v5.0, made the markers 32 bits wide.
  for (const width of [4, 8]) {
    const markers = markersBefore(read, tokenTable, width);
    if (markers === undefined) continue;
    const names = namesBefore(read, markers, imageStart);
    if (names === undefined) continue;
    const { vaddr, count } = names;
    const base = vaddr - 2n * ALIGNMENT;
    return {
      kallsyms_names: vaddr,
      kallsyms_num_syms: vaddr - ALIGNMENT,
      kallsyms_relative_base: base,
      kallsyms_offsets: base - aligned(BigInt(count) * 4n),
    };
  }
  return undefined;
}

interface Markers {
  readonly vaddr: bigint;
  readonly values: readonly number[];
}

/** Backwards from the token table: each is less than the one behind it, and the first is 0. */
function markersBefore(read: ReadVirtual, tokenTable: bigint, width: number): Markers | undefined {
  const bytes = readBefore(read, tokenTable, (MAX_SYMBOLS / NAMES_A_MARKER) * width);
  const valueAt = (at: number) => (width === 4 ? bytes.readUInt32LE(at) : Number(bytes.readBigUInt64LE(at)));
  for (const padding of width === 4 ? [0, 4] : [0]) {
    const values: number[] = [];
    for (let at = bytes.length - padding - width; at >= 0; at -= width) {
      const value = valueAt(at);
      if (value > MAX_NAMES_BYTES || (values.length > 0 && value >= values[0]!)) break;
      values.unshift(value);
      if (value !== 0) continue;
      const vaddr = tokenTable - BigInt(bytes.length - at);
      if (values.length < 2 || vaddr % ALIGNMENT !== 0n) break;
      return { vaddr, values };
    }
  }
  return undefined;
}

/** Their number stands before them; a count that the markers allow, at a distance that makes the names end where the markers begin. */
function namesBefore(
  read: ReadVirtual,
  { vaddr: end, values }: Markers,
  imageStart: bigint,
): { vaddr: bigint; count: number } | undefined {
  const most = NAMES_A_MARKER * values.length;
  const last = values[values.length - 1]!;
  let walks = 0;
  // Behind the last marker there are up to 256 names.
  const bytes = readBefore(read, end, last + NAMES_A_MARKER * 258 + 16);
  for (let at = bytes.length - last; at >= 8; at--) {
    const vaddr = end - BigInt(bytes.length - at);
    if (vaddr % ALIGNMENT !== 0n || vaddr < imageStart) continue;
    const count = bytes.readUInt32LE(at - 8);
    if (count <= most - NAMES_A_MARKER || count > most || bytes.readUInt32LE(at - 4) !== 0) continue;
    const behindLast = count - (most - NAMES_A_MARKER);
    // The last few names are quick to look at; what they do not end with the table is none.
    if (!namesFit(bytes.subarray(at + last), [0], behindLast)) continue;
    if (++walks > MAX_WALKS) return undefined;
    if (namesFit(bytes.subarray(at), values, count)) return { vaddr, count };
  }
  return undefined;
}

/** Every 256th name begins where a marker says, and the last ends with the table. */
function namesFit(bytes: Buffer, markers: readonly number[], count: number): boolean {
  let at = 0;
  for (let i = 0; i < count; i++) {
    if (i % NAMES_A_MARKER === 0 && markers[i / NAMES_A_MARKER] !== at) return false;
    if (at + 2 > bytes.length) return false;
    let length = bytes[at++]!;
    if (length & 0x80) length = (length & 0x7f) | (bytes[at++]! << 7);
    if (length === 0) return false;
    at += length;
  }
  return at <= bytes.length && bytes.length - at < Number(ALIGNMENT);
}

/** As many bytes as there are, up to `most`. */
function readBefore(read: ReadVirtual, vaddr: bigint, most: number): Buffer {
  const pieces: Uint8Array[] = [];
  for (let done = 0; done < most; ) {
    const at = vaddr - BigInt(done);
    const inPage = Number(at % BigInt(PAGE_BYTES)) || PAGE_BYTES;
    const size = Math.min(most - done, inPage);
    const piece = read(at - BigInt(size), size);
    if (piece === undefined) break;
    pieces.unshift(piece);
    done += size;
  }
  return Buffer.concat(pieces);
}

function readBehind(read: ReadVirtual, vaddr: bigint, most: number): Buffer {
  const pieces: Uint8Array[] = [];
  for (let done = 0; done < most; ) {
    const at = vaddr + BigInt(done);
    const size = Math.min(most - done, PAGE_BYTES - Number(at % BigInt(PAGE_BYTES)));
    const piece = read(at, size);
    if (piece === undefined) break;
    pieces.push(piece);
    done += size;
  }
  return Buffer.concat(pieces);
}

function aligned(bytes: bigint): bigint {
  return ((bytes + ALIGNMENT - 1n) / ALIGNMENT) * ALIGNMENT;
}
