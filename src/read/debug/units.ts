/** .debug_info: its units, each the types and variables of one source file, and their bytes. */

import { SmeltError } from '../../errors.ts';
import { comma } from '../file.ts';
import { type Abbrev, type AbbrevTable, readAbbrevs } from './abbrev.ts';
import { Cursor, DwarfError } from './cursor.ts';
import { DW_AT, DW_FORM, DW_UT } from './dwarf.ts';
import type { ElfSections, SectionBytes } from './elf-sections.ts';
import { Turns } from './turns.ts';

export interface UnitHeader {
  /** Where it begins in .debug_info, its first entry, and what lies behind it. */
  readonly offset: number;
  readonly firstEntry: number;
  readonly end: number;
  readonly offsetBytes: number;
  readonly abbrevOffset: number;
}

/** A unit with its bytes. Offsets of entries are those in .debug_info, as everywhere. */
export interface Unit {
  readonly header: UnitHeader;
  readonly bytes: Buffer;
  readonly abbrevs: readonly (Abbrev | undefined)[];
  /** Offsets of names in .debug_str, for forms that give a number of one; undefined where the unit has none. */
  readonly stringOffsets: SectionBytes | undefined;
}

/** The largest of a kernel has 2 MB. */
const MAX_UNIT_BYTES = 256 * 2 ** 20;
const MAX_UNITS = 2 ** 20;
/** The longest header: 64-bit format. */
const MAX_HEADER_BYTES = 24;
/** A kernel has some 6 MB. */
const MAX_ABBREV_BYTES = 2 ** 26;
/** Units whose bytes are held: the types of one thing are mostly in one unit. */
const UNITS_HELD = 4;
/** An attribute of a table of abbreviations takes as long to read as so many bytes of a unit. */
const BYTES_AN_ATTRIBUTE = 2 ** 8;
/** Tables that units have in common are read again where others came between; from the first unit to the last no more than so often. */
const TABLES_READ_AGAIN = 4;
const MIN_ATTRIBUTES = 2 ** 20;

export class DebugUnits {
  readonly elf: ElfSections;
  readonly headers: readonly UnitHeader[];
  readonly strings: SectionBytes;
  /** What loading has cost so far, as bytes. */
  loadedBytes = 0;
  private readonly info: SectionBytes;
  private readonly abbrevBytes: Buffer;
  private readonly offsets: SectionBytes | undefined;
  private readonly held = new Map<UnitHeader, Unit>();
  /** The last one that was read: a second one, which the next unit does not want either, costs what collecting it costs. */
  private table: AbbrevTable | undefined;

  private constructor(
    elf: ElfSections,
    info: SectionBytes,
    abbrevBytes: Buffer,
    strings: SectionBytes,
    offsets: SectionBytes | undefined,
    headers: readonly UnitHeader[],
  ) {
    this.elf = elf;
    this.info = info;
    this.abbrevBytes = abbrevBytes;
    this.strings = strings;
    this.offsets = offsets;
    this.headers = headers;
  }

  /** @throws SmeltError where the file has no debug information, or it is in another file */
  static async open(elf: ElfSections, look: () => Promise<void>): Promise<DebugUnits> {
    refuseElsewhere(elf);
    const bytesOf = async (name: string) => {
      const section = elf.find(name);
      return section === undefined ? undefined : await elf.bytes(section, look);
    };
    const info = await bytesOf('.debug_info');
    const abbrev = await bytesOf('.debug_abbrev');
    const strings = await bytesOf('.debug_str');
    if (info === undefined || abbrev === undefined || info.sizeBytes === 0) {
      throw new SmeltError('UNSUPPORTED', `${elf.path}: has no debug information (.debug_info)`, {
        hint: 'The vmlinux of the package with debug information is needed (kernel-debuginfo, linux-image-…-dbg).',
      });
    }
    if (abbrev.sizeBytes > MAX_ABBREV_BYTES)
      throw new SmeltError(
        'CORRUPT',
        `${elf.path}: .debug_abbrev has ${comma(abbrev.sizeBytes)} bytes, more than ${comma(MAX_ABBREV_BYTES)}`,
      );
    const none: SectionBytes = { sizeBytes: 0, read: () => Buffer.alloc(0) };
    const offsets = await bytesOf('.debug_str_offsets');
    const turns = new Turns(look);
    const headers: UnitHeader[] = [];
    for (const header of readHeaders(elf.path, info, elf.littleEndian)) {
      headers.push(header);
      await turns.take();
    }
    return new DebugUnits(elf, info, abbrev.read(0, abbrev.sizeBytes), strings ?? none, offsets, headers);
  }

