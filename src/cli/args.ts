/** From tokens to a validated request: what is wrong with a command line is said here, in one sentence and a way out. */

import { existsSync } from 'node:fs';
import { Parser } from 'yargs/helpers';
import type { CodecName } from '../codec/codec.ts';
import { levelRange } from '../codec/levels.ts';
import { SmeltError } from '../errors.ts';
import type { DumpRequest, InputRequest } from '../workers/report.ts';
import { DEFAULT_COMMAND } from './commands.ts';
import { isOfCrash, meant, noCommand } from './mistyped.ts';
import { nearest } from './nearest.ts';
import type { CommandName, Option } from './option.ts';
import {
  ALL_OPTIONS,
  belongsTo,
  CODEC_OF_LETTER,
  codecLetters,
  type OptionKey,
  type OptionValues,
  optionsOf,
} from './options.ts';
import { outputsOf, splitOperands } from './output-args.ts';
import { findRefused, type Refused } from './refused.ts';
import { retyped, type Token } from './tokens.ts';

/** What was typed, by the table's keys: nothing is checked but that the options exist and have values. */
export interface RawArgs {
  readonly options: { readonly [K in OptionKey]?: string | true };
  readonly operands: readonly string[];
  /** All of it, for a shell. */
  readonly line: string;
}

const helpHint = (command: CommandName): string => `\`smelt ${command} --help\` lists the options.`;

const flags = ALL_OPTIONS.filter(({ valueName }) => valueName === undefined).map(({ key }) => key);
const values = ALL_OPTIONS.filter(({ valueName }) => valueName !== undefined).map(({ key }) => key);

/** The parser of yargs by itself: what the rest of yargs does for a command line is done here, and takes 30 ms to load. */
const PARSING = {
  boolean: flags,
  string: values,
  narg: Object.fromEntries(values.map((key) => [key, 1])),
  configuration: {
    'boolean-negation': false,
    'camel-case-expansion': false,
    'dot-notation': false,
    'duplicate-arguments-array': false,
    'nargs-eats-options': true,
    'parse-numbers': false,
    'parse-positional-numbers': false,
    'populate--': true,
    'short-option-groups': false,
  },
};

/** @throws SmeltError USAGE for options that do not exist, are another command's, or lack a value */
export function parseRaw(tokens: readonly Token[], command: CommandName): RawArgs {
  for (const token of tokens) refuseBadToken(token, command);
  const words = tokens.filter((token) => !isOverruled(token, tokens)).flatMap(toWord);
  const operands = tokens.flatMap((token) => (token.kind === 'operand' ? [token.text] : []));
  const parsed = Parser([...words, '--', ...operands], PARSING);
  const options = ALL_OPTIONS.flatMap(({ key }) => (parsed[key] === undefined ? [] : [[key, parsed[key]]]));
  return {
    options: Object.fromEntries(options),
    operands: (parsed['--'] as string[] | undefined) ?? [],
    line: retyped(command === DEFAULT_COMMAND.name ? 'smelt' : `smelt ${command}`, tokens),
  };
}

/** The plain form that yargs reads without guessing. (Out of `--key=value` it would take the quotes.) */
function toWord(token: Token): string[] {
  if (token.kind !== 'option') return [];
  return token.value === undefined ? [`--${token.key}`] : [`--${token.key}`, token.value];
}

/** Whether a later option of the same group takes this one's place. */
function isOverruled(token: Token, tokens: readonly Token[]): boolean {
  if (token.kind !== 'option' || token.option.group === undefined) return false;
  const { group } = token.option;
  return tokens.findLast((other) => other.kind === 'option' && other.option.group === group) !== token;
}

function refuseBadToken(token: Token, command: CommandName): void {
  switch (token.kind) {
    case 'operand':
      return;
    case 'unknown':
      throw unknownOption(token.name, command);
    case 'ambiguous':
      throw new SmeltError('USAGE', `${token.name} may be ${orListed(token.candidates)}`, {
        hint: 'Write enough of it to tell.',
      });
    case 'no value':
      throw new SmeltError('USAGE', `${token.name} needs a value`, {
        hint: `Write it behind the option: ${token.name} ${token.option.valueName}.`,
      });
    case 'needless value':
      throw new SmeltError('USAGE', `${token.name} takes no value`, { hint: `Write ${token.name} alone.` });
    case 'option':
      if (!belongsTo(token.option, command)) throw foreignOption(token.option, command);
  }
}

