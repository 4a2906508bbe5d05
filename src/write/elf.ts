/** An ELF core file as output: PT_LOADs of what was kept, and of what was left out. Source: elf.h, makedumpfile elf_info.c. */

import { DUMP_ELF_INCOMPLETE, Elf64Ehdr, Elf64Phdr, Elf64Shdr } from '../read/elf.ts';
import { encodeNote } from '../read/notes.ts';
import { type ImageLayout, imageSegments } from './image.ts';
import type { PfnRuns } from './raw.ts';

/**
 * Readers look for a page in one program header after the other. Where there would be more, short gaps between kept pages get a
 * place in the file too, and are holes there.
 */
const MOST_LOADS = 16_384;
/** Gaps are counted by the power of two that they reach. */
const GAP_SIZES = 40;

const ET_CORE = 4;
const PT_LOAD = 1;
const PT_NOTE = 4;
/** PF_R; and of the image, as /proc/vmcore has it, PF_R | PF_W | PF_X. */
const PF_MEMORY = 4;
const PF_IMAGE = 7;
/** e_phnum where the real number does not fit: it is in section header 0. */
const PN_XNUM = 0xffff;
const ERASEINFO_NOTE = 'ERASEINFO';

/** Kept page frames, in ascending order; neighbours may touch. Walked twice. */
export type KeptRuns = () => Iterable<readonly [first: number, end: number]>;

export interface ElfSource {
  /** e_machine. */
  readonly machine: number;
  readonly pageSize: number;
  readonly memory: PfnRuns;
  readonly notes: Uint8Array;
  readonly eraseInfo: Uint8Array;
  /** What it is made of is not whole itself. */
  readonly incomplete: boolean;
  /** What is to be added to a physical address to get p_vaddr. */
  readonly vaddrOffset: bigint;
  /** The kernel image, which is mapped once more: debuggers begin with its addresses. */
  readonly image: {
    readonly ranges: readonly { readonly pfn: number; readonly end: number }[];
    readonly vaddrOffset: bigint;
  };
}

/**
 * A PT_LOAD, which is in the file or is not: makedumpfile, when it maps a file, takes what comes behind the stored pages of a segment
 * for its other ones. Those that are not in the file lie behind its end.
 */
interface Load {
  readonly pfn: number;
  readonly pages: number;
  readonly stored: boolean;
}

export interface ElfLayout extends ImageLayout {
  /** Where e_flags stand, and what they are, with and without the mark of a dump that is not whole. */
  readonly flags: (incomplete: boolean) => { readonly byteOffset: number; readonly bytes: Uint8Array };
}

export function layoutElf(source: ElfSource, kept: KeptRuns, mostLoads = MOST_LOADS): ElfLayout {
  const { pageSize, memory, vaddrOffset } = source;
  const loads = [...loadsOf(memory, kept, shortestGap(memory, kept, mostLoads))];
  const notes =
    source.eraseInfo.length === 0
      ? source.notes
      : Buffer.concat([source.notes, encodeNote(ERASEINFO_NOTE, 0, source.eraseInfo)]);
  const inImage = loads.map(({ pfn, pages }) => overlaps(source.image.ranges, pfn, pfn + pages));
  const phnum = 1 + loads.length + inImage.reduce((sum, parts) => sum + parts.length, 0);
  const many = phnum >= PN_XNUM;
  const phEnd = Elf64Ehdr.size + phnum * Elf64Phdr.size;
  const notesAt = phEnd + (many ? Elf64Shdr.size : 0);
  const dataAt = Math.ceil((notesAt + notes.length) / pageSize) * pageSize;

  const head = Buffer.alloc(dataAt);
  Elf64Ehdr.write(head, {
    // ELFCLASS64, little-endian, version 1.
    e_ident: Uint8Array.from([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]),
    e_type: ET_CORE,
    e_machine: source.machine,
    e_version: 1,
    e_phoff: Elf64Ehdr.size,
    e_flags: flagsOf(source.incomplete),
    e_shoff: many ? phEnd : 0,
    e_ehsize: Elf64Ehdr.size,
    e_phentsize: Elf64Phdr.size,
    e_phnum: many ? PN_XNUM : phnum,
    e_shentsize: many ? Elf64Shdr.size : 0,
    e_shnum: many ? 1 : 0,
  });
  if (many) Elf64Shdr.write(head, { sh_info: phnum }, phEnd);
  head.set(notes, notesAt);
  const note = { p_type: PT_NOTE, p_offset: notesAt, p_filesz: notes.length, p_memsz: notes.length };
  Elf64Phdr.write(head, note, Elf64Ehdr.size);

  const fileBytes = loads.reduce((sum, { pages, stored }) => sum + (stored ? pages * pageSize : 0), dataAt);
  const segments: { pfn: number; pages: number; byteOffset: number }[] = [];
  let at = Elf64Ehdr.size + Elf64Phdr.size;
  const writeLoad = (p_flags: number, offset: bigint, { pfn, pages, stored }: Load, p_offset: number) => {
    const p_paddr = pfn * pageSize;
    const p_memsz = pages * pageSize;
    const p_filesz = stored ? p_memsz : 0;
    const p_vaddr = BigInt(p_paddr) + offset;
    Elf64Phdr.write(
      head,
      {
        p_type: PT_LOAD,
        p_flags,
        p_offset: stored ? p_offset : fileBytes,
        p_vaddr,
        p_paddr,
        p_filesz,
        p_memsz,
      },
      at,
    );
    at += Elf64Phdr.size;
  };
  let byteOffset = dataAt;
  for (const [index, load] of loads.entries()) {
    const { pfn, pages, stored } = load;
    for (const [first, end] of inImage[index]!) {
      const part = { pfn: first, pages: end - first, stored };
      writeLoad(PF_IMAGE, source.image.vaddrOffset, part, byteOffset + (first - pfn) * pageSize);
    }
    writeLoad(PF_MEMORY, vaddrOffset, load, byteOffset);
    if (!stored) continue;
    segments.push({ pfn, pages, byteOffset });
    byteOffset += pages * pageSize;
  }
  return {
    segments: imageSegments(segments),
    pieces: [{ byteOffset: 0, bytes: head }],
    fileBytes,
    flags: (incomplete) => {
      const bytes = Buffer.alloc(4);
      bytes.writeUInt32LE(flagsOf(incomplete || source.incomplete));
      return { byteOffset: Elf64Ehdr.offset.e_flags, bytes };
    },
  };
}