  /** What loading each unit once may cost. */
  get mostBytes(): number {
    const attributes = MIN_ATTRIBUTES + TABLES_READ_AGAIN * this.abbrevBytes.length;
    return this.info.sizeBytes + attributes * BYTES_AN_ATTRIBUTE;
  }

  /** The unit with an entry. @throws DwarfError */
  unitOf(entry: number): Unit {
    let low = 0;
    let high = this.headers.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.headers[middle]!.end <= entry) low = middle + 1;
      else high = middle;
    }
    const header = this.headers[low];
    if (header === undefined || entry < header.firstEntry)
      throw new DwarfError(`it names an entry at ${comma(entry)}, where there is none`);
    let unit = this.held.get(header);
    if (unit === undefined) {
      unit = this.load(header);
      if (this.held.size >= UNITS_HELD) this.held.delete(this.held.keys().next().value!);
      this.held.set(header, unit);
    }
    return unit;
  }

  load(header: UnitHeader): Unit {
    const { offset, end, offsetBytes, abbrevOffset } = header;
    const bytes = this.info.read(offset, end - offset);
    if (this.table?.at !== abbrevOffset || this.table.offsetBytes !== offsetBytes) {
      this.table = readAbbrevs(this.abbrevBytes, abbrevOffset, offsetBytes);
      this.loadedBytes += this.table.attributes * BYTES_AN_ATTRIBUTE;
    }
    this.loadedBytes += bytes.length;
    const unit: Unit = { header, bytes, abbrevs: this.table.abbrevs, stringOffsets: undefined };
    return { ...unit, stringOffsets: this.stringOffsets(unit) };
  }

  cursorOf({ header, bytes }: Unit): Cursor {
    return new Cursor(bytes, this.elf.littleEndian, header.offsetBytes);
  }

  /** The part of .debug_str_offsets that the unit's own entry names; and a unit that is elsewhere is found out by it. */
  private stringOffsets(unit: Unit): SectionBytes | undefined {
    const { header, abbrevs } = unit;
    const cursor = this.cursorOf(unit);
    cursor.at = header.firstEntry - header.offset;
    const abbrev = abbrevs[cursor.uleb()];
    let base: number | undefined;
    for (const [i, name] of (abbrev?.names ?? []).entries()) {
      const form = abbrev!.forms[i]!;
      if (name === DW_AT.dwo_name || name === DW_AT.GNU_dwo_name)
        throw elsewhere(this.elf.path, 'split into .dwo files');
      if (name === DW_AT.str_offsets_base && form === DW_FORM.sec_offset)
        base = cursor.fixed(header.offsetBytes);
      else cursor.skipForm(form);
    }
    const { offsets } = this;
    if (base === undefined || offsets === undefined) return undefined;
    // It begins with its length, a version and padding, in front of the base.
    const headBytes = header.offsetBytes === 8 ? 16 : 8;
    const from = base - headBytes;
    const head = from < 0 ? Buffer.alloc(0) : offsets.read(from, headBytes);
    if (head.length < headBytes) throw new DwarfError('its strings lie beyond the end of .debug_str_offsets');
    const view = new Cursor(head, this.elf.littleEndian);
    view.at = headBytes - 8 + (headBytes === 16 ? -4 : 0);
    const length = view.fixed(headBytes === 16 ? 8 : 4) - 4;
    if (!(length >= 0 && length <= MAX_UNIT_BYTES)) throw new DwarfError('it has too many strings');
    const bytes = offsets.read(base, length);
    return { sizeBytes: bytes.length, read: (at, size) => bytes.subarray(at, at + size) };
  }
}

