/** BTF, the description of its types that a kernel carries in its memory. Source: Documentation/bpf/btf.rst. */

import { struct, u8, u16, u32 } from '../../struct.ts';
import type { Field, Layouts } from './layouts.ts';

const BTF_MAGIC = 0xeb9f;
const BtfHeader = struct('btf_header', {
  magic: u16,
  version: u8,
  flags: u8,
  hdr_len: u32,
  type_off: u32,
  type_len: u32,
  str_off: u32,
  str_len: u32,
});

const Kind = {
  INT: 1,
  PTR: 2,
  ARRAY: 3,
  STRUCT: 4,
  UNION: 5,
  ENUM: 6,
  FWD: 7,
  TYPEDEF: 8,
  VOLATILE: 9,
  CONST: 10,
  RESTRICT: 11,
  FUNC: 12,
  FUNC_PROTO: 13,
  VAR: 14,
  DATASEC: 15,
  FLOAT: 16,
  DECL_TAG: 17,
  TYPE_TAG: 18,
  ENUM64: 19,
} as const;

/** struct btf_type: name_off, info, and size or type; all behind it are 32-bit words as well. */
const TYPE_WORDS = 3;
/** Words behind a type: those that every one of the kind has, and those for each of its vlen members. */
const WORDS_BEHIND: Record<number, readonly [fixed: number, each: number]> = {
  [Kind.INT]: [1, 0],
  [Kind.PTR]: [0, 0],
  [Kind.ARRAY]: [3, 0],
  [Kind.STRUCT]: [0, 3],
  [Kind.UNION]: [0, 3],
  [Kind.ENUM]: [0, 2],
  [Kind.FWD]: [0, 0],
  [Kind.TYPEDEF]: [0, 0],
  [Kind.VOLATILE]: [0, 0],
  [Kind.CONST]: [0, 0],
  [Kind.RESTRICT]: [0, 0],
  [Kind.FUNC]: [0, 0],
  [Kind.FUNC_PROTO]: [0, 2],
  [Kind.VAR]: [1, 0],
  [Kind.DATASEC]: [0, 3],
  [Kind.FLOAT]: [0, 0],
  [Kind.DECL_TAG]: [1, 0],
  [Kind.TYPE_TAG]: [0, 0],
  [Kind.ENUM64]: [0, 3],
};
const WRAPPERS: ReadonlySet<number> = new Set([
  Kind.TYPEDEF,
  Kind.VOLATILE,
  Kind.CONST,
  Kind.RESTRICT,
  Kind.TYPE_TAG,
]);

/** A distribution kernel has 0.1 to 0.2 million types in 5 to 7 MB. */
const MAX_TYPES = 4_000_000;
export const MAX_BTF_BYTES = 64 * 1024 * 1024;
/** Typedefs and qualifiers around a type, structures within structures. */
const MAX_DEPTH = 32;
/** Of a name; longer ones are taken for none. */
const MAX_NAME_BYTES = 512;
const POINTER_BYTES = 8;

interface Member {
  readonly type: number;
  readonly bitOffset: number;
  readonly bits: number;
}

export class Btf implements Layouts {
  readonly from: string;
  private readonly words: Uint32Array;
  private readonly strings: Buffer;
  /** In `words`, by number of the type; number 0 is void. */
  private readonly places: Uint32Array;
  private readonly structs = new Map<string, number | undefined>();
  private readonly fields = new Map<string, Field | undefined>();

  private constructor(words: Uint32Array, strings: Buffer, places: Uint32Array, from: string) {
    this.from = from;
    this.words = words;
    this.strings = strings;
    this.places = places;
  }

