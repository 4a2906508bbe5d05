/** ELF64 core files: /proc/vmcore, makedumpfile -E, QEMU's dump-guest-memory. */

import { SmeltError } from '../errors.ts';
import { bytes, size64, struct, u8, u16, u32, u64 } from '../struct.ts';
import type { ElfDumpFile, Extents, Format } from './dump-file.ts';
import { extentsOf, type Segment } from './extents.ts';
import { comma, truncated } from './file.ts';
import { checkMemory, MAX_EXTENTS, MAX_FLAT_BYTES, MAX_NOTE_BYTES, MAX_PADDR } from './limits.ts';
import { partOf, type Source } from './source.ts';

/** Source: elf.h, e_ident. */
const ElfIdent = struct('e_ident', { magic: u32, ei_class: u8, ei_data: u8, ei_version: u8, rest: bytes(9) });
/** Source: elf.h, Elf64_Ehdr. */
export const Elf64Ehdr = struct('Elf64_Ehdr', {
  e_ident: bytes(16),
  e_type: u16,
  e_machine: u16,
  e_version: u32,
  e_entry: u64,
  e_phoff: size64,
  e_shoff: size64,
  e_flags: u32,
  e_ehsize: u16,
  e_phentsize: u16,
  e_phnum: u16,
  e_shentsize: u16,
  e_shnum: u16,
  e_shstrndx: u16,
});
/** Source: elf.h, Elf64_Phdr. */
export const Elf64Phdr = struct('Elf64_Phdr', {
  p_type: u32,
  p_flags: u32,
  p_offset: size64,
  p_vaddr: u64,
  p_paddr: size64,
  p_filesz: size64,
  p_memsz: size64,
  p_align: u64,
});
/** Source: elf.h, Elf64_Shdr. */
export const Elf64Shdr = struct('Elf64_Shdr', {
  sh_name: u32,
  sh_type: u32,
  sh_flags: u64,
  sh_addr: u64,
  sh_offset: u64,
  sh_size: u64,
  sh_link: u32,
  sh_info: u32,
  sh_addralign: u64,
  sh_entsize: u64,
});

export const ELF_MAGIC = 0x464c457f;
const ELFCLASS32 = 1;
export const ELFCLASS64 = 2;
export const ELFDATA2LSB = 1;
export const ELFDATA2MSB = 2;
const ET_CORE = 4;
const PT_LOAD = 1;
const PT_NOTE = 4;
/** Its e_flags have no meaning of their own, so they can say that the dump is not whole. Source: elf.h, makedumpfile elf_info.h. */
export const EM_X86_64 = 62;
export const DUMP_ELF_INCOMPLETE = 0x1;
/** e_phnum when the real number did not fit: it stands in sh_info of section 0. */
const PN_XNUM = 0xffff;
/** The kernel image is the first segment of /proc/vmcore; a QEMU dump with paging has some hundreds. */
const MAX_MAPPINGS = 4096;
/** p_paddr of mappings that are not RAM, in /proc/kcore. */
const NOT_PADDR = Number(0xffffffffffffffffn);

export const MACHINES: Record<number, string> = {
  3: 'i386',
  21: 'ppc64',
  22: 's390x',
  40: 'arm',
  62: 'x86_64',
  183: 'aarch64',
  243: 'riscv64',
  258: 'loongarch64',
};

/** What is there of a file that may be cut short, and what of it is not: for a sentence. */
export interface OpenedElf {
  readonly file: ElfDumpFile;
  readonly cut: readonly string[];
}

/** Of segments that a damaged header may have, those that can be. */
export type Repair = (segments: readonly LoadSegment[]) => readonly LoadSegment[];

/**
 * With `repair` a file that ends before what it promises is opened all the same; `stored` then says what it should have.
 * @throws SmeltError
 */
