/** `smelt --help` on one screen and `smelt dump --help` with every option, both made from the tables. */

import { COMMANDS } from './commands.ts';
import { ALL_OPTIONS, CATEGORIES, type Category, type Option } from './options.ts';

const SPELLING_WIDTH = 28;

const EXAMPLES: readonly (readonly [command: string, what: string])[] = [
  ['smelt -l -d 31 /proc/vmcore /var/crash/vmcore', 'in the kdump kernel'],
  ['smelt -z -d 31 vmcore small', 'a dump to send away'],
  ['smelt -c -d 1 --num-threads 8 vmcore whole', 'all but zero pages'],
];

function examples(): string[] {
  const width = Math.max(...EXAMPLES.map(([command]) => command.length));
  return EXAMPLES.map(([command, what]) => `  ${command.padEnd(width)}  ${what}`);
}

/** "  -d, --dump-level LEVEL"; options without a letter line up behind those with one. */
function spelling(option: Option): string {
  const short =
    option.short === undefined ? '    ' : `-${option.short}${option.long === undefined ? '' : ', '}`;
  const long = option.long === undefined ? '' : `--${option.long}`;
  return `  ${short}${long}${option.valueName === undefined ? '' : ` ${option.valueName}`}`;
}

function row(option: Option): string {
  return `${spelling(option).padEnd(SPELLING_WIDTH)} ${option.doc}`;
}

/** At most 24 lines of at most 80 columns. */
export function shortHelp(version: string): string {
  const lines = [
    `smelt ${version}: filters, compresses and writes Linux vmcores`,
    '',
    'Usage: smelt [OPTIONS] VMCORE DUMPFILE',
    '',
    'Commands',
    ...COMMANDS.map(({ name, doc }) => `  ${name.padEnd(SPELLING_WIDTH - 2)} ${doc}`),
    '',
    'Options used most',
    ...ALL_OPTIONS.filter(({ common }) => common).map(row),
    '',
    'Examples',
    ...examples(),
    '',
    '`smelt dump --help` lists every option.',
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

/** Every option by purpose, one line each, at most 80 columns. */
export function dumpHelp(): string {
  const categories = Object.entries(CATEGORIES).flatMap(([category, title]) => [
    '',
    title,
    ...ALL_OPTIONS.filter((option) => option.category === category).map(row),
    ...(AFTER[category as Category] ?? []),
  ]);
  const lines = [
    'Usage: smelt [dump] [OPTIONS] VMCORE DUMPFILE',
    '',
    'Reads VMCORE (/proc/vmcore, an ELF or a kdump-compressed dump) and writes',
    'DUMPFILE (kdump-compressed) without the pages that nobody needs.',
    ...categories,
    '',
    'Examples',
    ...examples(),
    '',
    'Exit codes: 0 done, 1 failed or interrupted, 2 VMCOREINFO of another kernel,',
    '130 stopped at once by a second Ctrl-C.',
  ];
  return `${lines.join('\n')}\n`;
}
