/** Types by their place in .debug_info, without the typedefs and qualifiers around them: sizes, members, elements. */

import { SmeltError } from '../../errors.ts';
import { comma } from '../file.ts';
import { type Cursor, DwarfError } from './cursor.ts';
import { DW_AT, DW_ATE, DW_FORM, DW_OP, DW_TAG } from './dwarf.ts';
import { stringOffset } from './find.ts';
import type { DebugUnits, Unit } from './units.ts';

/** Places of other types are resolved when they are asked for: types refer to each other in circles. */
export type Type =
  | {
      readonly kind: 'base';
      readonly name: string | undefined;
      readonly sizeBytes: number;
      readonly isSigned: boolean;
    }
  | { readonly kind: 'enumeration'; readonly name: string | undefined; readonly sizeBytes: number }
  /** `to` undefined: void. */
  | { readonly kind: 'pointer'; readonly to: number | undefined; readonly sizeBytes: number }
  /** Elements in all dimensions together; undefined where the type does not say (`x[]`). */
  | { readonly kind: 'array'; readonly of: number; readonly length: number | undefined }
  /** `sizeBytes` undefined: only declared here, so that it is defined in another file. */
  | {
      readonly kind: 'structure' | 'union';
      readonly name: string | undefined;
      readonly entry: number;
      readonly sizeBytes: number | undefined;
    }
  /** A function, for one. */
  | { readonly kind: 'other' };

export interface Member {
  readonly name: string | undefined;
  readonly byteOffset: number;
  readonly type: number;
  readonly isBitField: boolean;
}

/** One entry, with the attributes that are used here. */
interface Entry {
  readonly tag: number;
  readonly name: string | undefined;
  readonly numbers: ReadonlyMap<number, number>;
  /** Where its children begin, -1 for none. */
  readonly childrenAt: number;
  /** What follows behind the entry, without its children. */
  readonly end: number;
}

/** Typedefs and qualifiers around a type, dimensions of an array, structures within structures: no C file has as many. */
const MAX_DEPTH = 64;
const MAX_MEMBERS = 100_000;
const MAX_ENUMERATORS = 100_000;
/** Entries and their attributes that are read to answer one question: it takes less than a second. */
const MAX_STEPS = 2 ** 19;
/** Of units that are loaded for that: as long again. */
const MAX_LOADED_BYTES = 2 ** 29;
const MAX_NAME_BYTES = 512;

const SIGNED: readonly number[] = [DW_ATE.signed, DW_ATE.signed_char];

const WRAPPERS: readonly number[] = [
  DW_TAG.typedef,
  DW_TAG.const_type,
  DW_TAG.volatile_type,
  DW_TAG.restrict_type,
  DW_TAG.atomic_type,
];

/** All methods throw SmeltError CORRUPT for what makes no sense. */
export class Types {
  private readonly units: DebugUnits;
  private stepsLeft = MAX_STEPS;
  private mostBytes = 0;

  constructor(units: DebugUnits) {
    this.units = units;
  }

  /** The type of a variable or member; undefined where it has none. */
  typeOf(entry: number): number | undefined {
    return this.checked(entry, () => {
      const own = this.read(entry);
      const specification = own.numbers.get(DW_AT.specification);
      return (
        own.numbers.get(DW_AT.type) ??
        (specification === undefined ? undefined : this.read(specification).numbers.get(DW_AT.type))
      );
    });
  }

  at(entry: number): Type {
    return this.checked(entry, () => this.resolve(entry));
  }

  /** Bytes of a value of the type, undefined where that is not known. */
  sizeOf(type: Type): number | undefined {
    let elements = 1;
    for (let depth = 0; type.kind === 'array' && depth < MAX_DEPTH; depth++) {
      if (type.length === undefined) return undefined;
      elements *= type.length;
      type = this.at(type.of);
    }
    if (type.kind === 'other' || type.kind === 'array' || type.sizeBytes === undefined) return undefined;
    return elements * type.sizeBytes;
  }

  /** Members of a structure or union, with those of structures without a name in it. */
  members(entry: number): Member[] {
    return this.checked(entry, () => {
      const members: Member[] = [];
      this.collect(entry, 0, members, { left: MAX_MEMBERS }, 0);
      return members;
    });
  }

  member(entry: number, name: string): Member | undefined {
    return this.members(entry).find((member) => member.name === name);
  }