export function openElf(source: Source, repair?: Repair): OpenedElf {
  const { path } = source;
  const cut: string[] = [];
  const { header, littleEndian, noteRanges, segments: all } = readElf(source, repair && cut);
  const segments = repair === undefined ? all : repair(all);

  const stored = extentsOf(
    segments.map(({ paddr, filesz, byteOffset }) => ({ paddr, sizeBytes: filesz, byteOffset })),
  );
  // Where nothing is left out, which is the rule, the two lists are one and the same.
  const memory = segments.every((s) => s.memsz === s.filesz)
    ? stored
    : extentsOf(segments.map(({ paddr, memsz, byteOffset }) => ({ paddr, sizeBytes: memsz, byteOffset })));
  checkMemory(path, memory);
  const file: ElfDumpFile = {
    format: 'elf',
    ...source,
    machine: MACHINES[header.e_machine] ?? `ELF machine ${header.e_machine}`,
    littleEndian,
    pageSize: 4096,
    incomplete: header.e_machine === EM_X86_64 && (header.e_flags & DUMP_ELF_INCOMPLETE) !== 0,
    memory,
    stored: stored satisfies Extents,
    mappings: segments.slice(0, MAX_MAPPINGS).map(({ vaddr, paddr }) => ({ vaddr, paddr })),
    notes: Buffer.concat(
      noteRanges.flatMap((n) => [
        partOf(source, 'the notes', n.byteOffset, n.sizeBytes),
        padding(n.sizeBytes),
      ]),
    ),
  };
  return { file, cut };
}

/** What the headers of an ELF core say, as they say it. */
export interface ElfHeaders {
  readonly header: ReturnType<typeof Elf64Ehdr.read>;
  readonly littleEndian: boolean;
  /** Of the table of program headers. */
  readonly count: number;
  readonly segments: readonly LoadSegment[];
  readonly noteRanges: readonly Omit<Segment, 'paddr'>[];
}

/** @throws SmeltError where they cannot be; with `cut`, what the file ends before is told there instead */
export function readElf(source: Source, cut?: string[]): ElfHeaders {
  const { path } = source;
  const ident = ElfIdent.read(partOf(source, 'the ELF header', 0, ElfIdent.size));
  const littleEndian = ident.ei_data === ELFDATA2LSB;
  if (ident.ei_class === ELFCLASS32) {
    throw new SmeltError('UNSUPPORTED', `${path}: is a 32-bit ELF file, and only 64-bit dumps are supported`);
  }
  if (ident.ei_class !== ELFCLASS64) {
    throw new SmeltError('CORRUPT', `${path}: ei_class: expected ${ELFCLASS64}, saw ${ident.ei_class}`);
  }
  if (!littleEndian && ident.ei_data !== ELFDATA2MSB) {
    throw new SmeltError(
      'CORRUPT',
      `${path}: ei_data: expected ${ELFDATA2LSB} or ${ELFDATA2MSB}, saw ${ident.ei_data}`,
    );
  }
  const header = Elf64Ehdr.read(partOf(source, 'the ELF header', 0, Elf64Ehdr.size), 0, littleEndian);
  if (header.e_type !== ET_CORE) {
    throw new SmeltError(
      'NOT_A_DUMP',
      `${path}: is an ELF file of type ${header.e_type}, not a core file (type 4)`,
      {
        hint: 'A vmlinux or a program is no dump.',
      },
    );
  }
  const count = header.e_phnum === PN_XNUM ? realPhnum(source, header.e_shoff, littleEndian) : header.e_phnum;
  const { segments, noteRanges } = readProgramHeaders(source, header, count, littleEndian, cut);
  return { header, littleEndian, count, segments, noteRanges };
}

/** What a segment's last note lacks of a multiple of 4 bytes: the next segment's first note begins at one. */
function padding(sizeBytes: number): Uint8Array {
  return new Uint8Array((4 - (sizeBytes % 4)) % 4);
}

function realPhnum(source: Source, e_shoff: number, littleEndian: boolean): number {
  const { path, fileBytes } = source;
  const what = 'section header 0, which has the number of program headers,';
  const end = e_shoff + Elf64Shdr.size;
  if (end > fileBytes) throw truncated(path, `${what} ends at byte ${comma(end)}`, fileBytes);
  const raw = partOf(source, what, e_shoff, Elf64Shdr.size);
  return Elf64Shdr.read(raw, 0, littleEndian).sh_info;
}

