/** What a LUKS header says: plain data without salts, digests or keys. */

export type LuksHeader = Luks1Header | Luks2Header;

export interface NotLuks {
  /** Why there is no header to be had: one sentence. */
  readonly notLuks: string;
}

interface AnyHeader {
  readonly uuid: string;
  readonly keyslots: readonly Keyslot[];
  /**
   * What unlocking by passphrase takes at most: the memory of the dearest KDF of an active keyslot. 0 where there is only PBKDF2,
   * undefined where no keyslot is known.
   */
  readonly unlockMemoryBytes: number | undefined;
  /** What is broken or missing: one sentence each. */
  readonly broken: readonly string[];
}

export interface Luks1Header extends AnyHeader {
  readonly version: 1;
  /** As dm-crypt has it: "aes-xts-plain64". */
  readonly encryption: string;
  readonly hash: string;
  readonly keyBytes: number;
  /** Where the data begin; 0 in a detached header. */
  readonly payloadOffsetBytes: number;
}

export interface Luks2Header extends AnyHeader {
  readonly version: 2;
  readonly label: string;
  readonly subsystem: string;
  readonly copies: readonly [HeaderCopy, HeaderCopy];
  /** Which copy the rest is from; undefined where neither is good, and then there is no rest. */
  readonly used: HeaderCopy['role'] | undefined;
  readonly segments: readonly Segment[];
  readonly digests: readonly Digest[];
  readonly tokens: readonly Token[];
  readonly config: Config | undefined;
}

export interface HeaderCopy {
  readonly role: 'primary' | 'secondary';
  /** In bytes; undefined where it was searched for and not found. */
  readonly byteOffset: number | undefined;
  /** 'older': good, but the other copy is newer. */
  readonly state: 'good' | 'older' | 'broken';
  readonly seqid: number | undefined;
}

export interface Keyslot {
  readonly id: number;
  /** Only LUKS1 lists those that are not. */
  readonly active: boolean;
  /** 'luks1', 'luks2', 'reencrypt' … */
  readonly type: string;
  /** 'ignore': only used when it is asked for by number. */
  readonly priority: 'ignore' | 'normal' | 'prefer';
  /** Undefined for keyslots that hold no key ('reencrypt'). */
  readonly kdf: Kdf | undefined;
  readonly keyBytes: number;
  /** How the key material is encrypted in its area: "aes-xts-plain64". */
  readonly areaEncryption: string | undefined;
  readonly stripes: number | undefined;
}

export interface Kdf {
  /** 'pbkdf2', 'argon2i', 'argon2id'. */
  readonly type: string;
  /** PBKDF2. */
  readonly hash?: string;
  readonly iterations?: number;
  /** Argon2: passes over the memory. */
  readonly time?: number;
  readonly memoryKib?: number;
  readonly cpus?: number;
}

export interface Segment {
  readonly id: number;
  /** 'crypt', 'linear' (not encrypted), 'hw-opal', 'hw-opal-crypt'. */
  readonly type: string;
  readonly offsetBytes: number;
  /** 'dynamic': up to the end of the device. */
  readonly sizeBytes: number | 'dynamic';
  readonly encryption: string | undefined;
  readonly sectorBytes: number | undefined;
  /** "hmac(sha256)" … */
  readonly integrity: string | undefined;
  /** 'in-reencryption', 'backup-final', 'backup-previous', 'backup-moved-segment'. */
  readonly flags: readonly string[];
}

export interface Digest {
  readonly id: number;
  readonly type: string;
  readonly keyslots: readonly number[];
  readonly segments: readonly number[];
}

export interface Token {
  readonly id: number;
  /** "systemd-tpm2", "clevis", "luks2-keyring" … */
  readonly type: string;
  readonly keyslots: readonly number[];
}

export interface Config {
  readonly jsonBytes: number;
  readonly keyslotsBytes: number;
  /** "allow-discards" … */
  readonly flags: readonly string[];
  /** What whoever opens it must know of: "online-reencrypt-v2", "opal" … */
  readonly requirements: readonly string[];
}

/** A segment that is data, not what reencryption goes back to. Source: json_segment_is_backup() of luks2_segment.c. */
export const isBackup = ({ flags }: Segment): boolean => flags.some((flag) => flag.startsWith('backup-'));
