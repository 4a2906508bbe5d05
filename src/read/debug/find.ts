/** Finds types and variables by name, in one pass over the top of each unit: what lies inside of functions is jumped over. */

import { SmeltError } from '../../errors.ts';
import { comma } from '../file.ts';
import { type Cursor, DwarfError } from './cursor.ts';
import { DW_AT, DW_FORM, DW_OP, DW_TAG } from './dwarf.ts';
import { findStrings } from './strings.ts';
import { Turns } from './turns.ts';
import type { DebugUnits, Unit } from './units.ts';

export interface WantedNames {
  readonly structures?: Iterable<string>;
  readonly typedefs?: Iterable<string>;
  readonly enumerations?: Iterable<string>;
  readonly variables?: Iterable<string>;
}

/** A variable's definition. */
export interface FoundVariable {
  readonly entry: number;
  /** Undefined where it has no fixed place. */
  readonly vaddr: bigint | undefined;
}

/** Places of entries in .debug_info: of each type the first definition, of each variable all of them. */
export interface FoundNames {
  readonly structures: ReadonlyMap<string, number>;
  readonly typedefs: ReadonlyMap<string, number>;
  readonly enumerations: ReadonlyMap<string, number>;
  readonly variables: ReadonlyMap<string, readonly FoundVariable[]>;
}

type Kind = keyof FoundNames;

const KIND_OF_TAG: Readonly<Record<number, Kind>> = {
  [DW_TAG.structure_type]: 'structures',
  [DW_TAG.union_type]: 'structures',
  [DW_TAG.typedef]: 'typedefs',
  [DW_TAG.enumeration_type]: 'enumerations',
  [DW_TAG.variable]: 'variables',
};

/** Entries between two looks at the clock. */
const ENTRIES_A_TURN = 2 ** 13;
/** What an entry says in its abbreviation takes no bytes and yet time: attributes that a unit may have, and more for each byte. */
const MIN_STEPS = 2 ** 20;
const STEPS_A_BYTE = 4;
/** A wanted variable may be defined in as many files. */
const MAX_DEFINITIONS = 1000;

/** `look` is called again and again, and may throw to end the search. @throws SmeltError */
export async function findNames(
  units: DebugUnits,
  wanted: WantedNames,
  look: () => Promise<void>,
): Promise<FoundNames> {
  const names = new Set(Object.values(wanted).flatMap((some: Iterable<string>) => [...some]));
  const finder = new Finder(units, wanted, await findStrings(units.elf.path, units.strings, names, look));
  const turns = new Turns(look);
  const mostBytes = units.loadedBytes + units.mostBytes;
  for (const header of units.headers) {
    try {
      finder.begin(units.load(header));
      if (units.loadedBytes > mostBytes)
        throw new DwarfError('it and those before it name tables of abbreviations by turns');
      while (!finder.scan()) await turns.take();
    } catch (error) {
      if (!(error instanceof DwarfError)) throw error;
      throw new SmeltError(
        'CORRUPT',
        `${units.elf.path}: .debug_info, unit at ${comma(header.offset)}: ${error.message}`,
        { hint: 'The file is damaged: get it again from where it came.', cause: error },
      );
    }
    await turns.take();
  }
  return finder.found;
}

class Finder {
  readonly found = {
    structures: new Map<string, number>(),
    typedefs: new Map<string, number>(),
    enumerations: new Map<string, number>(),
    variables: new Map<string, FoundVariable[]>(),
  };
  private readonly units: DebugUnits;
  private readonly wanted: Readonly<Record<Kind, ReadonlySet<string>>>;
  private readonly strings: ReadonlyMap<number, string>;
  /** Declarations of wanted variables in this unit, which its definitions refer to. */
  private readonly declared = new Map<number, string>();
  /** How far the unit is scanned. */
  private unit!: Unit;
  private at = 0;
  private depth = 0;
  private stepsLeft = 0;

  constructor(units: DebugUnits, wanted: WantedNames, strings: ReadonlyMap<number, string>) {
    this.units = units;
    this.strings = strings;
    this.wanted = {
      structures: new Set(wanted.structures),
      typedefs: new Set(wanted.typedefs),
      enumerations: new Set(wanted.enumerations),
      variables: new Set(wanted.variables),
    };
  }

  begin(unit: Unit): void {
    this.unit = unit;
    this.at = unit.header.firstEntry - unit.header.offset;
    // The unit's own entry has depth 0, and all that is looked for stands at 1.
    this.depth = 0;
    this.stepsLeft = MIN_STEPS + STEPS_A_BYTE * unit.bytes.length;
    this.declared.clear();
  }

