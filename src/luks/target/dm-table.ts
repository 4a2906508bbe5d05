/** What device-mapper knows of its crypt targets: cipher, and where the key came from. Never the key: dmsetup leaves it out. */

import { SmeltError } from '../../errors.ts';
import { run, SYSTEM_COMMAND_PATH } from '../run.ts';
import { unmangled } from './block.ts';
import type { VolumeKey } from './report.ts';

export interface CryptTarget {
  readonly sectors: number;
  readonly encryption: string;
  readonly key: VolumeKey;
}

/** Crypt targets by the name of their device; a device that is not in it has none. */
export type CryptTargets = ReadonlyMap<string, readonly CryptTarget[]>;

const TIME_LIMIT_MS = 3000;
/** `run` keeps no more than that, the end of it. */
const MAX_OUTPUT_LENGTH = 16 * 1024;

/** Undefined where dmsetup cannot be asked: it is not there, we are not root, or there is no device-mapper. */
export async function askDmsetup(): Promise<CryptTargets | undefined> {
  try {
    // Without --showkeys there are zeros in place of a key.
    const { status, stdout, timedOut } = await run(['dmsetup', 'table', '--target', 'crypt'], {
      commandPath: SYSTEM_COMMAND_PATH,
      timeLimitMs: TIME_LIMIT_MS,
    });
    if (status !== 0 || timedOut || stdout.length >= MAX_OUTPUT_LENGTH) return undefined;
    return parseCryptTables(stdout);
  } catch (error) {
    if (!(error instanceof SmeltError)) throw error;
    return undefined;
  }
}

/**
 * "NAME: START LENGTH crypt CIPHER KEY IV_OFFSET DEVICE OFFSET …". Source: Linux Documentation/admin-guide/device-mapper/dm-crypt.rst;
 * the part in front is that of dmsetup(8).
 */
const LINE = /^(.+?): \d{1,20} (\d{1,15}) crypt (\S+) (\S+) \d+ \S+ \d+(?: |$)/;

export function parseCryptTables(text: string): CryptTargets {
  const targets = new Map<string, CryptTarget[]>();
  for (const line of text.split('\n')) {
    const match = LINE.exec(line);
    if (match === null) continue;
    const [, name, sectors, encryption, key] = match;
    const target = { sectors: Number(sectors), encryption, key: keyOf(key) };
    const own = targets.get(unmangled(name)) ?? [];
    targets.set(unmangled(name), [...own, target]);
  }
  return targets;
}

/** ":64:logon:cryptsetup:…", or two hexadecimal digits for each byte, all of them zeros. Nothing of those is kept. */
function keyOf(field: string): VolumeKey {
  const ring = /^:(\d{1,6}):([a-z]{1,16}):(.+)$/.exec(field);
  if (ring === null) return { place: 'kernel', sizeBytes: field === '-' ? 0 : Math.floor(field.length / 2) };
  return { place: 'keyring', type: ring[2], description: ring[3], sizeBytes: Number(ring[1]) };
}