  /** Undefined where the bytes are no BTF, or make no sense. Little-endian, as all of it is here. */
  static parse(bytes: Uint8Array, from = 'BTF'): Btf | undefined {
    if (bytes.length < BtfHeader.size) return undefined;
    const header = BtfHeader.read(bytes);
    const { hdr_len, type_off, type_len, str_off, str_len } = header;
    if (header.magic !== BTF_MAGIC || header.version !== 1 || hdr_len < BtfHeader.size) return undefined;
    const typesAt = hdr_len + type_off;
    const stringsAt = hdr_len + str_off;
    if (typesAt + type_len > bytes.length || stringsAt + str_len > bytes.length) return undefined;
    if (type_len % 4 !== 0 || str_len === 0 || bytes[stringsAt + str_len - 1] !== 0) return undefined;
    // A copy, where words do not begin at a multiple of four.
    const types =
      (bytes.byteOffset + typesAt) % 4 === 0
        ? bytes.subarray(typesAt, typesAt + type_len)
        : Uint8Array.prototype.slice.call(bytes, typesAt, typesAt + type_len);
    const words = new Uint32Array(types.buffer, types.byteOffset, type_len / 4);
    const places = placesIn(words);
    if (places === undefined) return undefined;
    return new Btf(words, Buffer.from(bytes.buffer, bytes.byteOffset + stringsAt, str_len), places, from);
  }

  sizeOf(name: string): number | undefined {
    const type = this.structNamed(name);
    return type === undefined ? undefined : this.words[this.places[type]! + 2];
  }

  field(name: string, path: string): Field | undefined {
    const key = `${name}.${path}`;
    if (!this.fields.has(key)) this.fields.set(key, this.findField(name, path));
    return this.fields.get(key);
  }

  constant(name: string, enumeration?: string): number | undefined {
    const nameAt = this.stringAt(name);
    const ownerAt = enumeration === undefined ? undefined : this.stringAt(enumeration);
    if (nameAt === undefined || (enumeration !== undefined && ownerAt === undefined)) return undefined;
    const { words, places } = this;
    for (let type = 1; type < places.length; type++) {
      const kind = this.kindOf(type);
      if (kind !== Kind.ENUM && kind !== Kind.ENUM64) continue;
      if (ownerAt !== undefined && words[places[type]!] !== ownerAt) continue;
      const each = kind === Kind.ENUM ? 2 : 3;
      const first = places[type]! + TYPE_WORDS;
      for (let i = first, end = first + this.vlen(type) * each; i < end; i += each)
        if (words[i] === nameAt)
          return kind === Kind.ENUM ? words[i + 1]! | 0 : words[i + 1]! + (words[i + 2]! | 0) * 2 ** 32;
    }
    return undefined;
  }

  private findField(name: string, path: string): Field | undefined {
    let type = this.structNamed(name);
    let field: Field | undefined;
    let base = 0;
    for (const part of path.split('.')) {
      if (type === undefined) return undefined;
      const member = part === '' ? undefined : this.member(type, Buffer.from(`${part}\0`, 'latin1'), 0, 0);
      if (member === undefined) return undefined;
      const byteOffset = base + Math.floor(member.bitOffset / 8);
      const { element, length } = this.elementOf(member.type);
      const kind = this.kindOf(element);
      const isStruct = kind === Kind.STRUCT || kind === Kind.UNION;
      const size = this.bytesOf(element);
      // Arrays of arrays of arrays: no memory has as many.
      if (!Number.isSafeInteger((size ?? 1) * (length ?? 1))) return undefined;
      field = {
        byteOffset,
        sizeBytes: size === undefined || length === 0 ? undefined : size * (length ?? 1),
        length,
        structName: (isStruct && this.string(this.words[this.places[element]!]!)) || undefined,
        bits: member.bits === 0 ? undefined : { first: member.bitOffset % 8, count: member.bits },
      };
      base = byteOffset;
      type = isStruct && length === undefined ? element : undefined;
    }
    return field;
  }

