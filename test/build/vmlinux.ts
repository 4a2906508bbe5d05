/** A vmlinux of a few data structures, compiled from vmlinux.c, and the memory that it would have. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Elf64Ehdr, Elf64Phdr } from '../../src/read/elf.ts';
import type { PhysicalPages } from './physical-pages.ts';

const SOURCE = join(import.meta.dirname, 'vmlinux.c');
/** Where x86-64 links its kernel. */
export const LINKED_AT = 0xffffffff81000000n;

function works(program: string): boolean {
  try {
    execFileSync(program, ['--version'], { stdio: 'pipe' });
    return true;
  } catch {
    return false;
  }
}

/** Why there is none here; undefined: there is. */
export const noCompiler = works('gcc') && works('objcopy') ? undefined : 'gcc and binutils are not installed';

export interface VmlinuxOptions {
  readonly dwarf?: 4 | 5;
  /** More for gcc. */
  readonly flags?: readonly string[];
  /** For objcopy, afterwards. */
  readonly objcopy?: readonly string[];
}

export function buildVmlinux(
  path: string,
  { dwarf = 5, flags = [], objcopy = [] }: VmlinuxOptions = {},
): string {
  // A second file, with a symbol of the same name, and the definition of what the first only declares.
  const second = `${path}.second.c`;
  writeFileSync(
    second,
    'static int twice __attribute__((used)) = 2; struct opaque { char inside[12]; } hidden = { "hidden" };\n',
  );
  const common = [
    '-O1',
    `-gdwarf-${dwarf}`,
    '-mcmodel=kernel',
    '-fno-pic',
    '-fno-asynchronous-unwind-tables',
    '-w',
  ];
  const link = [
    '-nostdlib',
    '-static',
    '-no-pie',
    `-Wl,-Ttext-segment=0x${LINKED_AT.toString(16)}`,
    '-Wl,--build-id=none',
  ];
  const types = '-DLIST_TYPE=struct opaque';
  execFileSync('gcc', [...common, ...link, types, ...flags, '-o', path, SOURCE, second], { stdio: 'pipe' });
  if (objcopy.length > 0) execFileSync('objcopy', [...objcopy, path], { stdio: 'pipe' });
  return path;
}

/** Puts the segments of an ELF file into memory, from `paddr` on; gives what was mapped where. */
export function loadVmlinux(
  file: Buffer,
  pages: PhysicalPages,
  paddr: number,
): { vaddr: bigint; paddr: number; bytes: number }[] {
  const { e_phoff, e_phnum } = Elf64Ehdr.read(file);
  const mapped = [];
  for (let i = 0; i < e_phnum; i++) {
    const segment = Elf64Phdr.read(file, e_phoff + i * Elf64Phdr.size);
    if (segment.p_type !== 1) continue;
    const start = segment.p_vaddr & ~0xfffn;
    const bytes = Math.ceil((Number(segment.p_vaddr - start) + segment.p_memsz) / 4096) * 4096;
    const at = paddr + Number(start - LINKED_AT);
    for (let done = 0; done < bytes; done += 4096) pages.page((at + done) / 4096);
    const data = file.subarray(segment.p_offset, segment.p_offset + segment.p_filesz);
    pages.write(at + Number(segment.p_vaddr - start), data);
    mapped.push({ vaddr: start, paddr: at, bytes });
  }
  return mapped;
}
