/** .debug_abbrev: which attributes in which forms the entries of a unit have, by the number that each entry begins with. */

import { Cursor, DwarfError } from './cursor.ts';
import { DW_AT, DW_FORM, formBytes } from './dwarf.ts';

/** What all entries of one number have. */
export interface Abbrev {
  readonly tag: number;
  readonly hasChildren: boolean;
  /** Attributes and their forms, in the order of their values. */
  readonly names: readonly number[];
  readonly forms: readonly number[];
  /** By attribute: the value of DW_FORM_implicit_const, which stands here and not in the entry. */
  readonly constants: readonly number[];
  /** Bytes of all values together, -1 where that depends on the entry. */
  readonly fixedBytes: number;
  readonly hasSibling: boolean;
}

/** All that the entries of a unit may be. */
export interface AbbrevTable {
  /** Where it begins, and the bytes of an offset in the units that it was read for. */
  readonly at: number;
  readonly offsetBytes: number;
  /** By number. */
  readonly abbrevs: readonly (Abbrev | undefined)[];
  /** Of all of them, one more for each. */
  readonly attributes: number;
}

/** Numbers are counted up by every compiler; one that is far off is no number. A unit of a kernel has some hundred. */
const MAX_CODE = 2 ** 16;
const MAX_ATTRIBUTES = 256;
/** Of a table, and one more for each number. */
const MAX_ATTRIBUTES_IN_ALL = 2 ** 18;
const NO_CONSTANTS: readonly number[] = [];

/** The table from `at` on. `bytes` ends where the section ends. @throws DwarfError */
export function readAbbrevs(bytes: Uint8Array, at: number, offsetBytes: number): AbbrevTable {
  const cursor = new Cursor(bytes, true);
  cursor.at = at;
  const table: (Abbrev | undefined)[] = [];
  let inAll = 0;
  for (let code = cursor.uleb(); code !== 0; code = cursor.uleb()) {
    if (code > MAX_CODE) throw new DwarfError(`its table of abbreviations has the number ${code}`);
    const tag = cursor.uleb();
    const hasChildren = cursor.u8() !== 0;
    const names: number[] = [];
    const forms: number[] = [];
    const constants: number[] = [];
    let hasConstants = false;
    let fixedBytes = 0;
    for (;;) {
      const name = cursor.uleb();
      const form = cursor.uleb();
      const constant = form === DW_FORM.implicit_const ? cursor.sleb() : 0;
      if (name === 0 && form === 0) break;
      if (names.length === MAX_ATTRIBUTES) throw new DwarfError('an entry of it has too many attributes');
      names.push(name);
      forms.push(form);
      constants.push(constant);
      hasConstants ||= form === DW_FORM.implicit_const;
      const size = formBytes(form, offsetBytes);
      fixedBytes = size < 0 || fixedBytes < 0 ? -1 : fixedBytes + size;
    }
    inAll += 1 + names.length;
    if (inAll > MAX_ATTRIBUTES_IN_ALL)
      throw new DwarfError(`its table of abbreviations has more than ${MAX_ATTRIBUTES_IN_ALL} attributes`);
    const hasSibling = names.includes(DW_AT.sibling);
    while (table.length < code) table.push(undefined);
    // Copies have no room to grow, which would be most of what they take.
    table[code] = {
      tag,
      hasChildren,
      names: names.slice(),
      forms: forms.slice(),
      constants: hasConstants ? constants.slice() : NO_CONSTANTS,
      fixedBytes,
      hasSibling,
    };
  }
  return { at, offsetBytes, abbrevs: table, attributes: inAll };
}
