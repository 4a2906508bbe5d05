/** A writer of kdump-compressed files by hand, all header versions, that can be told to write nonsense. */
import { writeFileSync } from 'node:fs';
import { deflateSync } from 'node:zlib';
import { bytes, chars, i32, i64, struct, u32, u64 } from '../../src/struct.ts';
import { vmcoreinfoNote } from './notes.ts';
import type { PfnRange } from './runs.ts';

/** struct disk_dump_header of a 64-bit machine. Source: makedumpfile diskdump_mod.h. */
export const DiskDumpHeader = struct('disk_dump_header', {
  signature: bytes(8),
  header_version: i32,
  sysname: chars(65),
  nodename: chars(65),
  release: chars(65),
  version: chars(65),
  machine: chars(65),
  domainname: chars(65),
  tv_sec: i64,
  tv_usec: i64,
  status: u32,
  block_size: i32,
  sub_hdr_size: i32,
  bitmap_blocks: u32,
  max_mapnr: u32,
  total_ram_blocks: u32,
  device_blocks: u32,
  written_blocks: u32,
  current_cpu: u32,
  nr_cpus: i32,
});

/** struct kdump_sub_header of a 64-bit machine; which fields count depends on header_version. */
export const KdumpSubHeader = struct('kdump_sub_header', {
  phys_base: u64,
  dump_level: i32, // since 1
  split: i32, // since 2
  start_pfn: u64,
  end_pfn: u64,
  offset_vmcoreinfo: i64, // since 3
  size_vmcoreinfo: u64,
  offset_note: i64, // since 4
  size_note: u64,
  offset_eraseinfo: i64, // since 5
  size_eraseinfo: u64,
  start_pfn_64: u64, // since 6
  end_pfn_64: u64,
  max_mapnr_64: u64,
});

export const PageDesc = struct('page_desc', { offset: i64, size: u32, flags: u32, page_flags: u64 });

export type KdumpHeaderFields = Parameters<typeof DiskDumpHeader.write>[1];
export type KdumpSubHeaderFields = Parameters<typeof KdumpSubHeader.write>[1];

/** Bits of page_desc.flags and of header.status. */
export const codecFlags = { raw: 0, zlib: 0x1, lzo: 0x2, snappy: 0x4, zstd: 0x20 } as const;
export const statusFlags = { incomplete: 0x8, excludedVmemmap: 0x10 } as const;
export type KdumpCodec = keyof typeof codecFlags;

export interface KdumpOptions {
  readonly path: string;
  /** Default 6. Below 3 there is no VMCOREINFO, below 4 no notes. */
  readonly version?: 1 | 2 | 3 | 4 | 5 | 6;
  readonly blockSize?: number;
  readonly codec?: KdumpCodec;
  /** Needed for every codec but raw and zlib. */
  readonly compress?: (page: Uint8Array) => Uint8Array;
  /** Contents by page frame number: these are in the second bitmap. A page may be cut short to make a bad one. */
  readonly pages: ReadonlyMap<number, Uint8Array>;
  /** Frames of the first bitmap besides those of `pages`; default none. */
  readonly ram?: readonly PfnRange[];
  /** Default: one past the highest frame. */
  readonly maxMapnr?: number;
  /** ELF notes, as they stand in the file. A VMCOREINFO note is added for `vmcoreinfo`. */
  readonly notes?: Uint8Array;
  readonly vmcoreinfo?: string;
  readonly eraseinfo?: string;
  readonly dumpLevel?: number;
  readonly physBase?: bigint;
  readonly release?: string;
  readonly nrCpus?: number;
  /** Zero pages share one descriptor and one raw page at the start of the data; default true. */
  readonly sharedZero?: boolean;
  /** Frames with descriptor offset 0: the dump ended before them. Sets status bit 0x8. */
  readonly incomplete?: readonly number[];
  /** This part of a split dump holds frames [start, end); descriptors and data only for those. */
  readonly split?: PfnRange;
  /** One bitmap instead of two, as old diskdump had. */
  readonly singleBitmap?: boolean;
  readonly header?: KdumpHeaderFields;
  readonly subHeader?: KdumpSubHeaderFields;
  /** Changes a page's descriptor before it is written. */
  readonly desc?: (pfn: number, desc: PageDescFields) => Partial<PageDescFields>;
  /** Last say over the whole file; may return another buffer (shorter, longer). */
  readonly patch?: (file: Buffer, layout: KdumpLayout) => Uint8Array | undefined;
}

