/** The ELF core file of a synthetic machine: headers, notes, and RAM where it is written to. */

import { closeSync, ftruncateSync, openSync } from 'node:fs';
import { SmeltError, systemReason } from '../errors.ts';
import { Elf64Ehdr, Elf64Phdr } from '../read/elf.ts';
import { comma } from '../read/file.ts';
import { encodeNote, NT_PRSTATUS } from '../read/notes.ts';
import { writeFully } from '../write/target-file.ts';
import { directVaddr } from './synthetic-kernel.ts';
import { PAGE_BYTES, type PfnRange } from './synthetic-machine.ts';

const ELF64_LITTLE_ENDIAN = Uint8Array.of(0x7f, 0x45, 0x4c, 0x46, 2, 1, 1);
const ET_CORE = 4;
const EM_X86_64 = 62;
const PT_LOAD = 1;
const PT_NOTE = 4;

/** sizeof(struct elf_prstatus). */
const PRSTATUS_BYTES = 336;

export class CoreFile {
  readonly sizeBytes: number;
  writtenBytes = 0;
  /** Page frames written to. */
  writtenPages = 0;
  private readonly path: string;
  private readonly fd: number;
  /** Where in the file RAM is. */
  private readonly segments: readonly (PfnRange & { readonly byteOffset: number })[];

  private readonly headers: Buffer;

  /** Makes the file. @throws SmeltError, also when there is one already */
  constructor(path: string, ram: readonly PfnRange[], vmcoreinfo: string) {
    const notes = Buffer.concat([
      encodeNote('CORE', NT_PRSTATUS, new Uint8Array(PRSTATUS_BYTES)),
      encodeNote('VMCOREINFO', 0, Buffer.from(vmcoreinfo, 'latin1')),
    ]);
    const notesAt = Elf64Ehdr.size + (1 + ram.length) * Elf64Phdr.size;
    let end = Math.ceil((notesAt + notes.length) / PAGE_BYTES) * PAGE_BYTES;
    const headers = Buffer.alloc(end);
    Elf64Ehdr.write(headers, {
      e_ident: ELF64_LITTLE_ENDIAN,
      e_type: ET_CORE,
      e_machine: EM_X86_64,
      e_version: 1,
      e_phoff: Elf64Ehdr.size,
      e_ehsize: Elf64Ehdr.size,
      e_phentsize: Elf64Phdr.size,
      e_phnum: 1 + ram.length,
    });
    const note = { p_type: PT_NOTE, p_offset: notesAt, p_filesz: notes.length, p_memsz: notes.length };
    Elf64Phdr.write(headers, note, Elf64Ehdr.size);
    headers.set(notes, notesAt);
    this.segments = ram.map(({ pfn, end: endPfn }, i) => {
      const [p_offset, p_paddr, p_memsz] = [end, pfn * PAGE_BYTES, (endPfn - pfn) * PAGE_BYTES];
      const load = { p_type: PT_LOAD, p_flags: 7, p_offset, p_vaddr: directVaddr(p_paddr), p_paddr };
      Elf64Phdr.write(
        headers,
        { ...load, p_filesz: p_memsz, p_memsz },
        Elf64Ehdr.size + (1 + i) * Elf64Phdr.size,
      );
      end += p_memsz;
      return { pfn, end: endPfn, byteOffset: p_offset };
    });
    this.sizeBytes = end;
    this.headers = headers;
    this.path = path;
    try {
      this.fd = openSync(path, 'wx', 0o600);
    } catch (cause) {
      throw new SmeltError('TARGET', `${path}: cannot be created: ${systemReason(cause)}`, { cause });
    }
  }

  /** Writes the headers and makes the file as large as it is to be. */
  begin(): void {
    this.writeAt(this.headers, 0);
    try {
      ftruncateSync(this.fd, this.sizeBytes);
    } catch (cause) {
      throw new SmeltError(
        'WRITE',
        `${this.path}: cannot be made ${comma(this.sizeBytes)} bytes long: ${systemReason(cause)}`,
        { hint: 'Ask for less memory, or use a file system that allows larger files.', cause },
      );
    }
  }

  /** Whole pages. */
  write(pfn: number, pages: Uint8Array): void {
    const segment = this.segments.find((s) => pfn >= s.pfn && pfn < s.end)!;
    this.writeAt(pages, segment.byteOffset + (pfn - segment.pfn) * PAGE_BYTES);
    this.writtenPages += pages.length / PAGE_BYTES;
  }

  close(): void {
    closeSync(this.fd);
  }

  private writeAt(bytes: Uint8Array, byteOffset: number): void {
    writeFully(this.path, this.fd, bytes, byteOffset);
    this.writtenBytes += bytes.length;
  }
}
