/** The flattened format: a file as records of bytes and the places that they belong to. Source: makedumpfile.h. */

import { chars, i64, struct } from '../struct.ts';

/** Also the first bytes by which such a file is told from others. */
export const FLAT_SIGNATURE = 'makedumpfile';

/** Once, at the beginning, zero padded to FLAT_HEADER_BYTES. All numbers of the envelope are big-endian, whatever is inside. */
export const FlatHeader = struct('makedumpfile_header', { signature: chars(16), type: i64, version: i64 });
export const FLAT_HEADER_BYTES = 4096;
export const FLAT_TYPE = 1n;
export const FLAT_VERSION = 1n;

/** Before each record's bytes: where they belong in the rearranged file, and how many they are. */
export const FlatRecordHeader = struct('makedumpfile_data_header', { offset: i64, buf_size: i64 });
/** Both fields of the mark behind the last record. */
export const FLAT_END = -1;

/** What stands before a record, as numbers; those beyond 2^53 lose their last bits, and are beyond every limit anyway. */
export function recordAt(header: DataView, at = 0): { offset: number; size: number } {
  const { offset, buf_size } = FlatRecordHeader.offset;
  return { offset: i64At(header, at + offset), size: i64At(header, at + buf_size) };
}

/** Without bigint: there are millions of records. */
function i64At(view: DataView, at: number): number {
  return view.getInt32(at) * 2 ** 32 + view.getUint32(at + 4);
}
