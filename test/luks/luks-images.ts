/** LUKS headers by code: what luksFormat would write, with any field changed. Nothing in them can be unlocked. */
import { createHash } from 'node:crypto';
import {
  LUKS1_DISABLED,
  LUKS1_ENABLED,
  LUKS1_SLOTS,
  LUKS1_STRIPES,
  LUKS2_BINARY_BYTES,
  LUKS2_CSUM_BYTES,
  Luks1Phdr,
  Luks1Slot,
  Luks2Hdr,
  MAGIC,
  MAGIC_SECONDARY,
} from '../../src/luks/header/layout.ts';

export const UUID = '6a1b2c3d-1111-4222-8333-444455556666';
export const SIZE = 16 * 1024;
const KEYSLOTS_SIZE = 512 * 1024;

// biome-ignore lint/suspicious/noExplicitAny: tests put anything in any place of it
export type Json = any;

export const argon2 = (memory: number, type = 'argon2id') => ({
  type,
  time: 4,
  memory,
  cpus: 2,
  salt: 'c2FsdA==',
});
export const pbkdf2 = { type: 'pbkdf2', hash: 'sha256', iterations: 1000, salt: 'c2FsdA==' };

/** The keyslot of that number, in its place of the keyslots area of a header of 16 KiB. */
export const keyslot = (id: number, kdf: object = pbkdf2) => ({
  type: 'luks2',
  key_size: 64,
  af: { type: 'luks1', stripes: 4000, hash: 'sha256' },
  area: {
    type: 'raw',
    offset: String(2 * SIZE + id * 258048),
    size: '258048',
    encryption: 'aes-xts-plain64',
    key_size: 64,
  },
  kdf: { ...kdf },
});

/** JSON as cryptsetup writes it, with two keyslots. */
export const metadata = (): Json => ({
  keyslots: { '0': keyslot(0, argon2(65536)), '1': keyslot(1) },
  tokens: { '0': { type: 'systemd-tpm2', keyslots: ['1'], 'tpm2-blob': 'AAAA' } },
  segments: {
    '0': {
      type: 'crypt',
      offset: '1048576',
      size: 'dynamic',
      iv_tweak: '0',
      encryption: 'aes-xts-plain64',
      sector_size: 512,
    },
  },
  digests: {
    '0': {
      type: 'pbkdf2',
      keyslots: ['0', '1'],
      segments: ['0'],
      hash: 'sha256',
      iterations: 1000,
      salt: 'c2FsdA==',
      digest: 'ZGlnZXN0',
    },
  },
  config: { json_size: String(SIZE - LUKS2_BINARY_BYTES), keyslots_size: String(KEYSLOTS_SIZE) },
});

export interface Luks2Options {
  /** An object, or text as it stands. */
  readonly json?: Json;
  readonly sizeBytes?: number;
  /** Of the primary and the secondary header. */
  readonly seqid?: readonly [number, number];
  readonly uuid?: string;
  readonly label?: string;
  readonly version?: number;
}

/** Both copies, the keyslots area, and no data. */
export function luks2Image(options: Luks2Options = {}): Buffer {
  const {
    json = metadata(),
    sizeBytes = SIZE,
    seqid = [3, 3],
    uuid = UUID,
    label = '',
    version = 2,
  } = options;
  const image = Buffer.alloc(2 * sizeBytes + KEYSLOTS_SIZE + 512);
  const text = typeof json === 'string' ? json : JSON.stringify(json);
  [MAGIC, MAGIC_SECONDARY].forEach((magic, i) => {
    const at = i * sizeBytes;
    const fields = {
      magic,
      version,
      hdr_size: sizeBytes,
      seqid: seqid[i],
      label,
      checksum_alg: 'sha256',
      uuid,
    };
    Luks2Hdr.write(image, { ...fields, hdr_offset: at }, at, false);
    image.write(text, at + LUKS2_BINARY_BYTES, 'utf8');
    seal(image, at, sizeBytes);
  });
  return image;
}

/** Makes the checksum right again. */
export function seal(image: Buffer, at: number, sizeBytes = SIZE): void {
  const csum = image.subarray(at + Luks2Hdr.offset.csum, at + Luks2Hdr.offset.csum + LUKS2_CSUM_BYTES);
  csum.fill(0);
  createHash('sha256')
    .update(image.subarray(at, at + sizeBytes))
    .digest()
    .copy(csum);
}

/** Keyslots 0 and 3 are active. */
export function luks1Image(): Buffer {
  const image = Buffer.alloc(2 * 1024 * 1024 + 512);
  const fields = {
    magic: MAGIC,
    version: 1,
    cipherName: 'aes',
    cipherMode: 'xts-plain64',
    hashSpec: 'sha256',
  };
  Luks1Phdr.write(image, { ...fields, payloadOffset: 4096, keyBytes: 64, uuid: UUID }, 0, false);
  for (let id = 0; id < LUKS1_SLOTS; id++) {
    const isActive = id === 0 || id === 3;
    const slot = {
      active: isActive ? LUKS1_ENABLED : LUKS1_DISABLED,
      passwordIterations: isActive ? 1000 + id : 0,
      keyMaterialOffset: 8 + id * 504,
      stripes: LUKS1_STRIPES,
    };
    Luks1Slot.write(image, slot, Luks1Phdr.size + id * Luks1Slot.size, false);
  }
  return image;
}
