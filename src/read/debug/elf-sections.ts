/** The sections of an ELF file that was linked, a vmlinux above all: where they are, and their bytes, unpacked where they are compressed. */

import { closeSync } from 'node:fs';
import { SmeltError } from '../../errors.ts';
import { ELF_MAGIC, ELFCLASS64, ELFDATA2LSB, ELFDATA2MSB, Elf64Ehdr, Elf64Shdr, MACHINES } from '../elf.ts';
import { comma, openForReading, readPart, truncated } from '../file.ts';
import { unpackSection } from './compressed.ts';

const ET_EXEC = 2;
const ET_DYN = 3;
const SHT_NOBITS = 8;
const SHF_COMPRESSED = 0x800n;
/** e_shstrndx when the real number did not fit: it stands in sh_link of section 0. */
const SHN_XINDEX = 0xffff;
/** A vmlinux with its relocations has some 90; one that was never linked has tens of thousands. */
const MAX_SECTIONS = 2 ** 16;
const MAX_NAMES_BYTES = 2 ** 24;

export interface Section {
  readonly name: string;
  readonly type: number;
  readonly vaddr: bigint;
  readonly byteOffset: number;
  readonly sizeBytes: number;
  /** Of a table of symbols: the section with their names. */
  readonly link: number;
  readonly compressed: boolean;
}

/** The bytes of one section. */
export interface SectionBytes {
  readonly sizeBytes: number;
  /** Fewer than `length` where the section ends. `length` has been bounded. */
  read(at: number, length: number): Buffer;
}

export class ElfSections {
  readonly path: string;
  readonly littleEndian: boolean;
  /** As `uname -m` has it. */
  readonly machine: string;
  readonly sections: readonly Section[];
  private readonly fd: number;
  /** What was unpacked, each in a file of its own that has no name. */
  private readonly unpacked = new Map<Section, SectionBytes & { close(): void }>();

  private constructor(
    path: string,
    fd: number,
    littleEndian: boolean,
    machine: string,
    sections: readonly Section[],
  ) {
    this.path = path;
    this.fd = fd;
    this.littleEndian = littleEndian;
    this.machine = machine;
    this.sections = sections;
  }

