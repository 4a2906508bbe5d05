/** BTF of a few types, as Documentation/bpf/btf.rst has it. */

interface Member {
  readonly name: string;
  readonly type: number;
  readonly bitOffset: number;
  /** Of a bit field. */
  readonly bits?: number;
}

export class BtfBuilder {
  private readonly words: number[] = [];
  private strings = '\0';
  private types = 0;

  int(name: string, bytes: number): number {
    return this.type(name, 1, 0, bytes, [bytes * 8]);
  }

  pointer(to: number): number {
    return this.type('', 2, 0, to);
  }

  array(of: number, length: number): number {
    return this.type('', 3, 0, 0, [of, 0, length]);
  }

  /** kind_flag is set where there are bit fields. */
  struct(name: string, bytes: number, members: readonly Member[], kind: 4 | 5 = 4): number {
    const hasBits = members.some(({ bits }) => bits !== undefined);
    const words = members.flatMap(({ name: own, type, bitOffset, bits = 0 }) => [
      this.string(own),
      type,
      hasBits ? ((bits << 24) | bitOffset) >>> 0 : bitOffset,
    ]);
    return this.type(name, kind, members.length | (hasBits ? 0x80000000 : 0), bytes, words);
  }

  enumeration(values: Readonly<Record<string, number>>, name = ''): number {
    const words = Object.entries(values).flatMap(([each, value]) => [this.string(each), value >>> 0]);
    return this.type(name, 6, words.length / 2, 4, words);
  }

  typedef(name: string, of: number): number {
    return this.type(name, 8, 0, of);
  }

  constant(of: number): number {
    return this.type('', 10, 0, of);
  }

  /** Its number. `vlen`: and the flag above it. */
  type(name: string, kind: number, vlen: number, sizeOrType: number, behind: readonly number[] = []): number {
    this.words.push(this.string(name), ((kind << 24) | vlen) >>> 0, sizeOrType, ...behind);
    return ++this.types;
  }

  bytes(): Buffer {
    const types = Buffer.from(Uint32Array.from(this.words).buffer);
    const strings = Buffer.from(this.strings, 'latin1');
    const header = Buffer.alloc(24);
    header.writeUInt16LE(0xeb9f, 0);
    header.writeUInt8(1, 2);
    for (const [i, value] of [24, 0, types.length, types.length, strings.length].entries())
      header.writeUInt32LE(value, 4 + 4 * i);
    return Buffer.concat([header, types, strings]);
  }

  private string(text: string): number {
    if (text === '') return 0;
    const at = this.strings.indexOf(`\0${text}\0`);
    if (at >= 0) return at + 1;
    this.strings += `${text}\0`;
    return this.strings.length - text.length - 1;
  }
}
