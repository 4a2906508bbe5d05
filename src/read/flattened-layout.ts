/** The flattened format: an output as a stream of records, each with its place in the file. Source: makedumpfile.h, makedumpfile_header. */

import { chars, i64, struct } from '../struct.ts';

export const FLAT_SIGNATURE = 'makedumpfile';
/** The header is padded to this many bytes. */
export const FLAT_HEADER_BYTES = 4096;
const TYPE_FLAT_HEADER = 1n;
const VERSION_FLAT_HEADER = 1n;

/** Big-endian on every machine. */
export const FlatHeader = struct('makedumpfile_header', { signature: chars(16), type: i64, version: i64 });
export const FlatRecord = struct('makedumpfile_data_header', { offset: i64, buf_size: i64 });
export const RECORD_HEADER_BYTES = FlatRecord.size;
/** Both fields of the last record. */
export const END_FLAG = -1n;

export function encodeFlatHeader(): Buffer {
  const out = Buffer.alloc(FLAT_HEADER_BYTES);
  const header = { signature: FLAT_SIGNATURE, type: TYPE_FLAT_HEADER, version: VERSION_FLAT_HEADER };
  FlatHeader.write(out, header, 0, false);
  return out;
}

export function encodeRecord(byteOffset: number, length: number): Buffer {
  const out = Buffer.alloc(FlatRecord.size);
  FlatRecord.write(out, { offset: BigInt(byteOffset), buf_size: BigInt(length) }, 0, false);
  return out;
}

/** Only a stream that ends with it is whole. */
export function encodeEndMark(): Buffer {
  const out = Buffer.alloc(FlatRecord.size);
  FlatRecord.write(out, { offset: END_FLAG, buf_size: END_FLAG }, 0, false);
  return out;
}