function elsewhere(path: string, how: string): SmeltError {
  return new SmeltError(
    'UNSUPPORTED',
    `${path}: its debug information is not in the file itself but ${how}`,
    {
      hint: 'Give a vmlinux that has all of it: as the kernel is linked, before dwz or split debug information.',
    },
  );
}

function typeUnits(path: string): SmeltError {
  return new SmeltError(
    'UNSUPPORTED',
    `${path}: its types are in units of their own (-fdebug-types-section)`,
    {
      hint: 'Give a vmlinux as the kernel builds it, without that option.',
    },
  );
}

function refuseElsewhere(elf: ElfSections): void {
  if (elf.find('.gnu_debugaltlink') !== undefined || elf.find('.debug_sup') !== undefined)
    throw elsewhere(elf.path, 'partly in another one, which dwz made (.gnu_debugaltlink)');
  if (elf.find('.debug_types') !== undefined) throw typeUnits(elf.path);
  if (elf.find('.debug_info') === undefined && elf.find('.gnu_debuglink') !== undefined)
    throw elsewhere(elf.path, 'in another one, which .gnu_debuglink names');
}

function* readHeaders(path: string, info: SectionBytes, littleEndian: boolean): Generator<UnitHeader> {
  const corrupt = (offset: number, what: string) =>
    new SmeltError('CORRUPT', `${path}: .debug_info, unit at ${comma(offset)}: ${what}`, {
      hint: 'The file is damaged: get it again from where it came.',
    });
  let units = 0;
  for (let offset = 0; offset < info.sizeBytes; ) {
    const cursor = new Cursor(info.read(offset, MAX_HEADER_BYTES), littleEndian);
    try {
      let length = cursor.fixed(4);
      const offsetBytes = length === 0xffffffff ? 8 : 4;
      if (offsetBytes === 8) length = cursor.fixed(8);
      const end = offset + cursor.at + length;
      if (!(length > 0 && end <= info.sizeBytes)) throw corrupt(offset, `its length is ${comma(length)}`);
      if (length > MAX_UNIT_BYTES)
        throw corrupt(offset, `it has ${comma(length)} bytes, more than ${comma(MAX_UNIT_BYTES)}`);
      if (++units > MAX_UNITS) throw corrupt(offset, `there are more than ${comma(MAX_UNITS)}`);
      const version = cursor.fixed(2);
      if (version !== 4 && version !== 5) {
        throw new SmeltError(
          'UNSUPPORTED',
          `${path}: its debug information is DWARF ${version}, and versions 4 and 5 are supported`,
        );
      }
      let type: number = DW_UT.compile;
      let abbrevOffset = 0;
      if (version === 4) abbrevOffset = cursor.fixed(offsetBytes);
      else type = cursor.fixed(1);
      const addressBytes = cursor.fixed(1);
      if (version === 5) abbrevOffset = cursor.fixed(offsetBytes);
      if (addressBytes !== 8) throw corrupt(offset, `addresses have ${addressBytes} bytes`);
      if (type === DW_UT.skeleton || type === DW_UT.split_compile)
        throw elsewhere(path, 'split into .dwo files');
      if (type === DW_UT.type || type === DW_UT.split_type) throw typeUnits(path);
      if (offset + cursor.at < end)
        yield { offset, firstEntry: offset + cursor.at, end, offsetBytes, abbrevOffset };
      offset = end;
    } catch (error) {
      throw error instanceof DwarfError ? corrupt(offset, error.message) : error;
    }
  }
}
