/** CRC-32 of a part of a buffer, signed: libdeflate's where it can be had, four times as fast for a page as Node's. */
import { crc32 } from 'node:zlib';
import { AddressBook } from './address.ts';
import { openLibdeflateCrc32 } from './libdeflate.ts';

export type Checksum = (bytes: Buffer, at: number, length: number) => number;

/** One thread's; both give the same. */
export function openChecksum(native = true): Checksum {
  const crc = native ? openLibdeflateCrc32() : undefined;
  if (crc === undefined || 'unavailable' in crc) {
    return (bytes, at, length) => crc32(bytes.subarray(at, at + length)) | 0;
  }
  const { functions } = crc;
  const buffers = new AddressBook();
  return (bytes, at, length) => functions.crc32(0, buffers.of(bytes, at, length), length) | 0;
}