  /** `base`: bits before the structure that is looked through. `seen`: structures that do not have it. */
  private member(
    type: number,
    name: Buffer,
    base: number,
    depth: number,
    seen = new Set<number>(),
  ): Member | undefined {
    if (depth > MAX_DEPTH || seen.has(type)) return undefined;
    seen.add(type);
    const { words, places, strings } = this;
    const place = places[type]!;
    const hasBitFields = words[place + 1]! >>> 31 === 1;
    const count = this.vlen(type);
    for (let i = 0, at = place + TYPE_WORDS; i < count; i++, at += 3) {
      const stored = words[at + 2]!;
      const bitOffset = base + (hasBitFields ? stored & 0xffffff : stored);
      const bits = hasBitFields ? stored >>> 24 : 0;
      const inner = words[at + 1]!;
      const nameAt = words[at]!;
      const isNamed = (strings[nameAt] ?? 0) !== 0;
      // Its bytes are compared: no text is made of what a hostile dump may have megabytes of.
      if (isNamed && name.equals(strings.subarray(nameAt, nameAt + name.length)))
        return { type: inner, bitOffset, bits };
      if (isNamed) continue;
      const target = this.unwrap(inner);
      if (this.kindOf(target) !== Kind.STRUCT && this.kindOf(target) !== Kind.UNION) continue;
      const found = this.member(target, name, bitOffset, depth + 1, seen);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** What an array is of, in all its dimensions. */
  private elementOf(type: number): { element: number; length: number | undefined } {
    let element = this.unwrap(type);
    let length: number | undefined;
    for (let depth = 0; depth < MAX_DEPTH && this.kindOf(element) === Kind.ARRAY; depth++) {
      const at = this.places[element]! + TYPE_WORDS;
      length = (length ?? 1) * this.words[at + 2]!;
      element = this.unwrap(this.words[at]!);
    }
    return { element, length };
  }

  /** Of what is no array. */
  private bytesOf(type: number): number | undefined {
    const kind = this.kindOf(type);
    if (kind === Kind.PTR) return POINTER_BYTES;
    const isSized = kind === Kind.INT || kind === Kind.STRUCT || kind === Kind.UNION || kind === Kind.ENUM;
    return isSized || kind === Kind.ENUM64 || kind === Kind.FLOAT
      ? this.words[this.places[type]! + 2]
      : undefined;
  }

  /** Without typedefs and qualifiers. */
  private unwrap(type: number): number {
    let at = type;
    for (let depth = 0; depth < MAX_DEPTH && WRAPPERS.has(this.kindOf(at)); depth++)
      at = this.words[this.places[at]! + 2]!;
    return at;
  }

  /** 0 for void and for numbers that no type has. */
  private kindOf(type: number): number {
    return type > 0 && type < this.places.length ? (this.words[this.places[type]! + 1]! >>> 24) & 0x1f : 0;
  }

  private vlen(type: number): number {
    return this.words[this.places[type]! + 1]! & 0xffff;
  }

  /** The first structure or union of the name. */
  private structNamed(name: string): number | undefined {
    if (!this.structs.has(name)) this.structs.set(name, this.findStruct(name));
    return this.structs.get(name);
  }

  private findStruct(name: string): number | undefined {
    const nameAt = this.stringAt(name);
    if (nameAt === undefined) return undefined;
    for (let type = 1; type < this.places.length; type++) {
      if (this.words[this.places[type]!] !== nameAt) continue;
      const kind = this.kindOf(type);
      if (kind === Kind.STRUCT || kind === Kind.UNION) return type;
    }
    return undefined;
  }

  /** Where the string stands: each is there once. */
  private stringAt(text: string): number | undefined {
    const at = this.strings.indexOf(`\0${text}\0`, 0, 'latin1');
    return at < 0 ? undefined : at + 1;
  }

  private string(at: number): string {
    const bytes = this.strings.subarray(at, at + MAX_NAME_BYTES);
    const end = bytes.indexOf(0);
    return end < 0 ? '' : bytes.toString('latin1', 0, end);
  }
}

/** Where each type begins; undefined where one is of no known kind or reaches beyond the end. */
function placesIn(words: Uint32Array): Uint32Array | undefined {
  let places = new Uint32Array(Math.min(MAX_TYPES, Math.ceil(words.length / TYPE_WORDS) + 1));
  let count = 1;
  for (let at = 0; at < words.length; count++) {
    if (count >= MAX_TYPES || at + TYPE_WORDS > words.length) return undefined;
    places[count] = at;
    const info = words[at + 1]!;
    const behind = WORDS_BEHIND[(info >>> 24) & 0x1f];
    if (behind === undefined) return undefined;
    at += TYPE_WORDS + behind[0] + behind[1] * (info & 0xffff);
    if (at > words.length) return undefined;
  }
  places = places.slice(0, count);
  return places;
}