export interface LoadSegment {
  readonly vaddr: bigint;
  readonly paddr: number;
  readonly byteOffset: number;
  readonly filesz: number;
  readonly memsz: number;
  /** As it stands, though the file may have more. */
  readonly askedMemsz: number;
}

function readProgramHeaders(
  source: Source,
  { e_phoff, e_phentsize }: { e_phoff: number; e_phentsize: number },
  promised: number,
  littleEndian: boolean,
  cut: string[] | undefined,
): { segments: LoadSegment[]; noteRanges: Omit<Segment, 'paddr'>[] } {
  const { path, fileBytes } = source;
  let count = promised;
  if (count > 0 && e_phentsize !== Elf64Phdr.size) {
    throw new SmeltError('CORRUPT', `${path}: e_phentsize: expected ${Elf64Phdr.size}, saw ${e_phentsize}`);
  }
  const tableEnd = e_phoff + count * Elf64Phdr.size;
  if (tableEnd > fileBytes) {
    if (cut === undefined)
      throw truncated(path, `the ${comma(count)} program headers end at byte ${comma(tableEnd)}`, fileBytes);
    count = Math.max(0, Math.floor((fileBytes - e_phoff) / Elf64Phdr.size));
    cut.push(`${comma(promised)} program headers`);
  }
  if (count > MAX_EXTENTS) {
    throw new SmeltError(
      'CORRUPT',
      `${path}: has ${comma(count)} program headers, more than ${comma(MAX_EXTENTS)}`,
    );
  }
  const table = partOf(source, 'the program headers', e_phoff, count * Elf64Phdr.size);
  const segments: LoadSegment[] = [];
  const noteRanges: Omit<Segment, 'paddr'>[] = [];
  let noteBytes = 0;
  for (let i = 0; i < count; i++) {
    const p = Elf64Phdr.read(table, i * Elf64Phdr.size, littleEndian);
    if (p.p_type !== PT_LOAD && p.p_type !== PT_NOTE) continue;
    if (p.p_filesz > 0 && p.p_offset + p.p_filesz > fileBytes) {
      if (cut === undefined) {
        throw truncated(
          path,
          `program header ${i} says its data end at byte ${comma(p.p_offset + p.p_filesz)}`,
          fileBytes,
        );
      }
      // One that is damaged must not have the others refused.
      if (p.p_offset + p.p_filesz > MAX_FLAT_BYTES || p.p_paddr + p.p_memsz > MAX_PADDR) continue;
      if (p.p_type === PT_NOTE) {
        cut.push('its notes');
        p.p_filesz = Math.max(0, fileBytes - p.p_offset);
      }
    }
    if (p.p_type === PT_NOTE) {
      noteBytes += p.p_filesz;
      if (noteBytes > MAX_NOTE_BYTES) {
        throw new SmeltError(
          'CORRUPT',
          `${path}: has ${comma(noteBytes)} bytes of notes, more than ${comma(MAX_NOTE_BYTES)}`,
        );
      }
      noteRanges.push({ byteOffset: p.p_offset, sizeBytes: p.p_filesz });
    } else if (p.p_paddr !== NOT_PADDR) {
      segments.push({
        vaddr: p.p_vaddr,
        paddr: p.p_paddr,
        byteOffset: p.p_offset,
        filesz: p.p_filesz,
        memsz: Math.max(p.p_memsz, p.p_filesz),
        askedMemsz: p.p_memsz,
      });
    }
  }
  return { segments, noteRanges };
}

export const elf: Format<ElfDumpFile> = {
  name: 'ELF',
  probe: (head) =>
    head.length >= 4 && ElfIdent.size <= head.length && ElfIdent.read(head).magic === ELF_MAGIC,
  // biome-ignore lint/correctness/useYield: its headers are read in no time.
  *open(source) {
    return openElf(source).file;
  },
};
