/** Memory of a kdump-compressed file: each page is found by counting bits, and decompressed. */

import type { PageCodec } from '../codec/codec.ts';
import { popcount, testBit } from './bitmap.ts';
import { stateByDescriptor } from './descriptors.ts';
import type { KdumpDumpFile, KdumpPart, MemoryReader } from './dump-file.ts';
import { endOfDescriptors, PFNS_PER_RANK } from './kdump-file.ts';
import { CompressionFlag, PageDescriptor } from './kdump-layout.ts';
import { type PageState, State, type StoredPages } from './page-state.ts';
import { openSource, type ReadSource } from './source.ts';

/** Pages decompressed at once. */
const LOAD_PAGES = 64;
/** Descriptors read at once, and bytes of page data. */
const DESCRIPTORS = 256;
const DATA_BYTES = 256 * 1024;
/** Bits counted before each stretch of this many bits of the bitmap slice in hand. */
const STRETCH = 512;

/** The decompressor of each `page_desc.flags` value. */
export type Decompressors = ReadonlyMap<number, PageCodec>;

/** `codecs`: those that could be had; a page that needs another one reads as missing. */
export function createKdumpReader(
  file: KdumpDumpFile,
  codecs: readonly PageCodec[],
): MemoryReader & { readonly stored: StoredPages } {
  return new KdumpReader(file, new Map(codecs.map((codec) => [CompressionFlag[codec.name], codec])));
}

class KdumpReader implements MemoryReader, StoredPages {
  readonly pageSize: number;
  readonly mapped = false;
  cutPages = 0;
  readonly maxPages = LOAD_PAGES;
  readonly bytes: Buffer;
  readonly start = 0;
  /** Views of `bytes`, one a page, made once. */
  private readonly slots: Buffer[];
  private readonly scratch: Buffer;

  /** The slice of the second bitmap in hand, and how many bits are set before each stretch of it. */
  private readonly slice = Buffer.alloc(PFNS_PER_RANK / 8);
  private readonly stretches = new Float64Array(PFNS_PER_RANK / STRETCH);
  private sliceIndex = -1;
  /** The page frame that was counted last, and what came of it: mostly the next one is asked for. */
  private countedPfn = -2;
  private countedIndex = -1;

  private readonly descriptors = Buffer.alloc(DESCRIPTORS * PageDescriptor.size);
  /** The same, for fields without an object a page. */
  private readonly fields = new DataView(this.descriptors.buffer, this.descriptors.byteOffset);
  private firstDescriptor = 0;
  private descriptorCount = 0;

  readonly stored: StoredPages = this;
  place = 0;
  size = 0;
  flags = 0;
  at = 0;
  readonly data = Buffer.alloc(DATA_BYTES);
  private dataOffset = 0;
  private dataLength = 0;

  /** The raw page that was read last: makedumpfile and smelt store one page of zeros for all. */
  private readonly rawPage: Buffer;
  private rawPageOffset = -1;

  private readonly file: KdumpDumpFile;
  private readonly bitmaps: ReadSource;
  /** The part in hand: of what was split, each has pages of its own. */
  private part: KdumpPart;
  private source: ReadSource;
  /** Where its descriptors end. */
  private dataFrom: number;
  private readonly decompressors: Decompressors;

  constructor(file: KdumpDumpFile, decompressors: Decompressors) {
    this.file = file;
    this.bitmaps = openSource(file);
    this.part = file.parts[0]!;
    this.source = openSource(this.part);
    this.dataFrom = endOfDescriptors(this.part);
    this.decompressors = decompressors;
    this.pageSize = file.pageSize;
    this.bytes = Buffer.alloc(LOAD_PAGES * file.pageSize);
    this.slots = Array.from({ length: LOAD_PAGES }, (_, i) =>
      this.bytes.subarray(i * file.pageSize, (i + 1) * file.pageSize),
    );
    this.scratch = Buffer.alloc(file.pageSize);
    this.rawPage = Buffer.alloc(file.pageSize);
  }

  load(pfn: number, count: number): number {
    const wanted = Math.min(count, this.maxPages);
    for (let i = 0; i < wanted; i++) {
      if (!this.readPage(pfn + i, this.slots[i]!)) return i;
    }
    return wanted;
  }

  read(paddr: number, into: Uint8Array): boolean {
    for (let done = 0; done < into.length; ) {
      const pfn = Math.floor((paddr + done) / this.pageSize);
      const inPage = paddr + done - pfn * this.pageSize;
      const n = Math.min(into.length - done, this.pageSize - inPage);
      if (!this.readPage(pfn, this.scratch)) return false;
      into.set(this.scratch.subarray(inPage, inPage + n), done);
      done += n;
    }
    return true;
  }

  close(): void {
    for (const codec of this.decompressors.values()) codec.close();
  }

  /** One page into `into`; false where the file does not have it whole. */
  private readPage(pfn: number, into: Buffer): boolean {
    const state = this.find(pfn);
    if (state === State.cut) this.cutPages++;
    if (state !== State.here) return false;
    if (this.flags !== 0) return this.fetch() && this.unpack(into) === State.here;
    if (this.place !== this.rawPageOffset) {
      if (!this.fetch()) return false;
      this.data.copy(this.rawPage, 0, this.at, this.at + this.size);
      this.rawPageOffset = this.place;
    }
    this.rawPage.copy(into);
    return true;
  }