export interface PageDescFields {
  readonly offset: bigint;
  readonly size: number;
  readonly flags: number;
}

/** File offsets, for those who patch. */
export interface KdumpLayout {
  readonly subHeader: number;
  readonly notes: number;
  readonly bitmap1: number;
  readonly bitmap2: number;
  readonly descriptors: number;
  readonly data: number;
  /** Offset of each frame's descriptor. */
  readonly descriptorOf: ReadonlyMap<number, number>;
  readonly size: number;
}

/** Writes the file and says where things stand. */
export function buildKdump(options: KdumpOptions): KdumpLayout {
  const { file, layout } = encodeKdump(options);
  writeFileSync(options.path, options.patch?.(file, layout) ?? file);
  return layout;
}

/** The file's bytes, before `patch`. */
export function encodeKdump(o: KdumpOptions): { file: Buffer; layout: KdumpLayout } {
  const version = o.version ?? 6;
  const block = o.blockSize ?? 4096;
  const up = (n: number): number => Math.ceil(n / block) * block;
  const pfns = [...o.pages.keys()].sort((a, b) => a - b);
  const ramEnd = (o.ram ?? []).reduce((end, r) => Math.max(end, r.end), 0);
  const maxMapnr = o.maxMapnr ?? Math.max(ramEnd, (pfns.at(-1) ?? -1) + 1);

  const given = version >= 4 ? (o.notes ?? new Uint8Array()) : new Uint8Array();
  const hasInfo = o.vmcoreinfo !== undefined && version >= 3;
  const infoNote = hasInfo ? vmcoreinfoNote(o.vmcoreinfo ?? '') : new Uint8Array();
  const notes = Buffer.concat([given, infoNote]);
  const subHeaderBytes = up(KdumpSubHeader.size + notes.length);
  const bitmapBytes = up(Math.ceil(maxMapnr / 8));
  const bitmaps = o.singleBitmap ? 1 : 2;
  const noteOffset = block + KdumpSubHeader.size;
  const bitmap1 = block + subHeaderBytes;
  const bitmap2 = bitmap1 + (bitmaps - 1) * bitmapBytes;
  const descriptors = bitmap2 + bitmapBytes;
  const inPart = pfns.filter((pfn) => !o.split || (pfn >= o.split.start && pfn < o.split.end));
  const data = descriptors + inPart.length * PageDesc.size;

  // Data and descriptors.
  const blobs: Uint8Array[] = [];
  const descs = Buffer.alloc(inPart.length * PageDesc.size);
  const descriptorOf = new Map<number, number>();
  const sharesZero = o.sharedZero ?? true;
  let at = data;
  let zeroAt: number | undefined;
  const put = (blob: Uint8Array): number => {
    blobs.push(blob);
    at += blob.length;
    return at - blob.length;
  };
  if (sharesZero && inPart.some((pfn) => isZero(o.pages.get(pfn)!))) zeroAt = put(new Uint8Array(block));
  for (const [i, pfn] of inPart.entries()) {
    const page = o.pages.get(pfn)!;
    let desc: PageDescFields;
    if (o.incomplete?.includes(pfn)) desc = { offset: 0n, size: 0, flags: 0 };
    else if (zeroAt !== undefined && isZero(page)) desc = { offset: BigInt(zeroAt), size: block, flags: 0 };
    else {
      const { blob, flags } = packPage(page, o);
      desc = { offset: BigInt(put(blob)), size: blob.length, flags };
    }
    PageDesc.write(descs, { ...desc, ...o.desc?.(pfn, desc), page_flags: 0n }, i * PageDesc.size);
    descriptorOf.set(pfn, descriptors + i * PageDesc.size);
  }
  const eraseinfo =
    version >= 5 && o.eraseinfo !== undefined ? Buffer.from(o.eraseinfo, 'latin1') : undefined;
  const eraseOffset = eraseinfo ? put(eraseinfo) : 0;

  const file = Buffer.alloc(data);
  DiskDumpHeader.write(file, {
    signature: Buffer.from('KDUMP   ', 'latin1'),
    header_version: version,
    sysname: 'Linux',
    nodename: 'smelt',
    release: o.release ?? '6.1.0-smelt',
    version: '#1 SMP',
    machine: 'x86_64',
    domainname: '(none)',
    status: codecFlags[o.codec ?? 'raw'] | (o.incomplete?.length ? statusFlags.incomplete : 0),
    block_size: block,
    sub_hdr_size: subHeaderBytes / block,
    bitmap_blocks: (bitmaps * bitmapBytes) / block,
    max_mapnr: Math.min(maxMapnr, 0xffffffff),
    nr_cpus: o.nrCpus ?? 1,
    ...o.header,
  });
  const fields: KdumpSubHeaderFields = { phys_base: o.physBase ?? 0n, dump_level: o.dumpLevel ?? 0 };
  if (version >= 2 && o.split) {
    fields.split = 1;
    fields.start_pfn = BigInt(Math.min(o.split.start, 0xffffffff));
    fields.end_pfn = BigInt(Math.min(o.split.end, 0xffffffff));
  }
  if (hasInfo) {
    // The text inside the note: header (12) and name (12) before it.
    fields.offset_vmcoreinfo = BigInt(noteOffset + given.length + 24);
    fields.size_vmcoreinfo = BigInt(Buffer.byteLength(o.vmcoreinfo ?? '', 'latin1'));
  }
  if (version >= 4 && notes.length > 0) {
    fields.offset_note = BigInt(noteOffset);
    fields.size_note = BigInt(notes.length);
  }
  if (eraseinfo) {
    fields.offset_eraseinfo = BigInt(eraseOffset);
    fields.size_eraseinfo = BigInt(eraseinfo.length);
  }
  if (version >= 6) {
    fields.max_mapnr_64 = BigInt(maxMapnr);
    fields.start_pfn_64 = BigInt(o.split?.start ?? 0);
    fields.end_pfn_64 = BigInt(o.split?.end ?? 0);
  }
  KdumpSubHeader.write(file, { ...fields, ...o.subHeader }, block);
  file.set(notes, noteOffset);
  for (const range of o.ram ?? [])
    for (let pfn = range.start; pfn < range.end; pfn++) setBit(file, bitmap1, pfn);
  for (const pfn of pfns) {
    setBit(file, bitmap1, pfn);
    setBit(file, bitmap2, pfn);
  }
  file.set(descs, descriptors);
  const layout: KdumpLayout = {
    subHeader: block,
    notes: noteOffset,
    bitmap1,
    bitmap2,
    descriptors,
    data,
    descriptorOf,
    size: at,
  };
  return { file: Buffer.concat([file, ...blobs]), layout };
}

function packPage(page: Uint8Array, o: KdumpOptions): { blob: Uint8Array; flags: number } {
  const codec = o.codec ?? 'raw';
  if (codec === 'raw') return { blob: page, flags: 0 };
  const compress =
    o.compress ?? (codec === 'zlib' ? (p: Uint8Array) => deflateSync(p, { level: 1 }) : undefined);
  if (!compress) throw new Error(`codec ${codec} needs a compress function`);
  const packed = compress(page);
  // A page that does not shrink is stored as it is.
  return packed.length >= page.length ? { blob: page, flags: 0 } : { blob: packed, flags: codecFlags[codec] };
}

const isZero = (page: Uint8Array): boolean => page.every((b) => b === 0);

function setBit(file: Buffer, bitmap: number, pfn: number): void {
  file[bitmap + (pfn >>> 3)] |= 1 << (pfn & 7);
}
