/** The kdump-compressed output: where its parts lie, and its headers. Source: makedumpfile diskdump_mod.h, header_version 6. */

import type { CodecName } from '../codec/codec.ts';
import {
  bitmapBytes,
  CompressionFlag,
  DiskDumpHeader,
  HEADER_VERSION,
  KDUMP_SIGNATURE,
  KdumpSubHeader,
  PageDescriptor,
  STATUS_INCOMPLETE,
} from '../read/kdump-layout.ts';

/** Byte offsets of what comes before the descriptors; it is settled before the first page is looked at. */
export interface KdumpLayout {
  readonly blockSize: number;
  readonly subHeaderBlocks: number;
  readonly bitmapBlocks: number;
  readonly bitmap1Offset: number;
  readonly bitmap2Offset: number;
  readonly descOffset: number;
}

export function layoutKdump(blockSize: number, notesLength: number, maxMapnr: number): KdumpLayout {
  const subHeaderBlocks = Math.ceil((KdumpSubHeader.size + notesLength) / blockSize);
  const oneBitmap = bitmapBytes(maxMapnr, blockSize);
  const bitmap1Offset = (1 + subHeaderBlocks) * blockSize;
  return {
    blockSize,
    subHeaderBlocks,
    bitmapBlocks: (2 * oneBitmap) / blockSize,
    bitmap1Offset,
    bitmap2Offset: bitmap1Offset + oneBitmap,
    descOffset: bitmap1Offset + 2 * oneBitmap,
  };
}

/** The first byte behind the descriptors: the page of zeros that all zero pages share, and then the other pages. */
export function dataOffset(layout: KdumpLayout, keptPages: number): number {
  return layout.descOffset + keptPages * PageDescriptor.size;
}

export interface KdumpHeader {
  readonly utsname: Uint8Array;
  readonly timestamp: { readonly sec: bigint; readonly usec: bigint };
  readonly codec: CodecName | undefined;
  readonly incomplete: boolean;
  readonly maxMapnr: number;
  readonly nrCpus: number;
  readonly physBase: bigint;
  readonly dumpLevel: number;
  readonly notes: Uint8Array;
  /** Where VMCOREINFO's text is inside the notes. */
  readonly vmcoreinfo: { readonly offset: number; readonly length: number } | undefined;
  readonly eraseInfo: { readonly byteOffset: number; readonly length: number } | undefined;
  /** Of one part of a split dump: its page frames. */
  readonly split: { readonly startPfn: number; readonly endPfn: number } | undefined;
}

/** The main header's block, the sub header, and the notes. */
export function encodeKdumpHeader(layout: KdumpLayout, header: KdumpHeader): Buffer {
  const { blockSize } = layout;
  const out = Buffer.alloc((1 + layout.subHeaderBlocks) * blockSize);
  const codecFlag = header.codec === undefined ? 0 : CompressionFlag[header.codec];
  DiskDumpHeader.write(out, {
    signature: KDUMP_SIGNATURE,
    header_version: HEADER_VERSION,
    utsname: header.utsname,
    timestamp_sec: header.timestamp.sec,
    timestamp_usec: header.timestamp.usec,
    status: codecFlag | (header.incomplete ? STATUS_INCOMPLETE : 0),
    block_size: blockSize,
    sub_hdr_size: layout.subHeaderBlocks,
    bitmap_blocks: layout.bitmapBlocks,
    max_mapnr: Math.min(header.maxMapnr, 0xffffffff),
    nr_cpus: header.nrCpus,
  });
  const offset_note = blockSize + KdumpSubHeader.size;
  KdumpSubHeader.write(
    out,
    {
      phys_base: header.physBase,
      dump_level: header.dumpLevel,
      split: header.split === undefined ? 0 : 1,
      // The older fields have 32 bits that count.
      start_pfn: BigInt(header.split?.startPfn ?? 0) & 0xffffffffn,
      end_pfn: BigInt(header.split?.endPfn ?? 0) & 0xffffffffn,
      start_pfn_64: BigInt(header.split?.startPfn ?? 0),
      end_pfn_64: BigInt(header.split?.endPfn ?? 0),
      offset_vmcoreinfo: header.vmcoreinfo === undefined ? 0 : offset_note + header.vmcoreinfo.offset,
      size_vmcoreinfo: header.vmcoreinfo?.length ?? 0,
      offset_note: header.notes.length === 0 ? 0 : offset_note,
      size_note: header.notes.length,
      offset_eraseinfo: header.eraseInfo?.byteOffset ?? 0,
      size_eraseinfo: header.eraseInfo?.length ?? 0,
      max_mapnr_64: header.maxMapnr,
    },
    blockSize,
  );
  out.set(header.notes, offset_note);
  return out;
}
