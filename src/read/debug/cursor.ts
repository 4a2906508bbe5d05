/** Reads the bytes of one unit of DWARF one value behind the other. It never reads beyond their end: it throws instead. */

import { DW_FORM, formBytes } from './dwarf.ts';

/** Thrown where a value goes beyond the end, or cannot be read; whoever knows the file says which one it was. */
export class DwarfError extends Error {}

export class Cursor {
  readonly bytes: Uint8Array;
  readonly littleEndian: boolean;
  /** Bytes of an offset into another section: 4, or 8 in the format of 64 bits. */
  readonly offsetBytes: number;
  at = 0;
  private readonly view: DataView;

  constructor(bytes: Uint8Array, littleEndian: boolean, offsetBytes = 4) {
    this.bytes = bytes;
    this.littleEndian = littleEndian;
    this.offsetBytes = offsetBytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  u8(): number {
    const value = this.bytes[this.at++];
    if (value === undefined) throw new DwarfError('it ends in the middle of a value');
    return value;
  }

  /** A number of 1, 2, 3, 4 or 8 bytes; above 2^53 its last bits are lost. */
  fixed(size: number): number {
    const { view, littleEndian, at } = this;
    this.need(size);
    this.at = at + size;
    switch (size) {
      case 1:
        return view.getUint8(at);
      case 2:
        return view.getUint16(at, littleEndian);
      case 3:
        return littleEndian
          ? view.getUint16(at, true) + view.getUint8(at + 2) * 0x10000
          : view.getUint16(at) * 0x100 + view.getUint8(at + 2);
      case 4:
        return view.getUint32(at, littleEndian);
      default:
        return Number(view.getBigUint64(at, littleEndian));
    }
  }

  u64(): bigint {
    this.need(8);
    this.at += 8;
    return this.view.getBigUint64(this.at - 8, this.littleEndian);
  }

  uleb(): number {
    // Nearly all of them have one byte.
    const first = this.u8();
    if (first < 0x80) return first;
    let value = first & 0x7f;
    for (let scale = 0x80; ; scale *= 0x80) {
      const byte = this.u8();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      if (scale > 2 ** 63) throw new DwarfError('it has a number of more than 64 bits');
    }
  }

  sleb(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 0x80) {
      const byte = this.u8();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return byte & 0x40 ? value - scale * 0x80 : value;
      if (scale > 2 ** 63) throw new DwarfError('it has a number of more than 64 bits');
    }
  }

  /** Goes behind a value. */
  skipForm(form: number): void {
    const fixed = formBytes(form, this.offsetBytes);
    // First: it moves on as well.
    const size = fixed >= 0 ? fixed : this.variableBytes(form);
    this.at += size;
  }

  /** Bytes that a value still has, whose length stands in front of it and is consumed here. */
  private variableBytes(form: number): number {
    switch (form) {
      case DW_FORM.exprloc:
      case DW_FORM.block:
        return this.uleb();
      case DW_FORM.block1:
        return this.u8();
      case DW_FORM.block2:
        return this.fixed(2);
      case DW_FORM.block4:
        return this.fixed(4);
      case DW_FORM.string: {
        const end = this.bytes.indexOf(0, this.at);
        if (end < 0) throw new DwarfError('it has a string without an end');
        return end + 1 - this.at;
      }
      case DW_FORM.udata:
      case DW_FORM.sdata:
      case DW_FORM.ref_udata:
      case DW_FORM.strx:
      case DW_FORM.addrx:
      case DW_FORM.loclistx:
      case DW_FORM.rnglistx: {
        let end = this.at;
        while (this.bytes[end]! >= 0x80) end++;
        return end + 1 - this.at;
      }
      default:
        throw new DwarfError(`it has a value of the unknown form 0x${form.toString(16)}`);
    }
  }

  private need(size: number): void {
    if (!(this.at + size <= this.bytes.length)) throw new DwarfError('it ends in the middle of a value');
  }
}
