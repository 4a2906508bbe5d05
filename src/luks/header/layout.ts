/** What a LUKS header looks like on the disk, version 1 and 2: big-endian, without the salts and digests, which nobody here needs. */

import { chars, type FieldType, size64, struct, u16, u32 } from '../../struct.ts';

/** "LUKS", and its mirror image for the second copy of a LUKS2 header. Source: luks.h and luks2.h of cryptsetup 2.9. */
export const MAGIC = 'LUKS\xba\xbe';
export const MAGIC_SECONDARY = 'SKUL\xba\xbe';

/** Bytes that are passed over: salts and digests are never taken out of a header. */
const unread = (length: number): FieldType<undefined> => ({
  size: length,
  align: 1,
  read: () => undefined,
  write: () => {},
});

/** The first 8 bytes of both versions. */
export const LuksMagic = struct('luks_magic', { magic: chars(6), version: u16 });

/** struct luks_phdr up to its key slots. Source: luks.h, LUKS On-Disk Format Specification 1.2.3. */
export const Luks1Phdr = struct('luks_phdr', {
  magic: chars(6),
  version: u16,
  cipherName: chars(32),
  cipherMode: chars(32),
  hashSpec: chars(32),
  /** In sectors of 512 bytes, as all offsets of LUKS1. */
  payloadOffset: u32,
  keyBytes: u32,
  mkDigest: unread(20),
  mkDigestSalt: unread(32),
  mkDigestIterations: u32,
  uuid: chars(40),
});

export const LUKS1_SLOTS = 8;
/** One of the 8 behind it: `keyblock` of struct luks_phdr. */
export const Luks1Slot = struct('luks_keyblock', {
  active: u32,
  passwordIterations: u32,
  passwordSalt: unread(32),
  keyMaterialOffset: u32,
  stripes: u32,
});
export const LUKS1_BYTES = Luks1Phdr.size + LUKS1_SLOTS * Luks1Slot.size;
export const LUKS1_ENABLED = 0x00ac71f3;
export const LUKS1_DISABLED = 0x0000dead;
export const LUKS1_STRIPES = 4000;
export const SECTOR_BYTES = 512;

/** struct luks2_hdr_disk. Source: luks2.h; LUKS2 On-Disk Format Specification, "Binary Header". */
export const Luks2Hdr = struct('luks2_hdr_disk', {
  magic: chars(6),
  version: u16,
  /** Bytes of this header and its JSON area, and where the second copy begins. */
  hdr_size: size64,
  /** Grows with every change. */
  seqid: size64,
  label: chars(48),
  checksum_alg: chars(32),
  salt: unread(64),
  uuid: chars(40),
  subsystem: chars(48),
  hdr_offset: size64,
  _padding: unread(184),
  csum: unread(64),
});
/** The binary header is padded to this; the JSON area begins here. */
export const LUKS2_BINARY_BYTES = 4096;
export const LUKS2_CSUM_BYTES = 64;
/** The sizes a LUKS2 header may have. Source: LUKS2_HDR2_OFFSETS of luks2.h. */
export const LUKS2_SIZES = [14, 15, 16, 17, 18, 19, 20, 21, 22].map((shift) => 2 ** shift);

/** Labels are UTF-8 by custom. */
export const utf8 = (text: string): string => Buffer.from(text, 'latin1').toString('utf8');
