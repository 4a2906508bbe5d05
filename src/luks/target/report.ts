/** What a path really sits on: a tree of layers, from the file system down to the disks, as plain data. */

import type { LuksHeader, NotLuks } from '../header/report.ts';

/** Of all that is written to a path, what goes through encryption before it is on a disk. */
export type Encrypted = 'all legs' | 'some legs' | 'none' | 'unknown';

export interface TargetReport {
  /** As it was given. */
  readonly path: string;
  /** Links followed, as far as it exists. */
  readonly existing: string;
  /** Whether that is all of it; else what would be made there counts. */
  readonly exists: boolean;
  readonly layers: Layer;
  readonly legs: readonly Leg[];
  readonly encrypted: Encrypted;
  /** One sentence. */
  readonly why: string;
  /** Of PATH itself, where that is a block device or an image file with a LUKS header. */
  readonly header: LuksHeader | undefined;
}

export type LayerKind =
  | 'file system'
  | 'dm-crypt'
  | 'LVM'
  | 'multipath'
  | 'device-mapper'
  | 'md'
  | 'loop'
  | 'partition'
  | 'disk'
  | 'memory'
  | 'network'
  | 'unknown';

export interface Layer {
  readonly kind: LayerKind;
  /** Of a file system its type; else the name of the device, for device-mapper the one below /dev/mapper. */
  readonly name: string;
  /** The mount point, the RAID level, the file behind a loop device. */
  readonly detail?: string;
  /** Below /dev. */
  readonly device?: string;
  /** "254:1" */
  readonly number?: string;
  readonly sizeBytes?: number;
  /** Whether this layer itself encrypts. */
  readonly encrypts: 'yes' | 'no' | 'unknown';
  readonly crypt?: CryptLayer;
  /** Why not more is known: one sentence. */
  readonly problem?: string;
  /** All of them are needed: a mirror's halves, a volume group's disks. */
  readonly below: readonly Layer[];
}

export type CryptKind =
  | 'LUKS1'
  | 'LUKS2'
  | 'LUKS2 with OPAL'
  | 'plain'
  | 'loop-AES'
  | 'TrueCrypt or VeraCrypt'
  | 'BitLocker'
  | 'FileVault'
  | 'dm-crypt';

export interface CryptLayer {
  readonly kind: CryptKind;
  readonly uuid: string | undefined;
  /** "aes-xts-plain64"; by the dm table, else by the header. */
  readonly encryption: string | undefined;
  /** Where dm-crypt has its key from; undefined without the dm table. */
  readonly key: VolumeKey | undefined;
  /** Of the device below; undefined for kinds without a LUKS header. */
  readonly header: LuksHeader | NotLuks | undefined;
}

export type VolumeKey =
  | {
      readonly place: 'keyring';
      /** 'logon', 'user' … */
      readonly type: string;
      readonly description: string;
      readonly sizeBytes: number;
    }
  /** Given to dm-crypt as bytes; nothing but the kernel has it. */
  | { readonly place: 'kernel'; readonly sizeBytes: number };

/** One way from the path down to a disk. */
export interface Leg {
  /** Names of the layers, from above. */
  readonly layers: readonly string[];
  readonly encrypted: 'yes' | 'no' | 'unknown';
  /** What encrypts it, or why that is not known. */
  readonly why: string | undefined;
}
