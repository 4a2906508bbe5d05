/** In the first kernel: tells it which volume keys to hand to the crash kernel, so that kexec takes them along. */

import { SmeltError } from '../../errors.ts';
import { findMapping } from './device.ts';
import { KeyItems, MAX_ITEMS } from './items.ts';
import { isWithinReach, readKeys } from './keyring.ts';
import { type Checked, checkItemName, checkRequest, type KeyRequest } from './request.ts';
import { readLoaded } from './reuse.ts';
import { type System, THIS_MACHINE } from './system.ts';

export interface RegisteredItem {
  readonly name: string;
  readonly description: string;
  /** False: it was there already, just so. */
  readonly isNew: boolean;
  /** At least so long does the key live; undefined: it does not expire. It must live until kexec has run, no longer. */
  readonly secondsLeft: number | undefined;
}

export interface RegisterReport {
  readonly items: readonly RegisteredItem[];
  /** All items there are now, by the kernel's own count where it says so. */
  readonly count: number;
  /** Whether a crash kernel is loaded: that one has not got these keys; undefined: not known. */
  readonly isCrashKernelLoaded: boolean | undefined;
  /** Sentences: what may make kexec fail, or the crash kernel come without the keys. */
  readonly warnings: readonly string[];
}

/** Less than this is a reason to hurry. */
const SOON_SECONDS = 60;
/**
 * Makes a key item for each device, whole or not at all: all keys are looked for first, and if one item fails, those that were made
 * here are removed again. Then load the crash kernel with `kexec -s -p`: it takes the keys along.
 *
 * @throws SmeltError KEY, UNSUPPORTED, USAGE
 */
export async function register(
  requests: readonly KeyRequest[],
  system: System = THIS_MACHINE,
  items = new KeyItems(system),
): Promise<RegisterReport> {
  items.require('first kernel');
  const keys = readKeys(system);
  const wanted = requests.map((request) => checkRequest(request, keys, system));
  const existing = new Map(items.names().map((name) => [name, items.description(name)]));
  checkRoom(wanted, existing, items);
  const warnings = await warningsOn(wanted, existing, system);

  const names = wanted.map(({ name }) => name);
  const made: string[] = [];
  const registered: RegisteredItem[] = [];
  try {
    // Those that are there without a description come last: nothing takes it from them again.
    const newFirst = wanted.toSorted((a, b) => Number(existing.has(a.name)) - Number(existing.has(b.name)));
    for (const { name, description, key } of newFirst) {
      const isNew = items.description(name) !== description;
      if (isNew) {
        if (!existing.has(name)) {
          items.make(name);
          made.push(name);
        }
        items.describe(name, description);
      }
      registered.push({ name, description, isNew, secondsLeft: key.secondsLeft });
    }
  } catch (error) {
    for (const name of made.reverse()) tryToRemove(items, name);
    throw error;
  }
  const isCrashKernelLoaded = readLoaded(system);
  if (isCrashKernelLoaded && registered.some(({ isNew }) => isNew)) {
    warnings.push('the crash kernel that is loaded has not got these keys: load it again with `kexec -s -p`');
  }
  registered.sort((a, b) => names.indexOf(a.name) - names.indexOf(b.name));
  return {
    items: registered,
    count: items.count() ?? items.names().length,
    isCrashKernelLoaded,
    warnings,
  };
}

function checkRoom(
  wanted: readonly Checked[],
  existing: ReadonlyMap<string, string | undefined>,
  items: KeyItems,
): void {
  const names = wanted.map(({ name }) => name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) {
    throw new SmeltError('USAGE', `two key items are to be named ${twice}`, {
      hint: 'Name each device once.',
    });
  }
  for (const { name, description } of wanted) {
    const other = existing.get(name);
    if (other === undefined || other === description) continue;
    throw new SmeltError('KEY', `${items.path}/${name} is there already, for another key: ${other}`, {
      hint: 'Remove it first, or give this one another name.',
    });
  }
  const total = new Set([...existing.keys(), ...names]).size;
  if (total <= MAX_ITEMS) return;
  throw new SmeltError(
    'KEY',
    `the crash kernel takes ${MAX_ITEMS} keys, and with these there would be ${total}`,
    {
      hint: `${items.path} lists those that are there.`,
    },
  );
}

async function warningsOn(
  wanted: readonly Checked[],
  existing: ReadonlyMap<string, string | undefined>,
  system: System,
): Promise<string[]> {
  const warnings: string[] = [];
  for (const { key } of wanted) {
    if (key.secondsLeft !== undefined && key.secondsLeft < SOON_SECONDS) {
      warnings.push(`the key ${key.description} expires in ${key.secondsLeft} s: kexec has to run before`);
    }
    if ((await isWithinReach(key, system)) === false) {
      warnings.push(
        `the key ${key.description} is not within reach of this session, and so not of a kexec that it runs: ` +
          '`keyctl link @u @s` changes that, in a unit of systemd KeyringMode=shared',
      );
    }
  }
  const names = wanted.map(({ name }) => name);
  for (const [name, description] of existing) {
    if (description !== undefined || names.includes(name)) continue;
    warnings.push(`the key item ${name} has no description: as long as it is there, kexec fails`);
  }
  return warnings;
}

function tryToRemove(items: KeyItems, name: string): void {
  try {
    items.remove(name);
  } catch {
    // What made the item fail is the error to tell.
  }
}

export interface UnregisterReport {
  readonly removed: readonly string[];
  /** Items that are left. */
  readonly count: number;
}

/**
 * Removes key items, those of these names or devices or all. The keys stay in the keyring, and in a crash kernel that was loaded with them.
 */
export function unregister(
  names: readonly string[] | undefined,
  system: System = THIS_MACHINE,
  items = new KeyItems(system),
): UnregisterReport {
  items.require('first kernel');
  const all = items.names();
  const wanted = names?.map((name) => (all.includes(name) ? name : itemNameOf(name, system))) ?? all;
  wanted.forEach(checkItemName);
  const removed = wanted.filter((name) => items.remove(name));
  return { removed, count: items.count() ?? items.names().length };
}

/** Items are named by UUID unless somebody said otherwise. */
function itemNameOf(device: string, system: System): string {
  return findMapping(system, device)?.uuid ?? device.replace(/^UUID=(.*)$/i, (_, uuid) => uuid.toLowerCase());
}
