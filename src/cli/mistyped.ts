/** What was meant by a word that stands where a command or a file does and is neither. */

import { SmeltError } from '../errors.ts';
import { COMMANDS } from './commands.ts';
import { nearest } from './nearest.ts';
import { optionsOf } from './options.ts';

/** Commands of crash, and what says the same here. */
const CRASH_COMMANDS: Readonly<Record<string, string>> = {
  foreach: 'smelt bt --tasks VMCORE` or `smelt ps VMCORE',
  kmem: 'smelt pages VMCORE',
  log: 'smelt dmesg VMCORE',
  mach: 'smelt info VMCORE',
  mod: 'smelt mods VMCORE',
  rd: 'smelt read --words VMCORE ADDR',
  runq: 'smelt bt --all VMCORE',
  sym: 'smelt symbols VMCORE NAME',
  sys: 'smelt info VMCORE',
  task: 'smelt ps VMCORE [WHO…]` or `smelt bt VMCORE [WHO…]',
};

export function isOfCrash(word: string): boolean {
  return Object.hasOwn(CRASH_COMMANDS, word);
}

/** What to be told or asked: the command of crash, the nearest command, or else the options that have the word in their name. */
export function meant(word: string): string | undefined {
  if (isOfCrash(word)) return `What crash calls ${word} is \`${CRASH_COMMANDS[word]}\`.`;
  // Only a bare word can be a mistyped command.
  if (!/^[a-z-]{3,}$/i.test(word)) return undefined;
  const typed = word.toLowerCase();
  const longs = optionsOf('dump').flatMap(({ long }) => long ?? []);
  const named = longs.filter((long) => long === typed || long.split('-').includes(typed));
  const name = nearest(
    typed,
    COMMANDS.map(({ name }) => name),
  );
  if (name !== undefined && !named.includes(typed)) {
    const { operands } = COMMANDS.find((command) => command.name === name)!;
    return `Did you mean \`smelt ${[name, ...operands].join(' ')}\`?`;
  }
  const long = nearest(typed, longs);
  const options = named.length > 0 ? named : long === undefined ? [] : [long];
  if (options.length === 0) return undefined;
  const names = options.map((each) => `--${each}`);
  const listed = names.length < 2 ? names[0]! : `${names.slice(0, -1).join(', ')} or ${names.at(-1)}`;
  return `Did you mean the option ${listed}?`;
}

/** For a word that is no file either. */
export function noCommand(word: string): SmeltError {
  const names = COMMANDS.map(({ name }) => name).join(', ');
  return new SmeltError('USAGE', `there is no command ${word === '' ? 'with an empty name' : word}`, {
    hint: meant(word) ?? `The commands are ${names}; \`smelt dump --help\` lists the options.`,
  });
}
