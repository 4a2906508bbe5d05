/** `smelt --help` on one screen and `smelt COMMAND --help` with every option, both made from the tables. */

import { COMMANDS, type Command, DEFAULT_COMMAND, DUMP_EXAMPLES, type Example } from './commands.ts';
import { CATEGORIES, type Category, LOOK_NAMES, type Option } from './option.ts';
import { ALL_OPTIONS, docOf, optionsOf } from './options.ts';

const SPELLING_WIDTH = 28;

function exampleLines(examples: readonly Example[]): string[] {
  const width = Math.max(...examples.map(([command]) => command.length));
  return examples.map(([command, what]) => `  ${command.padEnd(width)}  ${what}`);
}

/** "  -d, --dump-level LEVEL"; options without a letter line up behind those with one. */
function spelling(option: Option): string {
  const short =
    option.short === undefined ? '    ' : `-${option.short}${option.long === undefined ? '' : ', '}`;
  const long = option.long === undefined ? '' : `--${option.long}`;
  return `  ${short}${long}${option.valueName === undefined ? '' : ` ${option.valueName}`}`;
}

function row(option: Option, { name }: Command = DEFAULT_COMMAND): string {
  return `${spelling(option).padEnd(SPELLING_WIDTH)} ${docOf(option, name)}`;
}

/** At most 24 lines of at most 80 columns. */
export function shortHelp(version: string): string {
  const lines = [
    `smelt ${version}: filters, compresses and writes Linux vmcores`,
    '',
    'Usage: smelt [OPTIONS] VMCORE DUMPFILE',
    '',
    'Commands',
    ...COMMANDS.filter(({ common }) => common).map(
      ({ name, doc }) => `  ${name.padEnd(SPELLING_WIDTH - 2)} ${doc}`,
    ),
    `  ${COMMANDS.filter(({ common }) => !common)
      .map(({ name }) => name)
      .join(', ')}`,
    '',
    'Options used most',
    ...ALL_OPTIONS.filter(({ common }) => common).map((option) => row(option)),
    '',
    'Examples',
    ...exampleLines(DUMP_EXAMPLES.slice(0, 2)),
    '`smelt COMMAND --help` has the options of each; what it takes is mostly VMCORE.',
  ];
  return `${lines.join('\n')}\n`;
}

/** Every option of a command, one line each, at most 80 columns: by purpose for the default command, on one screen for others. */
export function commandHelp(command: Command): string {
  const { usage, about, examples, end } = command.help;
  const lines = [
    `Usage: ${usage}`,
    '',
    ...about,
    ...(command === DEFAULT_COMMAND ? byPurpose(command) : ['', ...list(command)]),
    '',
    'Examples',
    ...exampleLines(examples),
    ...(end.length > 0 ? ['', ...end] : []),
  ];
  return `${lines.join('\n')}\n`;
}

/** Lines that explain a whole category, below its options. */
const AFTER: Partial<Record<Category, readonly string[]>> = {
  keep: [
    '',
    '  LEVEL is the sum of the pages to leave out: 1 zero pages, 2 page cache,',
    '  4 page cache with private data too, 8 user data, 16 free pages.',
  ],
  compress: ['', '  Without a letter pages are stored as they are; of several the last counts.'],
};

function byPurpose(command: Command): string[] {
  return Object.entries(CATEGORIES).flatMap(([category, title]) => {
    const options = optionsOf(command.name).filter((option) => option.category === category);
    if (options.length === 0) return [];
    return [
      '',
      title,
      ...options.map((option) => row(option, command)),
      ...(AFTER[category as Category] ?? []),
    ];
  });
}

/** The codecs' letters in one line, and of what every command takes only the names but for --json. */
function list(command: Command): string[] {
  const own = optionsOf(command.name).filter(({ of, key }) => of !== undefined || key === 'json');
  const letters = own.filter(({ group }) => group === 'codec').map(({ short }) => `-${short}`);
  const inOrder = Object.keys(CATEGORIES).flatMap((category) =>
    own.filter((option) => option.category === category),
  );
  const isLook = (LOOK_NAMES as readonly string[]).includes(command.name);
  const rows = inOrder.flatMap((option) => {
    // What looks into a dump has no need to choose: a screen has room for little.
    if (isLook && option.group === 'access') return [];
    if (option.group !== 'codec') return [row(option, command)];
    if (`-${option.short}` !== letters[0]) return [];
    const standard = command.name === 'bench' ? ' (default)' : '';
    return [`${`  ${letters.join(', ')}`.padEnd(SPELLING_WIDTH)} zstd${standard}, zlib, lzo, snappy`];
  });
  const access = isLook ? '--mmap, --non-mmap, ' : '';
  return [...rows, `  ${access}--quiet, --message-level, --debug: see \`smelt dump --help\``];
}
