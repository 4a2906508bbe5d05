/** One copy of a LUKS2 header: its binary header, its checksum, its JSON area. */

import { createHash } from 'node:crypto';
import { readFully } from '../../read/file.ts';
import type { Metadata } from './agreement.ts';
import {
  LUKS2_BINARY_BYTES,
  LUKS2_CSUM_BYTES,
  LUKS2_SIZES,
  Luks2Hdr,
  MAGIC,
  MAGIC_SECONDARY,
  utf8,
} from './layout.ts';
import { readMetadata } from './metadata.ts';
import type { HeaderCopy } from './report.ts';
import { isObject } from './shape.ts';

/** Those of libgcrypt and OpenSSL that a header has been seen with, in Node's names. */
const CHECKSUMS = ['sha1', 'sha224', 'sha256', 'sha384', 'sha512'];

export type Role = HeaderCopy['role'];

export interface Copy {
  readonly role: Role;
  readonly byteOffset: number | undefined;
  /** Whether the magic is there at all. */
  readonly isThere: boolean;
  readonly sizeBytes: number | undefined;
  readonly seqid: number | undefined;
  readonly uuid: string;
  readonly label: string;
  readonly subsystem: string;
  /** Undefined where anything is broken. */
  readonly metadata: Metadata | undefined;
  readonly broken: readonly string[];
}

export const missingCopy = (role: Role, byteOffset: number | undefined, why: string): Copy => ({
  role,
  byteOffset,
  isThere: false,
  sizeBytes: undefined,
  seqid: undefined,
  uuid: '',
  label: '',
  subsystem: '',
  metadata: undefined,
  broken: [`the ${role} header ${why}`],
});

/**
 * Reads as much as 4 MiB. All that is read is header by the header's own word, in one of the few sizes that there are: where key
 * material begins it is not read.
 */
export function readCopy(fd: number, role: Role, byteOffset: number): Copy {
  const binary = Buffer.alloc(LUKS2_BINARY_BYTES);
  if (readFully(fd, binary, byteOffset) < binary.length)
    return missingCopy(role, byteOffset, `would begin at byte ${byteOffset}, where there is nothing`);
  const header = Luks2Hdr.read(binary, 0, false);
  if (header.magic !== (role === 'primary' ? MAGIC : MAGIC_SECONDARY))
    return missingCopy(role, byteOffset, `is not there: byte ${byteOffset} has no LUKS magic`);
  const json = binaryProblem(role, byteOffset, header) ?? readJson(fd, byteOffset, header, binary);
  const { metadata, problems } =
    typeof json === 'string'
      ? { metadata: undefined, problems: [json] }
      : readMetadata(json, header.hdr_size - LUKS2_BINARY_BYTES);
  return {
    role,
    byteOffset,
    isThere: true,
    sizeBytes: LUKS2_SIZES.includes(header.hdr_size) ? header.hdr_size : undefined,
    seqid: header.seqid,
    uuid: header.uuid,
    label: utf8(header.label),
    subsystem: utf8(header.subsystem),
    metadata: problems.length === 0 ? metadata : undefined,
    broken: problems.map((problem) => `${role} header: ${problem}`),
  };
}

type BinaryHeader = ReturnType<typeof Luks2Hdr.read>;

/** Source: hdr_disk_sanity_check_pre() of luks2_disk_metadata.c. */
function binaryProblem(role: Role, byteOffset: number, header: BinaryHeader): string | undefined {
  if (header.version !== 2) return `it says version ${header.version}, not 2`;
  if (header.hdr_offset !== byteOffset)
    return `it says it begins at byte ${header.hdr_offset}, and is at byte ${byteOffset}`;
  if (!LUKS2_SIZES.includes(header.hdr_size)) return `no header has ${header.hdr_size} bytes`;
  if (role === 'secondary' && header.hdr_size !== byteOffset)
    return `it says ${header.hdr_size} bytes, and a secondary header at byte ${byteOffset} has as many`;
  return undefined;
}

/** The JSON area if the checksum is right, or what is wrong. */
export function readJson(
  fd: number,
  byteOffset: number,
  { hdr_size, checksum_alg }: Pick<BinaryHeader, 'hdr_size' | 'checksum_alg'>,
  binary: Uint8Array,
): object | string {
  const area = Buffer.alloc(hdr_size - LUKS2_BINARY_BYTES);
  if (readFully(fd, area, byteOffset + LUKS2_BINARY_BYTES) < area.length) return 'its JSON area is cut short';
  if (!CHECKSUMS.includes(checksum_alg)) return 'its checksum is of a kind that is not known';
  const said = binary.subarray(Luks2Hdr.offset.csum, Luks2Hdr.offset.csum + LUKS2_CSUM_BYTES);
  const hash = createHash(checksum_alg)
    .update(binary.subarray(0, Luks2Hdr.offset.csum))
    .update(new Uint8Array(LUKS2_CSUM_BYTES))
    .update(binary.subarray(Luks2Hdr.offset.csum + LUKS2_CSUM_BYTES))
    .update(area)
    .digest();
  if (!hash.equals(said.subarray(0, hash.length))) return 'its checksum does not match';
  const end = area.indexOf(0);
  if (end < 0) return 'its JSON area has no end';
  if (!isZero(area.subarray(end))) return 'its JSON area has something behind its end';
  try {
    const json: unknown = JSON.parse(area.toString('utf8', 0, end));
    return isObject(json) && area[0] === '{'.charCodeAt(0) ? json : 'its JSON area is no object';
  } catch {
    return 'its JSON area is no JSON';
  }
}

const isZero = (bytes: Uint8Array): boolean => !bytes.some((byte) => byte !== 0);