function nameOf({ long, short }: Option): string {
  return long === undefined ? `-${short}` : `--${long}`;
}

function foreignOption(option: Option, command: CommandName): SmeltError {
  const name = nameOf(option);
  const refused = findRefused(name);
  if (refused !== undefined) return refusedOption(refused, command);
  return new SmeltError(
    'USAGE',
    `${name} is no option of smelt ${command} but of smelt ${listed(option.of ?? [])}`,
    {
      hint: helpHint(command),
    },
  );
}

/** Many are not listed. */
const MOST_LISTED = 4;

/** "dump", "dump and sme", "dump, sme and bench", "dump, convert, salvage and others" */
function listed(all: readonly string[]): string {
  const words = all.length > MOST_LISTED ? [...all.slice(0, MOST_LISTED - 1), 'others'] : all;
  const last = words.at(-1) ?? '';
  return words.length < 2 ? last : `${words.slice(0, -1).join(', ')} and ${last}`;
}

/** "--a or --b", "--a, --b or --c" */
function orListed(words: readonly string[]): string {
  return `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`;
}

function refusedOption({ name, instead }: Refused, command: CommandName): SmeltError {
  return new SmeltError('USAGE', `${name} is an option of makedumpfile that smelt does not have`, {
    hint: instead ?? helpHint(command),
  });
}

function unknownOption(name: string, command: CommandName): SmeltError {
  const refused = findRefused(name);
  if (refused !== undefined) return refusedOption(refused, command);
  const meant = nearestOption(name, command);
  return new SmeltError('USAGE', `there is no option ${name}`, {
    hint: meant === undefined ? helpHint(command) : `Did you mean ${meant}? ${helpHint(command)}`,
  });
}

function nearestOption(name: string, command: CommandName): string | undefined {
  const options = optionsOf(command);
  const letters = options.flatMap(({ short }) => short ?? []);
  if (/^-.$/.test(name)) {
    const letter = letters.find((known) => known.toLowerCase() === name[1].toLowerCase());
    return letter === undefined ? undefined : `-${letter}`;
  }
  const bare = name.replace(/^-+/, '');
  if (letters.includes(bare)) return `-${bare}`;
  const long = nearest(
    bare,
    options.flatMap(({ long }) => long ?? []),
  );
  return long === undefined ? undefined : `--${long}`;
}

/** @throws SmeltError USAGE */
export function toDumpRequest(raw: RawArgs): DumpRequest {
  const values = readValues(raw);
  const dryRun = values['dry-run'] ?? false;
  const { operands, moreOutputs } = splitOperands(values, raw);
  const { output, ...inputs } = operandsOf(operands, raw.line, dryRun, values.F === true);
  if (dryRun && values.dedup) {
    throw new SmeltError(
      'USAGE',
      '--dedup cannot be estimated: a sample does not show which pages are the same',
      {
        hint: 'Leave out --dedup or --dry-run.',
      },
    );
  }
  if (values['require-encrypted-target'] && output === undefined && !values.F) {
    throw new SmeltError('USAGE', '--require-encrypted-target needs DUMPFILE, to look at what that is on', {
      hint: 'Name it also for a dry run: nothing is written there.',
    });
  }
  const saveDmesg = values['save-dmesg'];
  if (dryRun && saveDmesg !== undefined) {
    throw new SmeltError('USAGE', '--save-dmesg writes a file, and --dry-run writes nothing', {
      hint: 'Leave out one of them.',
    });
  }
  if (values.config !== undefined && values.x === undefined) {
    throw new SmeltError(
      'USAGE',
      '--config names kernel data, and nothing says where they are: -x is missing',
      {
        hint: 'Add -x VMLINUX, the kernel with debug information.',
      },
    );
  }
  if (saveDmesg === '-') {
    throw new SmeltError('USAGE', '--save-dmesg writes a file that has a name, and not to standard output', {
      hint: '`smelt --dump-dmesg VMCORE -` shows the log; a file that is called - is ./-.',
    });
  }
  if (values['partial-dmesg'] && saveDmesg === undefined) {
    throw new SmeltError('USAGE', '--partial-dmesg is about the kernel log, and none is asked for', {
      hint: 'Add --save-dmesg LOGFILE, or --dump-dmesg for the log alone.',
    });
  }
  const codec = codecOf(values);
  checkCompression(codec, values);
  return {
    ...inputs,
    ...outputsOf(values, output, moreOutputs),
    dryRun,
    dedup: values.dedup ?? false,
    codec,
    compressionLevel: values['compression-level'],
    codecMaker: values['codec-maker'],
    ...accessOf(values),
    overwrite: values.f ?? false,
    keepIncomplete: values['keep-incomplete'] ?? false,
    strict: values.strict ?? false,
    excludeShared: values['exclude-shared'] ?? false,
    allowCiphertext: values['allow-ciphertext'] ?? false,
    requireEncryptedTarget: values['require-encrypted-target'] ?? false,
    saveDmesg,
    eraseConfig: values.config,
    partialDmesg: values['partial-dmesg'] ?? false,
    vtop: values.vtop,
    workDir: values['work-dir'],
    splitblockBytes: values['splitblock-size'],
  };
}

