/** Options of `smelt luks` alone. */

import type { Option } from './option.ts';
import { readName, readSwitch } from './values.ts';

export const LUKS_OPTIONS = [
  {
    key: 'mount',
    long: 'mount',
    valueName: 'DIR',
    category: 'look',
    of: ['luks'],
    doc: 'unlock, lock: where the volume is mounted',
    longDoc: 'unlock makes the directory where there is none.',
    read: readName('--mount', 'DIR', 'directory'),
  },
  {
    key: 'key-file',
    long: 'key-file',
    valueName: 'FILE',
    category: 'look',
    of: ['luks'],
    doc: 'unlock: where no key was handed over',
    longDoc: 'Taken where no volume key arrived from the first kernel, or it does not open the volume.',
    read: readName('--key-file', 'FILE'),
  },
  {
    key: 'name',
    long: 'name',
    valueName: 'NAME',
    category: 'look',
    of: ['luks'],
    doc: 'register: of the key item; unlock: of the device',
    longDoc:
      'By default the item has the UUID of the LUKS volume for its name, and the dm-crypt device luks-UUID.',
    read: readName('--name', 'NAME', 'item or device'),
  },
  {
    key: 'description',
    long: 'description',
    valueName: 'TEXT',
    category: 'look',
    of: ['luks'],
    doc: 'register, unlock: of the key in the keyring',
    longDoc:
      'By default the customary one under which there is a key: kdump-cryptsetup:vk-UUID or cryptsetup:UUID.',
    read: readName('--description', 'TEXT', 'key'),
  },
  {
    key: 'unregister',
    long: 'unregister',
    category: 'look',
    of: ['luks'],
    doc: 'register: remove the key items of DEVICEs, or all',
    longDoc: 'The keys stay in the keyring, and in a crash kernel that was loaded with them.',
  },
  {
    key: 'reuse',
    long: 'reuse',
    valueName: 'on|off',
    choices: ['on', 'off'],
    category: 'look',
    of: ['luks'],
    doc: 'register: take the saved keys at the next load',
    longDoc:
      'On before the crash kernel is loaded again because a CPU or memory came or went, off after it: keys in the keyring may have expired.',
    read: readSwitch('--reuse'),
  },
] as const satisfies readonly Option[];