  find(pfn: number): PageState {
    const index = this.descriptorIndex(pfn);
    if (index < 0) return State.absent;
    if ((pfn < this.part.startPfn || pfn >= this.part.endPfn) && !this.takePart(pfn)) return State.absent;
    const number = index - this.part.firstDescriptor;
    const at = this.descriptorAt(number);
    if (at < 0) return State.noDescriptor;
    const { offset, size, flags } = PageDescriptor.offset;
    this.place =
      this.fields.getUint32(at + offset, true) + this.fields.getUint32(at + offset + 4, true) * 2 ** 32;
    this.size = this.fields.getUint32(at + size, true);
    this.flags = this.fields.getUint32(at + flags, true);
    return stateByDescriptor(
      this.part,
      this.pageSize,
      this.dataFrom,
      number,
      this.place,
      this.size,
      this.flags,
    );
  }

  fetch(): boolean {
    this.at = this.place - this.dataOffset;
    if (this.at >= 0 && this.at + this.size <= this.dataLength) return true;
    const length = Math.min(DATA_BYTES, this.part.fileBytes - this.place);
    this.dataLength = 0;
    this.at = 0;
    this.dataOffset = this.place;
    if (readWhole(this.source, this.data, length, this.place)) this.dataLength = length;
    // One bad sector must not take the pages before it along.
    else if (readWhole(this.source, this.data, this.size, this.place)) this.dataLength = this.size;
    return this.dataLength > 0;
  }

  unpack(into: Uint8Array): PageState {
    const { data, at, size, flags } = this;
    if (flags === 0) {
      data.copy(into, 0, at, at + size);
      return State.here;
    }
    const decompressor = this.decompressors.get(flags);
    // No codec, or no flag at all: what a page was packed with is one of those that are known.
    if (decompressor === undefined) return isCodecFlag(flags) ? State.noCodec : State.implausible;
    const length = decompressor.decompress(data.subarray(at, at + size), into);
    return length === this.pageSize ? State.here : State.undecodable;
  }

  get partNumber(): number {
    return this.file.parts.indexOf(this.part);
  }

  /** Goes on with the part that has the page frame; false where none does. */
  private takePart(pfn: number): boolean {
    const part = this.file.parts.find(({ startPfn, endPfn }) => pfn >= startPfn && pfn < endPfn);
    if (part === undefined) return false;
    this.part = part;
    this.source = openSource(part);
    this.dataFrom = endOfDescriptors(part);
    this.descriptorCount = 0;
    this.dataLength = 0;
    this.rawPageOffset = -1;
    return true;
  }

  /** How many pages are stored before this one, or -1 when it is not stored. */
  private descriptorIndex(pfn: number): number {
    if (pfn < 0 || pfn >= this.file.maxMapnr) return -1;
    const sliceIndex = Math.floor(pfn / PFNS_PER_RANK);
    if (sliceIndex !== this.sliceIndex && !this.takeSlice(sliceIndex)) return -1;
    const bit = pfn % PFNS_PER_RANK;
    if (!testBit(this.slice, bit)) return -1;
    this.countedIndex =
      pfn === this.countedPfn + 1 ? this.countedIndex + 1 : this.countBefore(sliceIndex, bit);
    this.countedPfn = pfn;
    return this.countedIndex;
  }

  private countBefore(sliceIndex: number, bit: number): number {
    const stretch = Math.floor(bit / STRETCH);
    const from = (stretch * STRETCH) / 8;
    const inStretch = popcount(this.slice.subarray(from, from + STRETCH / 8), bit % STRETCH);
    return this.file.rank[sliceIndex]! + this.stretches[stretch]! + inStretch;
  }

  private takeSlice(sliceIndex: number): boolean {
    const { bitmap2Offset, maxMapnr } = this.file;
    const bits = Math.min(PFNS_PER_RANK, maxMapnr - sliceIndex * PFNS_PER_RANK);
    const slice = this.slice.subarray(0, Math.ceil(bits / 8));
    this.sliceIndex = -1;
    this.slice.fill(0);
    const byteOffset = bitmap2Offset + (sliceIndex * PFNS_PER_RANK) / 8;
    if (!readWhole(this.bitmaps, this.slice, slice.length, byteOffset)) return false;
    let count = 0;
    for (let i = 0; i < this.stretches.length; i++) {
      this.stretches[i] = count;
      count += popcount(this.slice.subarray((i * STRETCH) / 8, ((i + 1) * STRETCH) / 8));
    }
    this.sliceIndex = sliceIndex;
    return true;
  }

  /** Where in `descriptors` the part's descriptor of that number is, or -1. */
  private descriptorAt(index: number): number {
    if (index < this.firstDescriptor || index >= this.firstDescriptor + this.descriptorCount) {
      const { descOffset, fileBytes } = this.part;
      const byteOffset = descOffset + index * PageDescriptor.size;
      const count = Math.min(DESCRIPTORS, Math.floor((fileBytes - byteOffset) / PageDescriptor.size));
      this.descriptorCount = 0;
      if (count < 1) return -1;
      if (!readWhole(this.source, this.descriptors, count * PageDescriptor.size, byteOffset)) return -1;
      this.firstDescriptor = index;
      this.descriptorCount = count;
    }
    return (index - this.firstDescriptor) * PageDescriptor.size;
  }
}

function isCodecFlag(flags: number): boolean {
  return Object.values<number>(CompressionFlag).includes(flags);
}

function readWhole(source: ReadSource, into: Buffer, length: number, byteOffset: number): boolean {
  try {
    return source(into, 0, length, byteOffset) === length;
  } catch {
    return false;
  }
}