  /** Constants of an enumeration. */
  enumerators(entry: number): Map<string, number> {
    return this.checked(entry, () => {
      const values = new Map<string, number>();
      for (const { tag, name, numbers } of this.children(entry)) {
        const value = numbers.get(DW_AT.const_value);
        if (tag !== DW_TAG.enumerator || name === undefined || value === undefined) continue;
        if (values.size === MAX_ENUMERATORS) throw new DwarfError('an enumeration has too many constants');
        values.set(name, value);
      }
      return values;
    });
  }

  private resolve(entry: number): Type {
    let at = entry;
    for (let depth = 0; depth < MAX_DEPTH; depth++) {
      const { tag, name, numbers } = this.read(at);
      const inner = numbers.get(DW_AT.type);
      const sizeBytes = numbers.get(DW_AT.byte_size);
      if (WRAPPERS.includes(tag)) {
        if (inner === undefined) return { kind: 'other' };
        at = inner;
        continue;
      }
      switch (tag) {
        case DW_TAG.base_type:
          return sizeBytes === undefined
            ? { kind: 'other' }
            : { kind: 'base', name, sizeBytes, isSigned: SIGNED.includes(numbers.get(DW_AT.encoding) ?? 0) };
        case DW_TAG.enumeration_type:
          return sizeBytes === undefined ? { kind: 'other' } : { kind: 'enumeration', name, sizeBytes };
        case DW_TAG.pointer_type:
          return { kind: 'pointer', to: this.pointee(inner), sizeBytes: sizeBytes ?? 8 };
        case DW_TAG.array_type:
          return inner === undefined
            ? { kind: 'other' }
            : { kind: 'array', of: inner, length: this.elements(at) };
        case DW_TAG.structure_type:
        case DW_TAG.union_type: {
          const kind = tag === DW_TAG.structure_type ? 'structure' : 'union';
          return { kind, name, entry: at, sizeBytes: numbers.has(DW_AT.declaration) ? undefined : sizeBytes };
        }
        default:
          return { kind: 'other' };
      }
    }
    throw new DwarfError('a type is made of itself');
  }

  /** `const void` is void too. */
  private pointee(inner: number | undefined): number | undefined {
    let at = inner;
    for (let depth = 0; at !== undefined && depth < MAX_DEPTH; depth++) {
      const { tag, numbers } = this.read(at);
      if (!WRAPPERS.includes(tag)) return inner;
      at = numbers.get(DW_AT.type);
    }
    return undefined;
  }

  private elements(entry: number): number | undefined {
    let product: number | undefined;
    for (const { tag, numbers } of this.children(entry)) {
      if (tag !== DW_TAG.subrange_type) continue;
      const bound = numbers.get(DW_AT.upper_bound);
      const count = numbers.get(DW_AT.count) ?? (bound === undefined ? undefined : bound + 1);
      if (count === undefined) return undefined;
      // -1, the bound of an array without elements, may be written as the largest number.
      product = (product ?? 1) * (count >= 0 && count <= 2 ** 48 ? count : 0);
    }
    return product;
  }

  private collect(
    entry: number,
    base: number,
    into: Member[],
    budget: { left: number },
    depth: number,
  ): void {
    if (depth > MAX_DEPTH) throw new DwarfError('a structure contains itself');
    for (const { tag, name, numbers } of this.children(entry)) {
      const type = numbers.get(DW_AT.type);
      if (tag !== DW_TAG.member || type === undefined) continue;
      const byteOffset = base + (numbers.get(DW_AT.data_member_location) ?? 0);
      const isBitField = numbers.has(DW_AT.bit_size) || numbers.has(DW_AT.data_bit_offset);
      if (budget.left-- === 0) throw new DwarfError('a structure has too many members');
      const inner = name === undefined ? this.resolve(type) : undefined;
      if (inner?.kind === 'structure' || inner?.kind === 'union')
        this.collect(inner.entry, byteOffset, into, budget, depth + 1);
      else into.push({ name, byteOffset, type, isBitField });
    }
  }

  /** The entries right below one, without what is below them. */
  private *children(entry: number): Generator<Entry> {
    const { childrenAt } = this.read(entry);
    if (childrenAt < 0) return;
    const unit = this.units.unitOf(entry);
    for (let at = childrenAt; ; ) {
      const child = this.readIn(unit, at);
      if (child === undefined) return;
      yield child;
      at = child.childrenAt < 0 ? child.end : this.behind(unit, child);
    }
  }

  /** What follows behind an entry and all below it. */
  private behind(unit: Unit, { numbers, childrenAt }: Entry): number {
    const sibling = numbers.get(DW_AT.sibling);
    if (sibling !== undefined && sibling >= childrenAt) return sibling;
    let depth = 1;
    let at = childrenAt;
    while (depth > 0) {
      const inner = this.readIn(unit, at);
      depth += inner === undefined ? -1 : inner.childrenAt < 0 ? 0 : 1;
      at = inner === undefined ? at + 1 : inner.end;
    }
    return at;
  }

