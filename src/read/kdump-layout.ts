/** The kdump-compressed format: headers, descriptors, flags. Source: makedumpfile diskdump_mod.h, header_version 6, 64-bit. */

import type { CodecName } from '../codec/codec.ts';
import { bytes, chars, i32, i64, size64, struct, u32, u64 } from '../struct.ts';

export const KDUMP_SIGNATURE = 'KDUMP   ';
/** The older diskdump facility wrote other sub headers under this name. */
export const DISKDUMP_SIGNATURE = 'DISKDUMP';
export const HEADER_VERSION = 6;

/** Bytes of one string of struct new_utsname, and how many there are. */
export const UTS_LENGTH = 65;
export const UTS_FIELDS = ['sysname', 'nodename', 'release', 'version', 'machine', 'domainname'] as const;

/** Block 0. */
export const DiskDumpHeader = struct('disk_dump_header', {
  signature: chars(8),
  header_version: i32,
  utsname: bytes(UTS_LENGTH * UTS_FIELDS.length),
  timestamp_sec: i64,
  timestamp_usec: i64,
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

/** Block 1, followed by the notes. The comments say since which header_version a field is valid. */
export const KdumpSubHeader = struct('kdump_sub_header', {
  phys_base: u64,
  dump_level: i32, // 1
  split: i32, // 2
  start_pfn: u64, // 2, obsolete since 6
  end_pfn: u64, // 2, obsolete since 6
  offset_vmcoreinfo: size64, // 3
  size_vmcoreinfo: size64, // 3
  offset_note: size64, // 4
  size_note: size64, // 4
  offset_eraseinfo: size64, // 5
  size_eraseinfo: size64, // 5
  start_pfn_64: u64, // 6
  end_pfn_64: u64, // 6
  max_mapnr_64: size64, // 6
});

/** One for each bit of the second bitmap. `offset` 0 says that the page is missing. */
export const PageDescriptor = struct('page_desc', { offset: size64, size: u32, flags: u32, page_flags: u64 });

/** Bits of `page_desc.flags`; 0 is a raw page. */
export const CompressionFlag = { zlib: 0x1, lzo: 0x2, snappy: 0x4, zstd: 0x20 } as const satisfies Record<
  CodecName,
  number
>;
/** Bits of `disk_dump_header.status` besides those. */
export const STATUS_INCOMPLETE = 0x8;
/** makedumpfile left out parts of the memory map (-e). */
export const STATUS_EXCLUDED_VMEMMAP = 0x10;

/** Bytes of one bitmap: whole blocks. */
export function bitmapBytes(maxMapnr: number, blockSize: number): number {
  return Math.ceil(Math.ceil(maxMapnr / 8) / blockSize) * blockSize;
}
