/** Across a reload of the crash kernel: has the kernel use the keys again that it saved at the first load. */

import { SmeltError } from '../../errors.ts';
import { readText } from '../../sme/live/files.ts';
import { KeyItems } from './items.ts';
import { type System, THIS_MACHINE } from './system.ts';

export interface ReuseReport {
  readonly isOn: boolean;
  /** False: the kernel refused, which it does where it needs no such thing. */
  readonly wasNeeded: boolean;
}

/**
 * Before the crash kernel is loaded again because a CPU or memory came or went: has the kernel take the keys it saved, as those in the
 * keyring may have expired. Off again after it.
 *
 * The number of items must be what it was when the crash kernel was loaded: the kernel copies as many keys as it counts items now
 * (get_keys_from_kdump_reserved_memory() of v6.16 to v7.3), and without any it would load none.
 */
export function reuse(
  isOn: boolean,
  system: System = THIS_MACHINE,
  items = new KeyItems(system),
): ReuseReport {
  items.require('first kernel');
  if (isOn && readLoaded(system) === false) {
    throw new SmeltError('KEY', 'no crash kernel is loaded, so there are no saved keys to use again', {
      hint: 'Load it with `kexec -s -p` while the keys are in the keyring.',
    });
  }
  if (isOn && (items.count() ?? items.names().length) === 0) {
    throw new SmeltError('KEY', `${items.path} has no key items, and kexec would load no keys`, {
      hint: 'Keep the items that the crash kernel was loaded with, and do not add to them.',
    });
  }
  return { isOn, wasNeeded: items.setReuse(isOn) };
}

/** Whether a crash kernel is loaded; undefined: not known. */
export function readLoaded(system: System): boolean | undefined {
  const content = readText(system.root, '/sys/kernel/kexec_crash_loaded');
  const text = 'value' in content ? content.value.trim() : undefined;
  return text === '1' ? true : text === '0' ? false : undefined;
}