  private read(entry: number): Entry {
    const unit = this.units.unitOf(entry);
    if (this.units.loadedBytes > this.mostBytes) throw new DwarfError('a type is in too many units');
    const read = this.readIn(unit, entry);
    if (read === undefined) throw new DwarfError(`it names an entry at ${comma(entry)}, where there is none`);
    return read;
  }

  /** Undefined for the end of a list. */
  private readIn(unit: Unit, entry: number): Entry | undefined {
    const { header, abbrevs } = unit;
    const cursor = this.units.cursorOf(unit);
    cursor.at = entry - header.offset;
    const code = cursor.uleb();
    if (code === 0) return undefined;
    const abbrev = abbrevs[code];
    if (abbrev === undefined) throw new DwarfError(`an entry has the number ${code}, which nothing explains`);
    this.stepsLeft -= 1 + abbrev.names.length;
    if (this.stepsLeft < 0) throw new DwarfError('a type has too many entries');
    let name: string | undefined;
    const numbers = new Map<number, number>();
    for (const [i, attribute] of abbrev.names.entries()) {
      const form = abbrev.forms[i]!;
      if (attribute === DW_AT.name) name = this.text(unit, cursor, form);
      else {
        const value = form === DW_FORM.implicit_const ? abbrev.constants[i] : this.number(unit, cursor, form);
        if (value !== undefined) numbers.set(attribute, value);
      }
    }
    const end = header.offset + cursor.at;
    return { tag: abbrev.tag, name, numbers, childrenAt: abbrev.hasChildren ? end : -1, end };
  }

  private text(unit: Unit, cursor: Cursor, form: number): string {
    const start = cursor.at;
    if (form === DW_FORM.string) {
      cursor.skipForm(form);
      return unit.bytes.toString('latin1', start, cursor.at - 1);
    }
    const at = form === DW_FORM.strp ? cursor.fixed(cursor.offsetBytes) : stringOffset(unit, cursor, form);
    const bytes = at === undefined ? Buffer.alloc(0) : this.units.strings.read(at, MAX_NAME_BYTES);
    const end = bytes.indexOf(0);
    return bytes.toString('latin1', 0, end < 0 ? bytes.length : end);
  }

  /** Constants, flags, and references as places in .debug_info; undefined for anything else. The value is consumed. */
  private number({ header }: Unit, cursor: Cursor, form: number): number | undefined {
    switch (form) {
      case DW_FORM.data1:
      case DW_FORM.flag:
        return cursor.fixed(1);
      case DW_FORM.data2:
        return cursor.fixed(2);
      case DW_FORM.data4:
        return cursor.fixed(4);
      case DW_FORM.data8:
        return cursor.fixed(8);
      case DW_FORM.udata:
        return cursor.uleb();
      case DW_FORM.sdata:
        return cursor.sleb();
      case DW_FORM.flag_present:
        return 1;
      case DW_FORM.ref1:
        return header.offset + cursor.fixed(1);
      case DW_FORM.ref2:
        return header.offset + cursor.fixed(2);
      case DW_FORM.ref4:
        return header.offset + cursor.fixed(4);
      case DW_FORM.ref8:
        return header.offset + cursor.fixed(8);
      case DW_FORM.ref_udata:
        return header.offset + cursor.uleb();
      case DW_FORM.ref_addr:
        return cursor.fixed(cursor.offsetBytes);
      case DW_FORM.exprloc: {
        // A member's place as GCC wrote it once.
        const length = cursor.uleb();
        const end = cursor.at + length;
        const value = length > 1 && cursor.u8() === DW_OP.plus_uconst ? cursor.uleb() : undefined;
        cursor.at = end;
        return value;
      }
      default:
        cursor.skipForm(form);
        return undefined;
    }
  }

  private checked<T>(entry: number, work: () => T): T {
    this.stepsLeft = MAX_STEPS;
    this.mostBytes = this.units.loadedBytes + MAX_LOADED_BYTES;
    try {
      return work();
    } catch (error) {
      if (!(error instanceof DwarfError)) throw error;
      throw new SmeltError(
        'CORRUPT',
        `${this.units.elf.path}: .debug_info, entry at ${comma(entry)}: ${error.message}`,
        { hint: 'The file is damaged: get it again from where it came.', cause: error },
      );
    }
  }
}