/** How the input is looked at. @throws SmeltError USAGE */
export function accessOf(values: OptionValues): Omit<InputRequest, 'input' | 'moreParts'> {
  if (values.i !== undefined && values.x !== undefined) {
    throw new SmeltError('USAGE', '-i and -x give the same, and one of them is enough', {
      hint: 'Leave out -i: a vmlinux says all that a VMCOREINFO file made of it says.',
    });
  }
  return {
    threads: values['num-threads'],
    mmap: values.mmap ? true : values['non-mmap'] ? false : undefined,
    smeMask: values['sme-mask'],
    vmcoreinfoFile: values.i,
    vmlinuxFile: values.x,
  };
}

/** The whole way for `smelt dump`. @throws SmeltError USAGE */
export function parseDump(tokens: readonly Token[]): DumpRequest {
  return toDumpRequest(parseRaw(tokens, 'dump'));
}

/** And for `smelt convert`. @throws SmeltError USAGE */
export function parseConvert(tokens: readonly Token[]): DumpRequest {
  const raw = parseRaw(tokens, 'convert');
  if (raw.options.to !== undefined) return toDumpRequest(raw);
  throw new SmeltError('USAGE', 'smelt convert needs the format that is to be written', {
    hint: 'Add --to kdump, --to elf, --to raw or --to lime.',
  });
}

/** What says how a dump is made: scripts call for other work, too, with all options of their dump collector, and makedumpfile lets them. */
export const OF_COLLECTORS: readonly OptionKey[] = [
  'check-params',
  'dump-level',
  'z',
  'c',
  'l',
  'p',
  'L',
  'num-threads',
  'mmap',
  'non-mmap',
  'vtop',
  'work-dir',
  'splitblock-size',
  'cyclic-buffer',
  'non-cyclic',
  'b',
];

/** Where pages are taken as they are, who asks for other ones is to know: sentences. */
export function unheeded(raw: RawArgs, mode: string): string[] {
  return (['dump-level', 'z', 'c', 'l', 'p'] as const)
    .filter((key) => raw.options[key] !== undefined)
    .map(
      (key) =>
        `${key === 'dump-level' ? '-d' : `-${key}`} changes nothing: ${mode} writes every page as it is`,
    );
}

/** The first option that means nothing here, as it is typed; what every command takes always means something. */
export function foreignTo(raw: RawArgs, wanted: readonly OptionKey[]): string | undefined {
  const foreign = optionsOf('dump').find(
    ({ key, of }) => of !== undefined && raw.options[key] !== undefined && !wanted.includes(key),
  );
  return foreign && (foreign.long === undefined ? `-${foreign.short}` : `--${foreign.long}`);
}