/** Of ranges, what lies between two page frames. */
function overlaps(
  ranges: ElfSource['image']['ranges'],
  from: number,
  to: number,
): (readonly [first: number, end: number])[] {
  return ranges.flatMap(({ pfn, end }) => {
    const [first, behind] = [Math.max(pfn, from), Math.min(end, to)];
    return first < behind ? [[first, behind] as const] : [];
  });
}

const flagsOf = (incomplete: boolean): number => (incomplete ? DUMP_ELF_INCOMPLETE : 0);

/** The least number of pages that a gap must have to be a PT_LOAD of its own, so that there are not too many of them. */
function shortestGap(memory: PfnRuns, kept: KeptRuns, mostLoads: number): number {
  const gaps = new Float64Array(GAP_SIZES);
  for (const { before } of keptIn(memory, kept)) if (before > 0) gaps[Math.floor(Math.log2(before))]!++;
  let size = GAP_SIZES;
  let separate = 0;
  while (size > 0 && separate + gaps[size - 1]! <= mostLoads) separate += gaps[--size]!;
  return 2 ** size;
}

/** All memory is in one of them, in ascending order. */
function* loadsOf(memory: PfnRuns, kept: KeptRuns, gap: number): Generator<Load> {
  const found = keptIn(memory, kept);
  let next = found.next();
  for (const { pfn, count } of memory) {
    // Of this stretch what is before `start` is told, and what is before `end` is stored.
    let start = pfn;
    let end = pfn;
    for (; !next.done && next.value.first < pfn + count; next = found.next()) {
      const { first, before } = next.value;
      if (end === start || before >= gap) {
        if (end > start) yield { pfn: start, pages: end - start, stored: true };
        if (first > end) yield { pfn: end, pages: first - end, stored: false };
        start = first;
      }
      end = next.value.end;
    }
    if (end > start) yield { pfn: start, pages: end - start, stored: true };
    if (pfn + count > end) yield { pfn: end, pages: pfn + count - end, stored: false };
  }
}

/** Runs of kept pages, each within one stretch of memory, with the length of the gap before it: 0 for the first one there. */
function* keptIn(
  memory: PfnRuns,
  kept: KeptRuns,
): Generator<{ readonly first: number; readonly end: number; readonly before: number }> {
  let stretch = 0;
  let end = -1;
  for (const [first, behind] of kept()) {
    let hasBefore = true;
    while (stretch < memory.length && memory[stretch]!.pfn + memory[stretch]!.count <= first) {
      stretch++;
      hasBefore = false;
    }
    const inStretch = stretch < memory.length && end > memory[stretch]!.pfn;
    yield { first, end: behind, before: hasBefore && inStretch ? first - end : 0 };
    end = behind;
  }
}
