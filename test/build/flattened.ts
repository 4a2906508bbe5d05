/** A writer of flattened files by hand: records in any order, overlapping or not, and headers that lie. */
import { chars, i64, struct } from '../../src/struct.ts';

/** Source: makedumpfile.h, struct makedumpfile_header and makedumpfile_data_header; big-endian. */
const Header = struct('makedumpfile_header', { signature: chars(16), type: i64, version: i64 });
const RecordHeader = struct('makedumpfile_data_header', { offset: i64, buf_size: i64 });

export interface FlatRecord {
  readonly offset: number | bigint;
  readonly bytes: Uint8Array;
  /** What its header says instead of the number of its bytes. */
  readonly size?: bigint;
}

export interface FlatOptions {
  readonly type?: bigint;
  readonly version?: bigint;
  /** Default true. */
  readonly endMark?: boolean;
}

export function encodeFlattened(records: Iterable<FlatRecord>, options: FlatOptions = {}): Buffer {
  const header = Buffer.alloc(4096);
  Header.write(
    header,
    { signature: 'makedumpfile', type: options.type ?? 1n, version: options.version ?? 1n },
    0,
    false,
  );
  const parts: Uint8Array[] = [header];
  for (const { offset, bytes, size } of records) {
    parts.push(recordHeader(BigInt(offset), size ?? BigInt(bytes.length)), bytes);
  }
  if (options.endMark ?? true) parts.push(recordHeader(-1n, -1n));
  return Buffer.concat(parts);
}

function recordHeader(offset: bigint, buf_size: bigint): Buffer {
  const header = Buffer.alloc(RecordHeader.size);
  RecordHeader.write(header, { offset, buf_size }, 0, false);
  return header;
}

/** A file cut into records of these sizes, again and again, in ascending order. */
export function recordsOf(file: Uint8Array, ...sizes: readonly number[]): FlatRecord[] {
  const records: FlatRecord[] = [];
  for (let at = 0, i = 0; at < file.length; i++) {
    const bytes = file.subarray(at, at + sizes[i % sizes.length]!);
    records.push({ offset: at, bytes });
    at += bytes.length;
  }
  return records;
}

/** The rearranged file, byte by byte: what every reader has to see. */
export function rearranged(records: readonly FlatRecord[]): Buffer {
  const end = Math.max(
    0,
    ...records.map(({ offset, bytes }) => (bytes.length ? Number(offset) + bytes.length : 0)),
  );
  const file = Buffer.alloc(end);
  for (const { offset, bytes } of records) file.set(bytes, bytes.length ? Number(offset) : 0);
  return file;
}
