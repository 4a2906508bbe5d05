/** Requests to hand a key over: which item, and whether there is such a key. */

import { SmeltError } from '../../errors.ts';
import { checkDescription, customaryDescriptions, howToLink } from './description.ts';
import { uuidOf } from './device.ts';
import { findKey, isUsable, type Key } from './keyring.ts';
import type { System } from './system.ts';

/** Whose key is to be handed over. */
export interface KeyRequest {
  /** The UUID of a LUKS volume; or the name or path of an open dm-crypt device, or the path of the volume below it. */
  readonly device: string;
  /** The key's description; without it the customary one under which there is a key. */
  readonly description?: string;
  /** The item's name, otherwise the UUID. */
  readonly name?: string;
}

/** A request that can be met. */
export interface Checked {
  readonly name: string;
  readonly description: string;
  readonly key: Key;
}

const ITEM_NAME = /^[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}$/;
/** What the kernel itself has there. */
const TAKEN_NAMES = ['count', 'reuse', 'restore'];

/** @throws SmeltError USAGE */
export function checkItemName(name: string): void {
  if (ITEM_NAME.test(name) && !TAKEN_NAMES.includes(name)) return;
  throw new SmeltError('USAGE', `"${name.slice(0, 40)}" cannot be the name of a key item`, {
    hint: 'Up to 100 letters, digits, _ . : and - make a name.',
  });
}

/** @throws SmeltError KEY where there is no such key, USAGE */
export function checkRequest(request: KeyRequest, keys: readonly Key[], system: System): Checked {
  const uuid =
    request.name !== undefined && request.description !== undefined
      ? undefined
      : uuidOf(system, request.device);
  const name = request.name ?? (uuid as string);
  checkItemName(name);
  const descriptions =
    request.description === undefined ? customaryDescriptions(uuid as string) : [request.description];
  descriptions.forEach(checkDescription);
  const found = descriptions.flatMap((description) => findKey(keys, 'logon', description) ?? []);
  const key = found.find(isUsable);
  if (key !== undefined) return { name, description: key.description, key };
  throw whyNoKey(request.device, descriptions, found[0], keys);
}

function whyNoKey(
  device: string,
  descriptions: readonly string[],
  unusable: Key | undefined,
  keys: readonly Key[],
): SmeltError {
  const [description] = descriptions;
  const volume = device.startsWith('/dev/') ? device : `UUID=${device.replace(/^UUID=/, '')}`;
  const hint = howToLink(unusable?.description ?? description, volume);
  if (unusable !== undefined) {
    // Revoking a key also ends its time: key_revoke() of security/keys/key.c.
    const what = unusable.isDead ? 'was revoked or is invalid' : 'has expired';
    return new SmeltError('KEY', `the key ${unusable.description} of ${device} ${what}`, { hint });
  }
  const others = descriptions.flatMap((each) => findKey(keys, 'user', each) ?? []);
  const isUserKey = others.some(isUsable);
  const what = isUserKey
    ? `the key ${others[0].description} of ${device} is of type user, and the kernel wants one of type logon`
    : `there is no key ${descriptions.join(' or ')} of type logon for ${device} in the keyring`;
  return new SmeltError('KEY', what, { hint });
}
