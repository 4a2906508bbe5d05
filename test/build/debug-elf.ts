/** A linked ELF file with the sections that debug information has, byte by byte: what no compiler would write. */
import { closeSync, openSync, truncateSync, writeSync } from 'node:fs';
import { deflateSync } from 'node:zlib';
import { Elf64Ehdr, Elf64Shdr } from '../../src/read/elf.ts';

export interface SectionSpec {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** Default 1: its bytes, whatever they are. */
  readonly type?: number;
  readonly link?: number;
  /** SHF_COMPRESSED, by zlib: what it says that it unpacks to, true or not. */
  readonly promises?: number;
  /** What its header says: more than there are bytes is a hole. */
  readonly sizeBytes?: number;
}

export interface ElfOptions {
  /** Instead of the number of sections: stands in section 0, where the real one does when it is large. */
  readonly countInSection0?: number;
  /** The section with the names of the others has a hole behind it, of this many bytes. */
  readonly namesHole?: number;
}

const SHF_COMPRESSED = 0x800n;
const ET_EXEC = 2;

export function writeDebugElf(path: string, specs: readonly SectionSpec[], options: ElfOptions = {}): string {
  const fd = openSync(path, 'w');
  let end = Elf64Ehdr.size;
  const put = (bytes: Uint8Array, sizeBytes = bytes.length) => {
    writeSync(fd, bytes, 0, bytes.length, end);
    end += sizeBytes;
    return end - sizeBytes;
  };
  const names = Buffer.from(`\0${[...specs.map(({ name }) => name), '.shstrtab'].join('\0')}\0`, 'latin1');
  const nameAt = (name: string) => names.indexOf(`\0${name}\0`, 0, 'latin1') + 1;
  const headers = specs.map(({ name, bytes, type = 1, link = 0, promises, sizeBytes }) => {
    const stored = promises === undefined ? bytes : packed(bytes, promises);
    return {
      sh_name: nameAt(name),
      sh_type: type,
      sh_flags: promises === undefined ? 0n : SHF_COMPRESSED,
      sh_link: link,
      sh_size: BigInt(sizeBytes ?? stored.length),
      sh_offset: BigInt(put(stored, sizeBytes)),
    };
  });
  const namesBytes = names.length + (options.namesHole ?? 0);
  headers.push({
    sh_name: nameAt('.shstrtab'),
    sh_type: 3,
    sh_flags: 0n,
    sh_link: 0,
    sh_size: BigInt(namesBytes),
    sh_offset: BigInt(put(names, namesBytes)),
  });
  const count = options.countInSection0 ?? 0;
  const table = Buffer.alloc(Math.max(headers.length + 1, count) * Elf64Shdr.size);
  if (count > 0) Elf64Shdr.write(table, { sh_size: BigInt(count) });
  for (const [i, header] of headers.entries()) Elf64Shdr.write(table, header, (i + 1) * Elf64Shdr.size);
  const e_shoff = put(table);
  const header = Buffer.alloc(Elf64Ehdr.size);
  Elf64Ehdr.write(header, {
    e_ident: Buffer.from('\x7fELF\x02\x01\x01'.padEnd(16, '\0'), 'latin1'),
    e_type: ET_EXEC,
    e_machine: 62,
    e_shoff,
    e_shentsize: Elf64Shdr.size,
    e_shnum: count > 0 ? 0 : headers.length + 1,
    e_shstrndx: headers.length,
  });
  writeSync(fd, header, 0, header.length, 0);
  closeSync(fd);
  truncateSync(path, end);
  return path;
}

/** Behind an Elf64_Chdr. */
function packed(bytes: Uint8Array, promises: number): Buffer {
  const header = Buffer.alloc(24);
  header.writeUInt32LE(1);
  header.writeBigUInt64LE(BigInt(promises), 8);
  return Buffer.concat([header, deflateSync(bytes, { level: 1 })]);
}

export function uleb(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return [...bytes, rest];
    bytes.push((rest % 128) + 128);
  }
}

/** One row of .debug_abbrev. */
export function abbrev(
  code: number,
  tag: number,
  hasChildren: boolean,
  ...attributes: readonly (readonly [name: number, form: number])[]
): number[] {
  return [...uleb(code), tag, hasChildren ? 1 : 0, ...attributes.flatMap((pair) => pair.flatMap(uleb)), 0, 0];
}

/** DWARF 5, with the table of abbreviations at `abbrevAt`. Its first entry begins 12 bytes into it. */
export function unit(entries: Uint8Array, abbrevAt = 0, length = entries.length): Buffer {
  const header = Buffer.from([0, 0, 0, 0, 5, 0, 1, 8, 0, 0, 0, 0]);
  header.writeUInt32LE(length + 8);
  header.writeUInt32LE(abbrevAt, 8);
  return Buffer.concat([header, entries]);
}