  /** Some entries more; true where those were the last ones. */
  scan(): boolean {
    const { unit } = this;
    const { header, bytes, abbrevs } = unit;
    const cursor = this.units.cursorOf(unit);
    cursor.at = this.at;
    let { depth, stepsLeft } = this;
    for (let entries = 0; cursor.at < bytes.length; entries++) {
      if (entries === ENTRIES_A_TURN) {
        this.at = cursor.at;
        this.depth = depth;
        this.stepsLeft = stepsLeft;
        return false;
      }
      const entry = cursor.at;
      const code = cursor.uleb();
      if (code === 0) {
        depth--;
        if (depth <= 0) return true;
        continue;
      }
      const abbrev = abbrevs[code];
      if (abbrev === undefined)
        throw new DwarfError(`an entry has the number ${code}, which nothing explains`);
      const kind = depth === 1 ? KIND_OF_TAG[abbrev.tag] : undefined;
      if (kind === undefined && abbrev.fixedBytes >= 0 && !(abbrev.hasSibling && abbrev.hasChildren)) {
        cursor.at += abbrev.fixedBytes;
        if (abbrev.hasChildren) depth++;
        continue;
      }
      let sibling = 0;
      let name: string | undefined;
      let declaration = false;
      let specification = 0;
      let locationAt = -1;
      const { names, forms } = abbrev;
      stepsLeft -= forms.length;
      if (stepsLeft < 0) throw new DwarfError('its entries have too many attributes without bytes');
      for (let i = 0; i < forms.length; i++) {
        const form = forms[i]!;
        const attribute = names[i]!;
        if (attribute === DW_AT.sibling && abbrev.hasChildren) {
          sibling = reference(cursor, form);
        } else if (kind !== undefined && attribute === DW_AT.name) {
          name = this.nameOf(unit, cursor, form);
        } else if (kind !== undefined && attribute === DW_AT.specification) {
          specification = reference(cursor, form);
        } else {
          if (attribute === DW_AT.declaration) declaration = true;
          else if (attribute === DW_AT.location && form === DW_FORM.exprloc) locationAt = cursor.at;
          cursor.skipForm(form);
        }
      }
      if (kind !== undefined && (name !== undefined || specification !== 0)) {
        const of = name ?? this.declared.get(specification);
        if (of !== undefined && this.wanted[kind].has(of)) {
          if (declaration && kind === 'variables') this.declared.set(entry, of);
          else if (!declaration) this.add(kind, of, header.offset + entry, this.place(unit, locationAt));
        }
      }
      if (!abbrev.hasChildren) continue;
      // A unit's own entry has no sibling that counts; elsewhere it must lead forwards, or this would never end.
      if (depth > 0 && sibling > entry) cursor.at = Math.max(sibling, cursor.at);
      else depth++;
    }
    return true;
  }

  private add(kind: Kind, name: string, entry: number, vaddr: bigint | undefined): void {
    if (kind !== 'variables') {
      if (!this.found[kind].has(name)) this.found[kind].set(name, entry);
      return;
    }
    const all = this.found.variables.get(name) ?? [];
    if (all.length < MAX_DEFINITIONS) all.push({ entry, vaddr });
    this.found.variables.set(name, all);
  }

  /** One of the wanted names, of any kind; undefined for any other. */
  private nameOf(unit: Unit, cursor: Cursor, form: number): string | undefined {
    if (form === DW_FORM.strp) return this.strings.get(cursor.fixed(cursor.offsetBytes));
    if (form === DW_FORM.string) {
      const start = cursor.at;
      cursor.skipForm(form);
      return unit.bytes.toString('latin1', start, cursor.at - 1);
    }
    const at = stringOffset(unit, cursor, form);
    return at === undefined ? undefined : this.strings.get(at);
  }

  /** The address in a location that is nothing but one. */
  private place(unit: Unit, at: number): bigint | undefined {
    if (at < 0) return undefined;
    const cursor = this.units.cursorOf(unit);
    cursor.at = at;
    return cursor.uleb() === 9 && cursor.u8() === DW_OP.addr ? cursor.u64() : undefined;
  }
}

/** A reference to an entry, as its place in the unit; 0 for one that leads elsewhere. */
function reference(cursor: Cursor, form: number): number {
  switch (form) {
    case DW_FORM.ref1:
      return cursor.fixed(1);
    case DW_FORM.ref2:
      return cursor.fixed(2);
    case DW_FORM.ref4:
      return cursor.fixed(4);
    case DW_FORM.ref8:
      return cursor.fixed(8);
    case DW_FORM.ref_udata:
      return cursor.uleb();
    default:
      cursor.skipForm(form);
      return 0;
  }
}

/** Where in .debug_str a name stands that is given by its number; undefined for other forms. The value is consumed. */
export function stringOffset(unit: Unit, cursor: Cursor, form: number): number | undefined {
  let index: number;
  if (form === DW_FORM.strx) index = cursor.uleb();
  else if (form === DW_FORM.strx1) index = cursor.fixed(1);
  else if (form === DW_FORM.strx2) index = cursor.fixed(2);
  else if (form === DW_FORM.strx3) index = cursor.fixed(3);
  else if (form === DW_FORM.strx4) index = cursor.fixed(4);
  else {
    cursor.skipForm(form);
    return undefined;
  }
  const size = cursor.offsetBytes;
  const raw = unit.stringOffsets?.read(index * size, size);
  if (raw === undefined || raw.length < size) throw new DwarfError('a name lies beyond its strings');
  const view = new DataView(raw.buffer, raw.byteOffset, size);
  return size === 8
    ? Number(view.getBigUint64(0, cursor.littleEndian))
    : view.getUint32(0, cursor.littleEndian);
}
