/** Readers of ELF cores, raw images and LiME files for tests, by hand from the formats' descriptions: they share no code with src. */

const PAGE = 4096;

export interface Load {
  readonly offset: number;
  readonly vaddr: bigint;
  readonly paddr: number;
  readonly filesz: number;
  readonly memsz: number;
}

export interface ParsedElf {
  readonly flags: number;
  readonly loads: readonly Load[];
  /** Those of the kernel image, where it runs; the same memory is in `loads` too. */
  readonly image: readonly Load[];
  /** Of the PT_NOTE. */
  readonly notes: Buffer;
  /** A page's bytes; undefined where the file has none. */
  page(pfn: number): Buffer | undefined;
}

const START_KERNEL_MAP = 0xffffffff80000000n;

/** Throws where the headers are not those of a 64-bit core file of an x86_64 machine, or lead out of the file. */
export function parseElf(file: Buffer): ParsedElf {
  const u64 = (at: number): number => Number(file.readBigUInt64LE(at));
  if (file.toString('hex', 0, 16) !== '7f454c46020101000000000000000000') throw new Error('e_ident');
  if (file.readUInt16LE(16) !== 4 || file.readUInt16LE(18) !== 62) throw new Error('no core file of x86_64');
  const phoff = u64(32);
  let phnum = file.readUInt16LE(56);
  if (phnum === 0xffff) phnum = file.readUInt32LE(u64(40) + 44);
  const loads: Load[] = [];
  const image: Load[] = [];
  let notes: Buffer = Buffer.alloc(0);
  for (let i = 0; i < phnum; i++) {
    const at = phoff + i * 56;
    const type = file.readUInt32LE(at);
    const [offset, paddr, filesz, memsz] = [u64(at + 8), u64(at + 24), u64(at + 32), u64(at + 40)];
    if (offset + filesz > file.length) throw new Error(`program header ${i} leads out of the file`);
    if (type === 4) notes = file.subarray(offset, offset + filesz);
    else if (type === 1) {
      const vaddr = file.readBigUInt64LE(at + 16);
      (vaddr >= START_KERNEL_MAP ? image : loads).push({ offset, vaddr, paddr, filesz, memsz });
    } else throw new Error(`program header ${i} is of type ${type}`);
  }
  const page = (pfn: number): Buffer | undefined => {
    const address = pfn * PAGE;
    const load = loads.find(({ paddr, filesz }) => paddr <= address && address + PAGE <= paddr + filesz);
    return load && file.subarray(load.offset + address - load.paddr).subarray(0, PAGE);
  };
  return { flags: file.readUInt32LE(48), loads, image, notes, page };
}

/** Runs of memory of a LiME file, with where their bytes begin. */
export function parseLime(file: Buffer): { start: number; end: number; at: number }[] {
  const ranges: { start: number; end: number; at: number }[] = [];
  for (let at = 0; at < file.length; ) {
    if (file.readUInt32LE(at) !== 0x4c694d45 || file.readUInt32LE(at + 4) !== 1)
      throw new Error('no LiME header');
    const start = Number(file.readBigUInt64LE(at + 8));
    const end = Number(file.readBigUInt64LE(at + 16)) + 1;
    if (file.readBigUInt64LE(at + 24) !== 0n) throw new Error('reserved bytes are not 0');
    ranges.push({ start, end, at: at + 32 });
    at += 32 + end - start;
    if (at > file.length) throw new Error('a range ends behind the file');
  }
  return ranges;
}
