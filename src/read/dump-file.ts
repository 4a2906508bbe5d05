/** What every input becomes once it is open: plain data that crosses to worker threads, and a reader made from it per thread. */

import type { CodecName } from '../codec/codec.ts';
import type { StoredPages } from './page-state.ts';
import type { Source } from './source.ts';

/** Physical memory that the file describes, in ascending order and without overlaps. One entry of each column is one extent. */
export interface Extents {
  /** Physical address of the first byte. */
  readonly paddr: Float64Array;
  readonly sizeBytes: Float64Array;
  /** Where the bytes are in the file; meaningless in formats that store pages one by one. */
  readonly byteOffset: Float64Array;
}

/** An ELF note: owner name, type, and its descriptor. */
export interface Note {
  readonly name: string;
  readonly type: number;
  readonly desc: Uint8Array;
}

interface DumpFileBase extends Source {
  /** As `uname -m` names it; undefined when the file does not say. */
  readonly machine: string | undefined;
  readonly littleEndian: boolean;
  readonly pageSize: number;
  /** Where the input says of itself that pages are missing. */
  readonly incomplete: boolean;
  /** All memory that existed when the dump was taken. Page frames touched by it are set in the first bitmap. */
  readonly memory: Extents;
  /** The ELF notes as they stand in the file, one after another. */
  readonly notes: Uint8Array;
}

/** An ELF core file: memory lies in it as it lay in the machine. */
export interface ElfDumpFile extends DumpFileBase {
  readonly format: 'elf';
  /** The part of `memory` whose bytes are in the file (p_filesz may be less than p_memsz). */
  readonly stored: Extents;
  /** Where its first segments lie in virtual memory; in /proc/vmcore the kernel image is among them. */
  readonly mappings: readonly { readonly vaddr: bigint; readonly paddr: number }[];
}

/** The descriptors and pages of the page frames `startPfn` … `endPfn - 1`. */
export interface KdumpPart extends Source {
  readonly startPfn: number;
  readonly endPfn: number;
  readonly descOffset: number;
  /** Bits set in the second bitmap before `startPfn`, and from there up to `endPfn`. */
  readonly firstDescriptor: number;
  readonly pages: number;
  /** Bytes between which there is the erase info, where that is known for sure: no page has some of them. */
  readonly eraseInfoAt: { readonly from: number; readonly end: number } | undefined;
}

/** A kdump-compressed file: a descriptor and a compressed page for each bit of the second bitmap. */
export interface KdumpDumpFile extends DumpFileBase {
  readonly format: 'kdump';
  readonly headerVersion: number;
  readonly dumpLevel: number;
  /** The six strings of struct new_utsname as they stand in the header. */
  readonly utsname: Uint8Array;
  readonly timestamp: { readonly sec: bigint; readonly usec: bigint };
  readonly nrCpus: number;
  readonly physBase: bigint;
  /** What the status says that pages are packed with; each page says it again. */
  readonly codec: CodecName | undefined;
  /** Text of what was erased, carried over when the file is filtered further. */
  readonly eraseInfo: Uint8Array;
  readonly bitmap2Offset: number;
  readonly maxMapnr: number;
  /** Whether it is of a split dump (makedumpfile --split): one part, or all of them together. */
  readonly split: boolean;
  /** Who has which page frames, in ascending order. A file that is whole is its own only part; of a set, `path` and `fd` are the first one's. */
  readonly parts: readonly KdumpPart[];
  /** Bits set in the second bitmap before each block of PFNS_PER_RANK page frames; shared between threads. */
  readonly rank: Float64Array;
}

export type DumpFile = ElfDumpFile | KdumpDumpFile;

/** How a format is told from others and opened. */
export interface Format<T extends DumpFile = DumpFile> {
  readonly name: string;
  /** Looks at the first bytes of the file (4096 at most, fewer in a short file). */
  probe(head: Uint8Array): boolean;
  /** In steps, so that whoever opens a large file can be interrupted. */
  open(source: Source): Generator<void, T>;
}

/** One thread's access to the bytes of a dump. Not shared; what `load` gave is valid until the next `load`. */
export interface MemoryReader {
  readonly pageSize: number;
  /** Whether the file is seen through a mapping. */
  readonly mapped: boolean;
  /** Page frames found missing so far because the file ends before their bytes. */
  readonly cutPages: number;
  /** The most pages that one `load` may ask for. */
  readonly maxPages: number;
  /** Where loaded pages are. */
  readonly bytes: Buffer;
  /** Offset in `bytes` of the first page loaded. */
  readonly start: number;
  /**
   * Makes page frames `pfn` … `pfn + count - 1` readable, one behind the other, and returns how many are: 0 when `pfn` is
   * excluded, missing or unreadable, fewer than `count` when a later one is or for reasons of the format. Bytes of a page frame that are
   * not in the file read as zero. No other page frame is touched.
   */
  load(pfn: number, count: number): number;
  /** Pages as they are stored; undefined in formats that have memory as it lay. */
  readonly stored?: StoredPages;
  /** Copies physical memory; false where any page frame of it is not in the dump. */
  read(paddr: number, into: Uint8Array): boolean;
  close(): void;
}
