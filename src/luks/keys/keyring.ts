/** The kernel's keyrings, as far as /proc/keys shows them and keyctl works on them. The bytes of a key are never read. */

import { SmeltError } from '../../errors.ts';
import { readText } from '../../sme/live/files.ts';
import { failureOf, findCommand, run } from '../run.ts';
import type { System } from './system.ts';

const PATH = '/proc/keys';
const KEYCTL_LIMIT_MS = 10_000;

/** What /proc/keys tells of a key. */
export interface Key {
  /** As /proc/keys has it: eight hexadecimal digits. */
  readonly serial: string;
  /** Who made it, by number. */
  readonly uid: number;
  /** The type's first nine letters: "logon", "user", "keyring", "dns_resol". */
  readonly type: string;
  readonly description: string;
  /** Revoked, dead, invalidated, negative or not yet instantiated: of no use, whatever its time. */
  readonly isDead: boolean;
  readonly isExpired: boolean;
  /** At least so long does it live; undefined: it does not expire. /proc/keys rounds down to a unit. */
  readonly secondsLeft: number | undefined;
}

const SECONDS = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };

/** Source: proc_keys_show() of security/keys/proc.c; user_describe() of user_defined.c adds ": " and the length to a description. */
const LINE =
  /^([0-9a-f]{8}) ([I-])([R-])([D-])[Q-][U-]([N-])([i-]) +\d+ +(perm|expd|(\d+)([smhdw])) [0-9a-f]{8} +(\d+) +\d+ ([^\n]{9}) ([^\n]*)$/;

/** Lines that are none are left out: a description may hold any character, also that of a new line. */
export function parseKeys(text: string): Key[] {
  return text.split('\n').flatMap((line) => {
    const match = LINE.exec(line);
    if (match === null) return [];
    const [, serial, instantiated, revoked, dead, negative, invalid, timeout, amount, unit, uid, type, rest] =
      match;
    return {
      serial,
      uid: Number(uid),
      type: type.trimEnd(),
      description: rest.replace(/: \d+$/, ''),
      isDead: instantiated === '-' || `${revoked}${dead}${negative}${invalid}` !== '----',
      isExpired: timeout === 'expd',
      secondsLeft: amount === undefined ? undefined : Number(amount) * SECONDS[unit as keyof typeof SECONDS],
    };
  });
}

/** This user's own: anybody may make one of any name, and let all see it. @throws SmeltError KEY where /proc/keys cannot be read */
export function readKeys(system: System): Key[] {
  const content = readText(system.root, PATH);
  if ('value' in content) return parseKeys(content.value).filter(({ uid }) => uid === system.uid);
  throw new SmeltError(content.absent ? 'UNSUPPORTED' : 'KEY', content.reason, {
    hint: content.absent ? 'The kernel needs CONFIG_KEYS, and /proc mounted.' : 'Only root sees its keys.',
  });
}

export const isUsable = (key: Key): boolean => !key.isDead && !key.isExpired;

/** Of several with one name the one that can be used and lives longest. */
export function findKey(keys: readonly Key[], type: 'logon' | 'user', description: string): Key | undefined {
  const rank = (key: Key) => (isUsable(key) ? (key.secondsLeft ?? Number.POSITIVE_INFINITY) : -1);
  return keys
    .filter((key) => key.type === type && key.description === description)
    .sort((a, b) => rank(b) - rank(a))[0];
}

/**
 * Whether a search from this process finds the key, as the kernel's at kexec will: it looks in the session's keyrings, and not every
 * session has the user keyring linked (sudo's may not). Undefined: not known, as keyctl is missing or failed otherwise.
 */
export async function isWithinReach(
  { description }: Key,
  { commandPath }: System,
): Promise<boolean | undefined> {
  if (findCommand('keyctl', commandPath) === undefined) return undefined;
  const ran = await run(['keyctl', 'request', 'logon', description], {
    commandPath,
    timeLimitMs: KEYCTL_LIMIT_MS,
  });
  if (ran.status === 0) return true;
  // ENOKEY, in the words of libc.
  return /Required key not available/i.test(ran.stderr) ? false : undefined;
}

/**
 * Revokes a key, which wipes its bytes, and takes it out of the user keyring.
 *
 * @returns why not, for the end of a sentence; undefined where it is done
 */
export async function dropKey({ serial }: Key, { commandPath }: System): Promise<string | undefined> {
  if (findCommand('keyctl', commandPath) === undefined) return 'there is no keyctl';
  const options = { commandPath, timeLimitMs: KEYCTL_LIMIT_MS };
  const failure = failureOf(await run(['keyctl', 'revoke', `0x${serial}`], options));
  // A revoked key is of no more use to anybody; that it also goes out of the keyring is tidiness.
  await run(['keyctl', 'unlink', `0x${serial}`, '@u'], options);
  return failure;
}