  /** @throws SmeltError for what is no ELF file of 64 bits that was linked */
  static open(path: string): ElfSections {
    const { fd, fileBytes } = openForReading(path);
    try {
      return new ElfSections(path, fd, ...readSections(path, fd, fileBytes));
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }

  find(name: string): Section | undefined {
    return this.sections.find((section) => section.name === name);
  }

  /** Its bytes; the first time a section that is compressed is unpacked. @throws SmeltError */
  async bytes(section: Section, look: () => Promise<void>): Promise<SectionBytes> {
    if (section.type === SHT_NOBITS) return { sizeBytes: 0, read: () => Buffer.alloc(0) };
    if (!section.compressed) return this.stored(section);
    let bytes = this.unpacked.get(section);
    if (bytes === undefined) {
      const before = [...this.unpacked.values()].reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
      const { path, littleEndian } = this;
      bytes = await unpackSection(path, section.name, this.stored(section), littleEndian, before, look);
      this.unpacked.set(section, bytes);
    }
    return bytes;
  }

  /** Bytes that the file has of memory at an address; undefined where it has none. */
  atAddress(vaddr: bigint, length: number): Buffer | undefined {
    const section = this.sections.find(
      ({ type, compressed, vaddr: start, sizeBytes }) =>
        type !== SHT_NOBITS &&
        !compressed &&
        start !== 0n &&
        vaddr >= start &&
        vaddr < start + BigInt(sizeBytes),
    );
    return section && this.stored(section).read(Number(vaddr - section.vaddr), length);
  }

  close(): void {
    for (const bytes of this.unpacked.values()) bytes.close();
    closeSync(this.fd);
  }

  private stored({ name, byteOffset, sizeBytes }: Section): SectionBytes {
    return {
      sizeBytes,
      read: (at, length) =>
        readPart(
          this.path,
          this.fd,
          `section ${name}`,
          byteOffset + at,
          Math.max(0, Math.min(length, sizeBytes - at)),
        ),
    };
  }
}

function readSections(
  path: string,
  fd: number,
  fileBytes: number,
): [littleEndian: boolean, machine: string, sections: Section[]] {
  const raw =
    fileBytes < Elf64Ehdr.size ? undefined : readPart(path, fd, 'the ELF header', 0, Elf64Ehdr.size);
  const [elfClass, data] = [raw?.[4], raw?.[5]];
  if (raw?.readUInt32LE(0) !== ELF_MAGIC || (data !== ELFDATA2LSB && data !== ELFDATA2MSB)) {
    throw new SmeltError('NOT_A_DUMP', `${path}: is no ELF file`, {
      hint: 'The vmlinux with debug information is meant, not the compressed kernel (vmlinuz, bzImage) that is booted.',
    });
  }
  if (elfClass !== ELFCLASS64)
    throw new SmeltError('UNSUPPORTED', `${path}: is a 32-bit ELF file, and only 64-bit ones are supported`);
  const littleEndian = data === ELFDATA2LSB;
  const header = Elf64Ehdr.read(raw, 0, littleEndian);
  if (header.e_type !== ET_EXEC && header.e_type !== ET_DYN) {
    throw new SmeltError(
      'UNSUPPORTED',
      `${path}: is an ELF file of type ${header.e_type}, not a linked kernel`,
      {
        hint: 'The vmlinux with debug information is meant; modules (.ko) and object files are not read.',
      },
    );
  }
  const { e_shoff, e_shentsize } = header;
  if (e_shoff === 0)
    throw new SmeltError('UNSUPPORTED', `${path}: has no sections, and so neither symbols nor types`, {
      hint: 'It was stripped: the package with the debug information has the whole vmlinux.',
    });
  if (e_shentsize !== Elf64Shdr.size)
    throw new SmeltError('CORRUPT', `${path}: e_shentsize: expected ${Elf64Shdr.size}, saw ${e_shentsize}`);
  const table = (count: number) => {
    const end = e_shoff + count * Elf64Shdr.size;
    if (end > fileBytes) throw truncated(path, `the section headers end at byte ${comma(end)}`, fileBytes);
    return readPart(path, fd, 'the section headers', e_shoff, count * Elf64Shdr.size);
  };
  // Numbers that do not fit the ELF header stand in section 0.
  const first = Elf64Shdr.read(table(1), 0, littleEndian);
  const count = header.e_shnum === 0 ? Number(first.sh_size) : header.e_shnum;
  if (count > MAX_SECTIONS)
    throw new SmeltError(
      'CORRUPT',
      `${path}: has ${comma(count)} sections, more than ${comma(MAX_SECTIONS)}`,
    );
  const headers = table(count);
  const all = Array.from({ length: count }, (_, i) =>
    Elf64Shdr.read(headers, i * Elf64Shdr.size, littleEndian),
  );
  for (const [i, { sh_type, sh_offset, sh_size }] of all.entries()) {
    // Section 0 has other things in its fields.
    if (i > 0 && sh_type !== SHT_NOBITS && sh_offset + sh_size > BigInt(fileBytes))
      throw truncated(path, `section ${i} ends at byte ${comma(sh_offset + sh_size)}`, fileBytes);
  }
  const names = all[header.e_shstrndx === SHN_XINDEX ? first.sh_link : header.e_shstrndx];
  const texts =
    names === undefined || names.sh_type === SHT_NOBITS || names.sh_size > MAX_NAMES_BYTES
      ? Buffer.alloc(0)
      : readPart(path, fd, "the sections' names", Number(names.sh_offset), Number(names.sh_size));
  const nameAt = (at: number) => {
    const end = texts.indexOf(0, at);
    return at < texts.length && end >= 0 ? texts.toString('latin1', at, end) : '';
  };
  return [
    littleEndian,
    MACHINES[header.e_machine] ?? `ELF machine ${header.e_machine}`,
    all.map((section) => ({
      name: nameAt(section.sh_name),
      type: section.sh_type,
      vaddr: section.sh_addr,
      byteOffset: Number(section.sh_offset),
      sizeBytes: Number(section.sh_size),
      link: section.sh_link,
      compressed: (section.sh_flags & SHF_COMPRESSED) !== 0n,
    })),
  ];
}
