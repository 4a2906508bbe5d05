/** What there is to complete, for all shells: the table of options seen as words. */

import { COMMANDS, type Command } from './commands.ts';
import type { Option } from './option.ts';
import { optionsOf } from './options.ts';

/** What can stand for an option's value. */
export type Completes = 'files' | 'directories' | 'programs' | 'nothing' | readonly string[];

export function completes({ valueName = '', choices }: Option): Completes {
  if (choices !== undefined) return choices;
  if (valueName === 'DIR') return 'directories';
  if (valueName === 'PROGRAM') return 'programs';
  return valueName === 'VMCOREINFO' || valueName === 'VMLINUX' || /FILE/.test(valueName)
    ? 'files'
    : 'nothing';
}

/** "-d", "--dump-level". */
export function spellings({ short, long }: Option): string[] {
  return [...(short === undefined ? [] : [`-${short}`]), ...(long === undefined ? [] : [`--${long}`])];
}

export interface Completable {
  readonly command: Command;
  readonly options: readonly Option[];
}

/** The default command first. */
export function completables(): Completable[] {
  return COMMANDS.map((command) => ({ command, options: optionsOf(command.name) }));
}
