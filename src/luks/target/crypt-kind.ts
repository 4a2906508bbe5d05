/** What a device-mapper device is, by its dm uuid: each maker begins it with a name of its own. */

import type { CryptKind, LayerKind } from './report.ts';

export interface DmKind {
  readonly kind: LayerKind;
  readonly crypt?: CryptKind;
  /** Of the LUKS header. */
  readonly uuid?: string;
  /** Whether it is one that encrypts; undefined: only the dm table tells. */
  readonly encrypts: boolean | undefined;
}

/**
 * Source: dm_prepare_uuid() of cryptsetup's libdevmapper.c, "CRYPT-(type)-[(uuid)-](name)", and the types of libcryptsetup.h and
 * internal.h. OPAL is the drive's own encryption, told by LUKS2 what its key is.
 */
const CRYPT_TYPES: Readonly<Record<string, CryptKind>> = {
  LUKS1: 'LUKS1',
  LUKS2: 'LUKS2',
  'LUKS2-OPAL': 'LUKS2 with OPAL',
  PLAIN: 'plain',
  LOOPAES: 'loop-AES',
  TCRYPT: 'TrueCrypt or VeraCrypt',
  BITLK: 'BitLocker',
  FVAULT2: 'FileVault',
};
/** cryptsetup makes these as well, and they only check what they read. */
const CHECKING_TYPES = ['VERITY', 'INTEGRITY'];

/** Others pass on what they are given: LVM2, multipath-tools, kpartx ("part1-…"), dmraid, Stratis. */
const PASSING: readonly (readonly [RegExp, LayerKind])[] = [
  [/^LVM-/, 'LVM'],
  [/^mpath-/, 'multipath'],
  [/^part\d+-/, 'partition'],
  [/^DMRAID-/, 'device-mapper'],
  [/^stratis-/, 'device-mapper'],
];

const UUID = /^([0-9a-f]{8})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{12})-/i;

export function dmKindOf(dmUuid: string): DmKind {
  const [, type, rest] = /^CRYPT-(LUKS2-OPAL|[A-Z0-9]+)-(.*)$/.exec(dmUuid) ?? [];
  const crypt = Object.hasOwn(CRYPT_TYPES, type ?? '') ? CRYPT_TYPES[type] : undefined;
  if (crypt !== undefined) {
    const uuid = crypt.startsWith('LUKS') ? UUID.exec(rest)?.slice(1).join('-').toLowerCase() : undefined;
    return { kind: 'dm-crypt', crypt, encrypts: true, ...(uuid && { uuid }) };
  }
  if (CHECKING_TYPES.includes(type)) return { kind: 'device-mapper', encrypts: false };
  const passing = PASSING.find(([prefix]) => prefix.test(dmUuid));
  if (passing !== undefined) return { kind: passing[1], encrypts: false };
  return { kind: 'device-mapper', encrypts: undefined };
}

/** dm-crypt with the cipher that leaves everything as it is. Source: crypt_is_cipher_null() of cryptsetup's utils_crypt.c. */
export const isNullCipher = (encryption: string): boolean =>
  encryption.includes('cipher_null') || encryption === 'null';
