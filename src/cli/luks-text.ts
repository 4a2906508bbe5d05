/** What a person is told by `smelt luks register`, `unlock` and `lock`. */

import type { LuksDone } from '../luks/actions.ts';
import type { Step } from '../luks/keys/steps.ts';
import { hang, printable } from './text.ts';

const MAX_WIDTH = 80;
const STEP_WIDTH = 11;

/** Lines of at most 80 columns, where names do not make them longer; the last one says what comes next. */
export function luksText(done: LuksDone, width: number): string[] {
  const wrap = (start: string, text: string) =>
    hang(start, printable(text).split(' '), Math.min(width, MAX_WIDTH));
  switch (done.action) {
    case 'register': {
      const items = done.items.flatMap(({ name, description, isNew, secondsLeft }) => {
        const life = secondsLeft === undefined ? '' : `, and lives ${seconds(secondsLeft)}`;
        return wrap(
          '',
          `${name}: the key ${description} is ${isNew ? 'registered' : 'registered already'}${life}`,
        );
      });
      // With one loaded that lacks a key there is a warning.
      const next = done.isCrashKernelLoaded
        ? ''
        : '; load the crash kernel with `kexec -s -p`: it takes them along';
      return [...items, ...wrap('', `${keys(done.count)} for the crash kernel${next}.`)];
    }
    case 'unregister': {
      const names = done.removed.length === 0 ? 'nothing' : done.removed.join(', ');
      return wrap('', `removed: ${names}; ${keys(done.count)} left for the crash kernel.`);
    }
    case 'reuse':
      if (!done.wasNeeded)
        return wrap('', 'the kernel refuses: it has saved no keys that could be used again.');
      return wrap(
        '',
        done.isOn
          ? 'the next crash kernel gets the keys that were saved: load it with `kexec -s -p`, then run `smelt luks register --reuse off`.'
          : 'the next crash kernel gets the keys from the keyring.',
      );
    case 'unlock': {
      const by = done.openedBy === 'before' ? 'which was open before' : `opened by the ${done.openedBy}`;
      if (done.mountPoint === undefined)
        return wrap(
          '',
          `${done.device} is open as /dev/mapper/${done.name}, ${by}; \`smelt luks lock ${done.name}\` undoes it.`,
        );
      return wrap(
        '',
        `${done.mountPoint} is on ${done.name}, ${by}; \`smelt luks lock --mount ${done.mountPoint}\` undoes it.`,
      );
    }
    case 'lock':
      return wrap('', done.name === undefined ? 'there was nothing to lock.' : `${done.name} is locked.`);
  }
}

/** "  open       /dev/vdb as luks-… by the volume key" */
export function stepText({ step, done, what }: Step, width: number): string {
  const start = `  ${step.padEnd(STEP_WIDTH)}`;
  const words = printable(done ? what : `(${what})`).split(' ');
  return hang(start, words, Math.min(width, MAX_WIDTH)).join('\n');
}

const keys = (count: number): string => (count === 0 ? 'no key' : count === 1 ? '1 key' : `${count} keys`);

function seconds(left: number): string {
  if (left < 120) return `${left} more seconds`;
  if (left < 2 * 3600) return `${Math.floor(left / 60)} more minutes`;
  return `${Math.floor(left / 3600)} more hours`;
}
