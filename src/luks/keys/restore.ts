/** In the crash kernel: the key that was handed over, found in the keyring after the kernel put it there. */

import { SmeltError } from '../../errors.ts';
import type { KeyItems } from './items.ts';
import { dropKey, findKey, isUsable, type Key, readKeys } from './keyring.ts';
import type { Steps } from './steps.ts';
import type { System } from './system.ts';

/** The key, or why there is none. */
export type Found = { readonly key: Key } | { readonly reason: string };

/**
 * The key that has one of these descriptions. If it is not there, the kernel is asked to restore what was handed over; if a later
 * step fails, all that arrived is dropped again.
 *
 * In the first kernel keys are of type logon, which nobody can read; restored they are of type user, as cryptsetup checks them
 * against the header before it uses them. Source: add_key_to_keyring() of kernel/crash_dump_dm_crypt.c.
 */
export async function findOrRestore(
  descriptions: readonly string[],
  steps: Steps,
  items: KeyItems,
  system: System,
): Promise<Found> {
  const names = descriptions.join(' or ');
  const choose = (keys: readonly Key[]) =>
    descriptions.flatMap((each) => findKey(keys, 'user', each) ?? []).find(isUsable);
  try {
    const before = readKeys(system);
    const there = choose(before);
    if (there !== undefined) {
      await steps.run('find key', async () => ({ done: true, what: `${there.description}, there already` }));
      return { key: there };
    }
    items.require('crash kernel');
    let after: readonly Key[] = [];
    await steps.run(
      'restore',
      async () => {
        items.restore();
        after = readKeys(system);
        return { done: true, what: `the keys that were handed over, by ${items.path}/restore` };
      },
      async () => {
        const old = before.map(({ serial }) => serial);
        for (const key of readKeys(system)) {
          if (key.type === 'user' && isUsable(key) && !old.includes(key.serial)) await dropKey(key, system);
        }
      },
    );
    // The write to restore succeeds even when there was nothing to restore, or what was read was ciphertext.
    const key = choose(after);
    await steps.run('find key', async () => ({
      done: key !== undefined,
      what: key?.description ?? `no key ${names} arrived`,
    }));
    return key === undefined
      ? { reason: `no key ${names} of type user is in the keyring after restore` }
      : { key };
  } catch (error) {
    // No keyring, no interface, no permission: a key file may still do.
    if (error instanceof SmeltError) return { reason: error.message };
    throw error;
  }
}
