/** Copies a whole dump into an ELF core file, page by page; what changes on the way is the caller's. */
import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import type { DumpFile, MemoryReader } from '../../src/read/dump-file.ts';
import { Elf64Ehdr, Elf64Phdr } from '../../src/read/elf.ts';
import { pfnRuns } from '../../src/read/extents.ts';
import { readPart } from '../../src/read/file.ts';
import { openDump } from '../../src/read/open.ts';
import { openReader } from '../../src/workers/thread.ts';
import { type Load, PT_LOAD, planElfCore } from './elf.ts';
import { pageSize } from './physical-pages.ts';

const ZEROS = Buffer.alloc(2 ** 20);

/** `count` page frames from `pfn` on. */
export interface PfnRun {
  readonly pfn: number;
  readonly count: number;
}

export interface SourceDump {
  readonly file: DumpFile;
  readonly reader: MemoryReader;
  /** A page's bytes for the caller to keep; undefined where the dump has none. */
  page(pfn: number): Buffer | undefined;
  close(): void;
}

/** Sees a page, in the order of the file, and may change it in place. */
export type PageVisitor = (pfn: number, page: Buffer) => void;

export async function openSource(path: string): Promise<SourceDump> {
  const file = openDump(path);
  const reader = await openReader(file, false);
  return {
    file,
    reader,
    page(pfn) {
      if (reader.load(pfn, 1) < 1) return undefined;
      return Buffer.from(reader.bytes.subarray(reader.start, reader.start + pageSize));
    },
    close() {
      reader.close();
      closeSync(file.fd);
    },
  };
}

/** Visits every page of the dump once. */
export function forEachPage(source: SourceDump, visit: PageVisitor): void {
  for (const { pfn, count } of pfnRuns(source.file.memory, pageSize)) {
    for (const run of loadedRuns(source, pfn, pfn + count)) visitAll(run.pfn, run.bytes, visit);
  }
}

/** Writes the copy: segments as the source has them, these notes, each page as `visit` leaves it. */
export function copyDump(source: SourceDump, to: string, notes: Uint8Array, visit: PageVisitor): void {
  const loads = loadsOf(source.file);
  const plan = planElfCore({ notes, loads });
  const fd = openSync(to, 'w', 0o600);
  try {
    writeSync(fd, plan.headers, 0, plan.headers.length, 0);
    for (const [i, load] of loads.entries()) {
      const end = load.paddr + (load.filesz ?? load.memsz);
      for (const { pfn, bytes } of loadedRuns(
        source,
        Math.floor(load.paddr / pageSize),
        Math.ceil(end / pageSize),
      )) {
        visitAll(pfn, bytes, visit);
        // Zeros are left out: a hole is as good.
        if (bytes.length <= ZEROS.length && bytes.equals(ZEROS.subarray(0, bytes.length))) continue;
        // A segment may begin and end inside a page.
        const from = Math.max(0, load.paddr - pfn * pageSize);
        const behind = Math.min(bytes.length, end - pfn * pageSize);
        writeSync(fd, bytes, from, behind - from, plan.offsets[i] + (pfn * pageSize + from - load.paddr));
      }
    }
    ftruncateSync(fd, plan.size);
  } finally {
    closeSync(fd);
  }
}

/** Pages as they lie in the reader's own buffer: valid until the next. */
function* loadedRuns({ file, reader }: SourceDump, pfn: number, end: number) {
  for (let at = pfn; at < end; ) {
    const pages = reader.load(at, end - at);
    if (pages < 1)
      throw new Error(`${file.path}: has no page frame ${at}, and only a whole dump can be copied`);
    yield { pfn: at, bytes: reader.bytes.subarray(reader.start, reader.start + pages * pageSize) };
    at += pages;
  }
}

function visitAll(pfn: number, bytes: Buffer, visit: PageVisitor): void {
  for (let at = 0; at < bytes.length; at += pageSize)
    visit(pfn + at / pageSize, bytes.subarray(at, at + pageSize));
}

/** A kdump-compressed file has page frames and no segments: they become such as QEMU writes, p_vaddr as p_paddr. */
function loadsOf(file: DumpFile): Load[] {
  if (file.format === 'kdump') {
    const { paddr, sizeBytes } = file.memory;
    return Array.from(paddr, (start, i) => ({ paddr: start, vaddr: BigInt(start), memsz: sizeBytes[i] }));
  }
  const { path, fd } = file;
  const header = Elf64Ehdr.read(readPart(path, fd, 'the ELF header', 0, Elf64Ehdr.size));
  const phdrs = Array.from({ length: header.e_phnum }, (_, i) => {
    const at = header.e_phoff + i * Elf64Phdr.size;
    return Elf64Phdr.read(readPart(path, fd, 'a program header', at, Elf64Phdr.size));
  });
  return phdrs
    .filter((p) => p.p_type === PT_LOAD)
    .map((p) => ({ paddr: p.p_paddr, vaddr: p.p_vaddr, memsz: p.p_memsz, filesz: p.p_filesz }));
}
