/** Cuts a command line into options with their values and operands, the way getopt_long does. It never fails: what is wrong is a token too. */

import type { CommandName, Option } from './option.ts';
import { ALL_OPTIONS, type OptionKey, optionsOf } from './options.ts';
import { REFUSED_NAMES } from './refused.ts';

export type Token = Kind & {
  /** The words of the command line that it is made of; of letters that stand together the first one has them. */
  readonly typed: readonly string[];
};

type Kind =
  | {
      readonly kind: 'option';
      readonly key: OptionKey;
      readonly option: Option;
      readonly value: string | undefined;
    }
  /** `commandPossible`: it stands before `--`, so that it may be a command's name. */
  | { readonly kind: 'operand'; readonly text: string; readonly commandPossible: boolean }
  /** As typed and without its value: "--dmup-level", "-Q". */
  | { readonly kind: 'unknown'; readonly name: string }
  /** The beginning of several names. */
  | { readonly kind: 'ambiguous'; readonly name: string; readonly candidates: readonly string[] }
  | { readonly kind: 'no value'; readonly name: string; readonly option: Option }
  | { readonly kind: 'needless value'; readonly name: string };

const byLong = new Map(
  ALL_OPTIONS.flatMap((option) => (option.long === undefined ? [] : [[option.long, option]])),
);
const byShort = new Map(
  ALL_OPTIONS.flatMap((option) => (option.short === undefined ? [] : [[option.short, option]])),
);

/** What a shortened long name may stand for, in that command: with the dashes. Options that are refused count, or a prefix would change its meaning. */
function startingWith(name: string, command: CommandName): string[] {
  const refused = command === 'dump' ? REFUSED_NAMES : [];
  const longs = optionsOf(command).flatMap(({ long }) => (long === undefined ? [] : [`--${long}`]));
  return [...longs, ...refused].filter((long) => long.startsWith(name)).sort();
}

/** @param command whose long options may be shortened, to as much as no other of them begins with */
export function tokenise(argv: readonly string[], command: CommandName = 'dump'): Token[] {
  const tokens: Token[] = [];
  let index = 0;
  let begin = 0;
  const add = (kind: Kind): void => {
    tokens.push({ ...kind, typed: argv.slice(begin, index) });
    begin = index;
  };
  const nextWord = (): string | undefined => argv[index++];

  const long = (word: string): Kind => {
    const equals = word.indexOf('=');
    const typed = equals < 0 ? word : word.slice(0, equals);
    const exact = byLong.has(typed.slice(2));
    const candidates = exact ? [typed] : startingWith(typed, command);
    if (candidates.length > 1) return { kind: 'ambiguous', name: typed, candidates };
    const [name = typed] = candidates;
    const option = byLong.get(name.slice(2));
    if (option === undefined) return { kind: 'unknown', name };
    if (option.valueName === undefined) {
      if (equals >= 0) return { kind: 'needless value', name };
      return { kind: 'option', key: option.key, option, value: undefined };
    }
    const value = equals < 0 ? nextWord() : word.slice(equals + 1);
    return value === undefined
      ? { kind: 'no value', name, option }
      : { kind: 'option', key: option.key, option, value };
  };

  /** "-zfd31" is -z, -f and -d 31: a letter that takes a value takes the rest, or the next word when there is no rest. */
  const cluster = (word: string): void => {
    for (let at = 1; at < word.length; at++) {
      const name = `-${word[at]}`;
      const option = byShort.get(word[at]);
      // What follows an unknown letter may be its value or more letters: nobody knows.
      if (option === undefined) {
        add({ kind: 'unknown', name });
        return;
      }
      if (option.valueName === undefined) {
        add({ kind: 'option', key: option.key, option, value: undefined });
        continue;
      }
      const value = at + 1 < word.length ? word.slice(at + 1) : nextWord();
      if (value === undefined) add({ kind: 'no value', name, option });
      else add({ kind: 'option', key: option.key, option, value });
      return;
    }
  };

  for (let word = nextWord(); word !== undefined; word = nextWord()) {
    if (word === '--') break;
    if (word.startsWith('--')) add(long(word));
    else if (!word.startsWith('-') || word === '-')
      add({ kind: 'operand', text: word, commandPossible: true });
    // "-quiet" would be taken for -q -u -i et: it is a long name with a dash too few.
    else if (byLong.has(word.slice(1).split('=')[0])) add({ kind: 'unknown', name: word.split('=')[0] });
    else cluster(word);
  }
  while (index < argv.length) add({ kind: 'operand', text: argv[index++]!, commandPossible: false });
  return tokens;
}

/** The command line again, for a shell. */
export function retyped(command: string, tokens: readonly Token[]): string {
  return [command, ...tokens.flatMap(({ typed }) => typed)].map(shellWord).join(' ');
}

function shellWord(word: string, index: number): string {
  return index === 0 || /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** Whether the option was given. */
export function given(tokens: readonly Token[], key: OptionKey): boolean {
  return tokens.some((token) => token.kind === 'option' && token.key === key);
}

/** The text of its value, as it was given last. */
export function givenValue(tokens: readonly Token[], key: OptionKey): string | undefined {
  const last = tokens.findLast((token) => token.kind === 'option' && token.key === key);
  return last?.kind === 'option' ? last.value : undefined;
}
