/** From tokens to what `smelt luks` is to do. */

import { SmeltError } from '../errors.ts';
import type { KeyRequest } from '../luks/keys/request.ts';
import type { UnlockOptions } from '../luks/keys/unlock.ts';
import { parseRaw, readValues } from './args.ts';
import { LUKS_VERBS } from './commands.ts';
import { nearest } from './nearest.ts';
import type { OptionKey } from './options.ts';
import type { Token } from './tokens.ts';

export type LuksArgs =
  | { readonly action: 'status'; readonly path: string }
  | { readonly action: 'register'; readonly requests: readonly KeyRequest[] }
  /** `devices` undefined: all key items. */
  | { readonly action: 'unregister'; readonly devices: readonly string[] | undefined }
  | { readonly action: 'reuse'; readonly isOn: boolean }
  | { readonly action: 'unlock'; readonly device: string; readonly options: UnlockOptions }
  | { readonly action: 'lock'; readonly target: { readonly mountPoint?: string; readonly device?: string } };

/** Where kdump writes when nobody says otherwise. */
const USUAL_TARGET = '/var/crash';

/** Where udev has devices by the UUID of what is on them. */
export const BY_UUID = '/dev/disk/by-uuid/';

type Verb = (typeof LUKS_VERBS)[number];
const OPTIONS_OF: Readonly<Record<Verb, readonly OptionKey[]>> = {
  status: [],
  register: ['name', 'description', 'unregister', 'reuse'],
  unlock: ['mount', 'key-file', 'name', 'description'],
  lock: ['mount'],
};
const LUKS_KEYS = [...new Set(Object.values(OPTIONS_OF).flat())];

/** @throws SmeltError USAGE */
export function parseLuks(tokens: readonly Token[]): LuksArgs {
  const raw = parseRaw(tokens, 'luks');
  const values = readValues(raw);
  const [word, ...operands] = raw.operands;
  const verb = verbOf(word);
  const foreign = LUKS_KEYS.find((key) => values[key] !== undefined && !OPTIONS_OF[verb].includes(key));
  if (foreign !== undefined) throw usage(`--${foreign} means nothing to smelt luks ${verb}`);
  if (operands.includes('')) throw usage('the name of a PATH or DEVICE is empty');
  const [device, second] = operands;
  const { name, description, mount } = values;
  switch (verb) {
    case 'status':
      if (second !== undefined) throw usage(`one PATH is looked at, and there are ${operands.length}`);
      return { action: 'status', path: (device ?? USUAL_TARGET).replace(/^UUID=/i, BY_UUID) };
    case 'register':
      return registerOf(operands, values);
    case 'unlock': {
      if (device === undefined) throw usage('DEVICE is missing');
      if (second !== undefined) throw usage(`one DEVICE is unlocked, and there are ${operands.length}`);
      const keyFile = values['key-file'];
      const options: UnlockOptions = {
        ...(mount === undefined ? {} : { mountPoint: mount }),
        ...(name === undefined ? {} : { name }),
        ...(description === undefined ? {} : { description }),
        ...(keyFile === undefined ? {} : { keyFile }),
      };
      return { action: 'unlock', device, options };
    }
    case 'lock':
      if (second !== undefined) throw usage(`one DEVICE is locked, and there are ${operands.length}`);
      if (device === undefined && mount === undefined) throw usage('DEVICE or --mount is missing');
      return {
        action: 'lock',
        target: {
          ...(mount === undefined ? {} : { mountPoint: mount }),
          ...(device === undefined ? {} : { device }),
        },
      };
  }
}

function registerOf(
  devices: readonly string[],
  { name, description, unregister, reuse }: ReturnType<typeof readValues>,
): LuksArgs {
  if (reuse !== undefined) {
    if (devices.length > 0 || unregister || name !== undefined || description !== undefined)
      throw usage('--reuse stands alone: it is for all keys that were saved');
    return { action: 'reuse', isOn: reuse };
  }
  if (unregister) {
    if (name !== undefined || description !== undefined)
      throw usage('--unregister takes DEVICEs or names of key items, and no --name or --description');
    return { action: 'unregister', devices: devices.length > 0 ? devices : undefined };
  }
  if (devices.length === 0) throw usage('DEVICE is missing: whose key the crash kernel is to get');
  if (devices.length > 1 && (name !== undefined || description !== undefined))
    throw usage(
      `--${name === undefined ? 'description' : 'name'} is of one DEVICE, and there are ${devices.length}`,
    );
  const requests = devices.map((device) => ({
    device,
    ...(name === undefined ? {} : { name }),
    ...(description === undefined ? {} : { description }),
  }));
  return { action: 'register', requests };
}

function verbOf(word: string | undefined): Verb {
  const verb = LUKS_VERBS.find((each) => each === word);
  if (verb !== undefined) return verb;
  const all = 'status, register, unlock or lock';
  if (word === undefined) throw usage(`what is to be done is missing: ${all}`);
  if (word.startsWith('/'))
    throw usage(`smelt luks has no ${word}`, `Did you mean \`smelt luks status ${word}\`?`);
  const meant = nearest(word, LUKS_VERBS);
  throw usage(`smelt luks has no ${word}`, meant === undefined ? `It has ${all}.` : `Did you mean ${meant}?`);
}

function usage(message: string, hint = '`smelt luks --help` has examples.'): SmeltError {
  return new SmeltError('USAGE', message, { hint });
}