export function readValues(raw: RawArgs): OptionValues {
  const values = ALL_OPTIONS.flatMap(({ key, read }) => {
    const text = raw.options[key];
    if (text === undefined) return [];
    return [[key, typeof text === 'string' && read !== undefined ? read(text) : text]];
  });
  return Object.fromEntries(values);
}

export function codecOf(values: OptionValues): CodecName | undefined {
  for (const [letter, name] of Object.entries(CODEC_OF_LETTER)) {
    if (values[letter as keyof typeof CODEC_OF_LETTER]) return name;
  }
  return undefined;
}

export function checkCompression(codec: CodecName | undefined, values: OptionValues): void {
  const level = values['compression-level'];
  const maker = values['codec-maker'];
  if (codec === undefined) {
    if (level !== undefined) throw needsCodec(`--compression-level ${level}`, codecLetters(['zstd', 'zlib']));
    if (maker !== undefined) throw needsCodec(`--codec-maker ${maker}`, codecLetters());
    return;
  }
  if (level === undefined) return;
  const widest = levelRange(codec);
  const range = levelRange(codec, maker);
  if (widest === undefined || range === undefined) {
    throw new SmeltError('USAGE', `--compression-level ${level}: ${codec} has no levels`, {
      hint: `Leave it out, or take ${codecLetters(['zstd', 'zlib'])}.`,
    });
  }
  if (level >= range.least && level <= range.most) return;
  const onlyNative = level <= widest.most;
  throw new SmeltError(
    'USAGE',
    `--compression-level ${level}: ${onlyNative ? `the ${maker} ${codec}` : codec} has levels ${range.least} to ${range.most}`,
    {
      hint: onlyNative
        ? `Levels ${range.most + 1} to ${widest.most} need --codec-maker native.`
        : `Level ${range.most} is the smallest and slowest.`,
    },
  );
}

function needsCodec(what: string, letters: string): SmeltError {
  return new SmeltError('USAGE', `${what}: no compression is asked for`, { hint: `Add ${letters}.` });
}

const EMPTY_NAME = 'A variable may be unset in the script that runs smelt.';

/** VMCORE, or the parts of one that was split. */
export type Inputs = Pick<InputRequest, 'input' | 'moreParts'>;

export function inputsOf([input, ...moreParts]: readonly string[]): Inputs {
  return { input: input!, moreParts: moreParts.length > 0 ? moreParts : undefined };
}

/** The last one is DUMPFILE, which may be missing of a dry run of a VMCORE in one piece, and is with -F. */
function operandsOf(
  operands: readonly string[],
  line: string,
  dryRun: boolean,
  inputsAlone: boolean,
): Inputs & { readonly output: string | undefined } {
  const [input] = operands;
  if (operands.length === 0) {
    throw new SmeltError('USAGE', 'no files are given: smelt needs VMCORE to read and DUMPFILE to write', {
      hint: '`smelt --help` has examples.',
    });
  }
  // A single word may be a file with a name like a command's.
  const isNoFile = operands.length !== 2 || isOfCrash(input);
  if (isNoFile && !existsSync(input) && meant(input) !== undefined) throw noCommand(input);
  if (operands.length === 1 && !dryRun && !inputsAlone) {
    throw new SmeltError('USAGE', `one file is given, ${quote(input)}, and DUMPFILE is missing`, {
      hint: input === '' ? EMPTY_NAME : `Name the file to write: ${line} DUMPFILE`,
    });
  }
  if (operands.includes('-')) {
    throw new SmeltError('USAGE', 'a dump is not read from stdin, nor written to stdout by this name', {
      hint: '-F writes it to stdout: smelt -F VMCORE > DUMPFILE. A file that is called - is ./-.',
    });
  }
  const output = operands.length === 1 || inputsAlone ? undefined : operands.at(-1);
  const inputs = output === undefined ? operands : operands.slice(0, -1);
  if (operands.includes('')) {
    throw new SmeltError('USAGE', `the name of ${inputs.includes('') ? 'VMCORE' : 'DUMPFILE'} is empty`, {
      hint: EMPTY_NAME,
    });
  }
  return { ...inputsOf(inputs), output };
}

function quote(text: string): string {
  return text === '' ? 'with an empty name' : text;
}
