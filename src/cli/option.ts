/** What the table of options says of each. */

/** What looks into a dump. */
export const LOOK_NAMES = [
  'info',
  'dmesg',
  'ps',
  'bt',
  'mods',
  'pages',
  'map',
  'read',
  'vtop',
  'symbols',
  'verify',
  'diff',
] as const;
export type LookName = (typeof LOOK_NAMES)[number];

/** The first one is what smelt does when no command is named. */
export const COMMAND_NAMES = ['dump', 'convert', 'salvage', ...LOOK_NAMES, 'sme', 'luks', 'bench'] as const;
export type CommandName = (typeof COMMAND_NAMES)[number];

export const CATEGORIES = {
  look: 'What to look at',
  measure: 'What to measure',
  keep: 'What to keep',
  compress: 'How to compress',
  write: 'Where to write',
  run: 'How to run',
  tell: 'What to tell',
  compatible: 'Compatibility with makedumpfile',
} as const;
export type Category = keyof typeof CATEGORIES;

export interface Option {
  /** The name inside smelt: the long name where there is one, else the letter. */
  readonly key: string;
  readonly long?: string;
  readonly short?: string;
  /** What its value is called in the help; absent: the option takes none. DIR, FILE and what ends in FILE are paths. */
  readonly valueName?: string;
  /** All values that it can have, where they are few words. */
  readonly choices?: readonly string[];
  readonly category: Category;
  /** The commands that take it; absent: every command does. */
  readonly of?: readonly CommandName[];
  /** One line of `--help`, without a full stop. */
  readonly doc: string;
  /** The same for a command to which it means something else. */
  readonly docs?: Partial<Record<CommandName, string>>;
  /** Sentences for a manual. */
  readonly longDoc: string;
  /** Of the options of one group only the last given counts. */
  readonly group?: 'codec' | 'access' | 'messages';
  /** Stands in the short `smelt --help` as well. */
  readonly common?: true;
  /** Checks and converts the text of the value. @throws SmeltError USAGE */
  readonly read?: (text: string) => unknown;
}
