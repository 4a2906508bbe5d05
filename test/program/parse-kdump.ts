/** A reader of kdump-compressed files for tests, by hand from the format's description: it shares no code with src/read. */
import { readFileSync } from 'node:fs';
import { inflateSync } from 'node:zlib';
import type { CodecName, PageCodec } from '../../src/codec/codec.ts';
import { CODEC_MAKERS } from '../../src/codec/makers.ts';

export interface Descriptor {
  readonly pfn: number;
  /** 0: the page is missing. */
  readonly offset: number;
  readonly size: number;
  readonly flags: number;
  readonly pageFlags: bigint;
}

export interface ParsedKdump {
  readonly file: Buffer;
  readonly signature: string;
  readonly headerVersion: number;
  /** The six strings of struct new_utsname. */
  readonly utsname: readonly string[];
  readonly timestamp: readonly [sec: bigint, usec: bigint];
  readonly status: number;
  readonly blockSize: number;
  readonly subHeaderBlocks: number;
  readonly bitmapBlocks: number;
  readonly maxMapnr32: number;
  readonly nrCpus: number;
  readonly physBase: bigint;
  readonly dumpLevel: number;
  readonly split: number;
  readonly maxMapnr: number;
  readonly offsetVmcoreinfo: number;
  readonly vmcoreinfo: string;
  readonly offsetNote: number;
  readonly notes: Buffer;
  readonly offsetEraseinfo: number;
  readonly eraseinfo: string;
  readonly bitmap1: Buffer;
  readonly bitmap2: Buffer;
  readonly descOffset: number;
  /** First byte behind the descriptors. */
  readonly dataOffset: number;
  /** One for each bit of the second bitmap, by page frame number. */
  readonly descriptors: ReadonlyMap<number, Descriptor>;
  /** A stored page's bytes; undefined where it is missing. Throws for a page that is not stored, or not whole. */
  page(pfn: number): Buffer | undefined;
}

export const FLAG = { raw: 0, zlib: 0x1, lzo: 0x2, snappy: 0x4, zstd: 0x20 } as const;
export const INCOMPLETE = 0x8;

const portable = async (name: CodecName): Promise<PageCodec> => {
  const codec = await CODEC_MAKERS[name].portable.create(undefined);
  if ('unavailable' in codec) throw new Error(codec.unavailable);
  return codec;
};
const codecs = new Map<number, PageCodec>([
  [FLAG.lzo, await portable('lzo')],
  [FLAG.snappy, await portable('snappy')],
  [FLAG.zstd, await portable('zstd')],
]);

/** Throws where the file contradicts itself; descriptors are read as they stand. Of a split dump: those page frames alone. */
export function parseKdump(path: string, part = { start: 0, end: Infinity }): ParsedKdump {
  const file = readFileSync(path);
  const u64 = (at: number): number => Number(file.readBigUInt64LE(at));
  const text = (at: number, length: number): string => file.toString('latin1', at, at + length);
  const blockSize = file.readInt32LE(428);
  const subHeaderBlocks = file.readInt32LE(432);
  const bitmapBlocks = file.readUInt32LE(436);
  const sub = blockSize;
  const maxMapnr = u64(sub + 96);
  const oneBitmap = (bitmapBlocks / 2) * blockSize;
  const bitmap1At = (1 + subHeaderBlocks) * blockSize;
  const bitmap1 = file.subarray(bitmap1At, bitmap1At + oneBitmap);
  const bitmap2 = file.subarray(bitmap1At + oneBitmap, bitmap1At + 2 * oneBitmap);
  const descOffset = bitmap1At + 2 * oneBitmap;
  const descriptors = new Map<number, Descriptor>();
  let at = descOffset;
  for (let pfn = part.start; pfn < Math.min(part.end, bitmap2.length * 8); pfn++) {
    if (((bitmap2[pfn >> 3] >> (pfn & 7)) & 1) === 0) continue;
    // An incomplete file may end among its descriptors: what is not there is not written.
    const there = at + 24 <= file.length;
    descriptors.set(pfn, {
      pfn,
      offset: there ? u64(at) : 0,
      size: there ? file.readUInt32LE(at + 8) : 0,
      flags: there ? file.readUInt32LE(at + 12) : 0,
      pageFlags: there ? file.readBigUInt64LE(at + 16) : 0n,
    });
    at += 24;
  }
  const page = (pfn: number): Buffer | undefined => {
    const desc = descriptors.get(pfn);
    if (!desc) throw new Error(`page frame ${pfn} is not stored`);
    if (desc.offset === 0) return undefined;
    const stored = file.subarray(desc.offset, desc.offset + desc.size);
    if (stored.length !== desc.size) throw new Error(`page frame ${pfn} reaches beyond the file`);
    const bytes = unpack(stored, desc.flags, blockSize);
    if (bytes.length !== blockSize) throw new Error(`page frame ${pfn} has ${bytes.length} bytes`);
    return bytes;
  };
  return {
    file,
    signature: text(0, 8),
    headerVersion: file.readInt32LE(8),
    utsname: Array.from({ length: 6 }, (_, i) => text(12 + i * 65, 65).replace(/\0.*$/s, '')),
    timestamp: [file.readBigInt64LE(408), file.readBigInt64LE(416)],
    status: file.readUInt32LE(424),
    blockSize,
    subHeaderBlocks,
    bitmapBlocks,
    maxMapnr32: file.readUInt32LE(440),
    nrCpus: file.readInt32LE(460),
    physBase: file.readBigUInt64LE(sub),
    dumpLevel: file.readInt32LE(sub + 8),
    split: file.readInt32LE(sub + 12),
    offsetVmcoreinfo: u64(sub + 32),
    vmcoreinfo: text(u64(sub + 32), u64(sub + 40)),
    offsetNote: u64(sub + 48),
    notes: file.subarray(u64(sub + 48), u64(sub + 48) + u64(sub + 56)),
    offsetEraseinfo: u64(sub + 64),
    eraseinfo: text(u64(sub + 64), u64(sub + 72)),
    maxMapnr,
    bitmap1,
    bitmap2,
    descOffset,
    dataOffset: at,
    descriptors,
    page,
  };
}

function unpack(stored: Buffer, flags: number, blockSize: number): Buffer {
  if (flags === FLAG.raw) return stored;
  if (flags === FLAG.zlib) return inflateSync(stored);
  const codec = codecs.get(flags);
  if (!codec) throw new Error(`no codec has the flags 0x${flags.toString(16)}`);
  const out = Buffer.alloc(blockSize);
  const length = codec.decompress(stored, out);
  if (length < 0) throw new Error('a page does not decompress');
  return out.subarray(0, length);
}

/** Bits set in a bitmap. */
export function countBits(bitmap: Uint8Array): number {
  let count = 0;
  for (const byte of bitmap) for (let rest = byte; rest > 0; rest >>= 1) count += rest & 1;
  return count;
}
