/** A writer of ELF64 core files that does what it is told: also headers that lie. */
import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { bytes, struct, u16, u32, u64 } from '../../src/struct.ts';

export const Elf64Ehdr = struct('Elf64_Ehdr', {
  e_ident: bytes(16),
  e_type: u16,
  e_machine: u16,
  e_version: u32,
  e_entry: u64,
  e_phoff: u64,
  e_shoff: u64,
  e_flags: u32,
  e_ehsize: u16,
  e_phentsize: u16,
  e_phnum: u16,
  e_shentsize: u16,
  e_shnum: u16,
  e_shstrndx: u16,
});

export const Elf64Phdr = struct('Elf64_Phdr', {
  p_type: u32,
  p_flags: u32,
  p_offset: u64,
  p_vaddr: u64,
  p_paddr: u64,
  p_filesz: u64,
  p_memsz: u64,
  p_align: u64,
});

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

export type EhdrFields = Parameters<typeof Elf64Ehdr.write>[1];
export type PhdrFields = Parameters<typeof Elf64Phdr.write>[1];
export type ShdrFields = Parameters<typeof Elf64Shdr.write>[1];

export const PT_LOAD = 1;
export const PT_NOTE = 4;
export const PN_XNUM = 0xffff;

/** One PT_LOAD to place: `memsz` bytes of memory, of which the file holds `filesz` (default: all). */
export interface Load {
  readonly paddr: number;
  readonly vaddr?: bigint;
  readonly memsz: number;
  readonly filesz?: number;
  /** The bytes, from the segment's start; what is not given stays a hole. Or write them later with the plan. */
  readonly data?: Uint8Array;
  /** Fields over those that the layout gives. */
  readonly phdr?: PhdrFields;
}

export interface ElfCoreSpec {
  /** The PT_NOTE segment's bytes; none: no PT_NOTE. */
  readonly notes?: Uint8Array;
  readonly loads: readonly Load[];
  /** Where the program headers stand; default right behind the ELF header, the only place makedumpfile looks at. */
  readonly phoff?: number;
  /** e_phnum 0xffff and the true count in sh_info of section 0; default: when there are too many. */
  readonly pnXnum?: boolean;
  /** p_offset of each PT_LOAD modulo 4096; default 0. */
  readonly unaligned?: number;
  /** Fields over those of the ELF header. */
  readonly ehdr?: EhdrFields;
  /** Fields over those of the PT_NOTE header. */
  readonly notePhdr?: PhdrFields;
  /** The file's size; default: where the last segment ends. Smaller cuts the file short. */
  readonly size?: number;
  /** Last say over the headers' bytes (ELF header, program and section headers, notes). */
  readonly patch?: (headers: Uint8Array) => void;
}

/** Where everything goes. */
export interface ElfPlan {
  /** Everything before the first segment's data. */
  readonly headers: Uint8Array;
  readonly phoff: number;
  readonly noteOffset: number;
  /** File offset of each load, in the order of the spec. */
  readonly offsets: readonly number[];
  readonly size: number;
}

/** Lays a core file out without writing it. */
export function planElfCore(spec: ElfCoreSpec): ElfPlan {
  const notes = spec.notes ?? new Uint8Array();
  const phnum = spec.loads.length + (spec.notes ? 1 : 0);
  const xnum = spec.pnXnum ?? phnum >= PN_XNUM;
  const phoff = spec.phoff ?? Elf64Ehdr.size;
  const shoff = phoff + phnum * Elf64Phdr.size;
  const noteOffset = shoff + (xnum ? Elf64Shdr.size : 0);
  const pages = (n: number): number => Math.ceil(n / 4096) * 4096;

  let end = noteOffset + notes.length;
  const headerEnd = end;
  const offsets = spec.loads.map((load) => {
    const at = pages(end) + (spec.unaligned ?? 0);
    end = at + (load.filesz ?? load.memsz);
    return at;
  });

  const headers = new Uint8Array(headerEnd);
  Elf64Ehdr.write(headers, {
    e_ident: Uint8Array.of(0x7f, 0x45, 0x4c, 0x46, 2, 1, 1),
    e_type: 4, // ET_CORE
    e_machine: 62, // EM_X86_64
    e_version: 1,
    e_phoff: BigInt(phoff),
    e_shoff: xnum ? BigInt(shoff) : 0n,
    e_ehsize: Elf64Ehdr.size,
    e_phentsize: Elf64Phdr.size,
    e_phnum: xnum ? PN_XNUM : phnum,
    e_shentsize: xnum ? Elf64Shdr.size : 0,
    e_shnum: xnum ? 1 : 0,
    ...spec.ehdr,
  });
  let at = phoff;
  if (spec.notes) {
    const size = BigInt(notes.length);
    const note = { p_type: PT_NOTE, p_offset: BigInt(noteOffset), p_filesz: size, p_memsz: size };
    Elf64Phdr.write(headers, { ...note, ...spec.notePhdr }, at);
    at += Elf64Phdr.size;
  }
  for (const [i, load] of spec.loads.entries()) {
    const fields = {
      p_type: PT_LOAD,
      p_flags: 7,
      p_offset: BigInt(offsets[i]),
      p_vaddr: load.vaddr ?? 0n,
      p_paddr: BigInt(load.paddr),
      p_filesz: BigInt(load.filesz ?? load.memsz),
      p_memsz: BigInt(load.memsz),
    };
    Elf64Phdr.write(headers, { ...fields, ...load.phdr }, at);
    at += Elf64Phdr.size;
  }
  if (xnum) Elf64Shdr.write(headers, { sh_info: phnum }, shoff);
  headers.set(notes, noteOffset);
  spec.patch?.(headers);
  return { headers, phoff, noteOffset, offsets, size: spec.size ?? Math.max(end, headerEnd) };
}

/** Writes a core file, with holes where no data is given. */
export function writeElfCore(path: string, spec: ElfCoreSpec): ElfPlan {
  const plan = planElfCore(spec);
  const fd = openSync(path, 'w');
  try {
    writeSync(fd, plan.headers, 0, plan.headers.length, 0);
    for (const [i, { data }] of spec.loads.entries()) {
      if (data) writeSync(fd, data, 0, data.length, plan.offsets[i]);
    }
    ftruncateSync(fd, plan.size);
  } finally {
    closeSync(fd);
  }
  return plan;
}
