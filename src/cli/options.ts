/** The one table of options: the parser, `--help` and whatever else lists options are made from it. */

import { CODEC_NAMES, type CodecName, MAKER_KINDS, type MakerKind } from '../codec/codec.ts';
import { levelRange } from '../codec/levels.ts';
import { SmeltError } from '../errors.ts';
import { MAX_DUMP_LEVEL } from '../filter/page-class.ts';
import { isWholeNumber, quoted, readName, readSize, wholeNumber } from './values.ts';

/** The first one is what smelt does when no command is named. */
export const COMMAND_NAMES = ['dump', 'bench'] as const;
export type CommandName = (typeof COMMAND_NAMES)[number];

export const CATEGORIES = {
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
  /** What its value is called in the help; absent: the option takes none. */
  readonly valueName?: string;
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

/** Bits of --message-level, as makedumpfile(8) numbers them. */
export const MessageLevel = { progress: 1, common: 2, error: 4, debug: 8, report: 16 } as const;
export const DEFAULT_MESSAGE_LEVEL = MessageLevel.progress | MessageLevel.common | MessageLevel.error;

const MAX_THREADS = 4096;
const MAX_ROUNDS = 1000;
const MAX_SEED = 999_999_999;
const MIN_SYNTHETIC = '1G';
const MAX_SYNTHETIC = '16T';
const SME_MASK_BITS = { least: 32, most: 51 } as const;

function readDumpLevel(text: string): number {
  if (isWholeNumber(text, 0, MAX_DUMP_LEVEL)) return Number(text);
  const levels = text.split(',');
  const first = levels.find((level) => isWholeNumber(level, 0, MAX_DUMP_LEVEL));
  const hint =
    levels.length > 1 && first !== undefined
      ? `Give one of them alone, the one to filter with: -d ${first}.`
      : 'Add up what to leave out: 1 zero pages, 2 page cache, 4 private cache too, 8 user data, 16 free pages; -d 31 is all of them.';
  throw new SmeltError(
    'USAGE',
    `-d ${quoted(text)}: a dump level is one number from 0 to ${MAX_DUMP_LEVEL}`,
    {
      hint,
    },
  );
}

function readSmeMask(text: string): bigint {
  const mask = /^(0[xX][0-9a-fA-F]{1,16}|[0-9]{1,20})$/.test(text) ? BigInt(text) : 0n;
  for (let bit = SME_MASK_BITS.least; bit <= SME_MASK_BITS.most; bit++)
    if (mask === 1n << BigInt(bit)) return mask;
  throw new SmeltError(
    'USAGE',
    `--sme-mask ${quoted(text)}: the mask is a number with exactly one bit set, from bit ${SME_MASK_BITS.least} to bit ${SME_MASK_BITS.most}`,
    { hint: 'Bit 47 is 0x800000000000, bit 51 is 0x8000000000000.' },
  );
}

function readMakerKind(text: string): MakerKind {
  const kind = MAKER_KINDS.find((known) => known === text);
  if (kind !== undefined) return kind;
  throw new SmeltError('USAGE', `--codec-maker ${quoted(text)}: a maker is ${MAKER_KINDS.join(' or ')}`, {
    hint: 'Without the option smelt takes the native one where it is installed.',
  });
}

/** Of any codec; whether this one has it is asked when the codec is known. */
const HIGHEST_LEVEL = Math.max(...CODEC_NAMES.map((name) => levelRange(name)?.most ?? 0));

export const OPTIONS = [
  {
    key: 'dump-level',
    long: 'dump-level',
    short: 'd',
    valueName: 'LEVEL',
    category: 'keep',
    of: ['dump', 'bench'],
    common: true,
    doc: 'pages to leave out: 0 none to 31 all (default 0)',
    docs: { bench: 'pages to leave out: 0 none to 31 all (default 31)' },
    longDoc:
      'The sum of what to leave out: 1 zero pages, 2 page cache without private data, 4 all page cache, 8 user data, 16 free pages. ' +
      'Pages that are offline or broken (hwpoison) are left out at any level. The default is 0.',
    read: readDumpLevel,
  },
  {
    key: 'strict',
    long: 'strict',
    category: 'keep',
    of: ['dump'],
    doc: 'fail where the memory map cannot be read at all',
    longDoc:
      'Without this option everything but pages of zeros is dumped then, with a warning, because a dump that is too big beats none. Single pages that cannot be classified are kept and counted in any case.',
  },
  {
    key: 'i',
    short: 'i',
    valueName: 'VMCOREINFO',
    category: 'keep',
    of: ['dump', 'bench'],
    doc: 'read VMCOREINFO from this file (text lines)',
    longDoc:
      'For dumps that have no VMCOREINFO of their own. Exit code 2 says that the file belongs to another kernel.',
    read: readName('-i', 'VMCOREINFO'),
  },
  {
    key: 'sme-mask',
    long: 'sme-mask',
    valueName: 'MASK',
    category: 'keep',
    of: ['dump', 'bench'],
    doc: 'encryption bit of page-table entries, 0x or decimal',
    longDoc:
      'Overrides what VMCOREINFO says (sme_mask). Hexadecimal with 0x or decimal; exactly one bit, 32 to 51.',
    read: readSmeMask,
  },
  {
    key: 'z',
    short: 'z',
    category: 'compress',
    of: ['dump', 'bench'],
    group: 'codec',
    common: true,
    doc: 'zstd: quick, small dumps',
    longDoc: 'Compress each page with zstd. Of -z, -c, -l and -p the last one given counts.',
  },
  {
    key: 'c',
    short: 'c',
    category: 'compress',
    of: ['dump', 'bench'],
    group: 'codec',
    doc: 'zlib: every reader knows it',
    longDoc: 'Compress each page with zlib. Of -z, -c, -l and -p the last one given counts.',
  },
  {
    key: 'l',
    short: 'l',
    category: 'compress',
    of: ['dump', 'bench'],
    group: 'codec',
    common: true,
    doc: 'lzo: quick, larger dumps',
    longDoc: 'Compress each page with lzo. Of -z, -c, -l and -p the last one given counts.',
  },
  {
    key: 'p',
    short: 'p',
    category: 'compress',
    of: ['dump', 'bench'],
    group: 'codec',
    doc: 'snappy',
    longDoc: 'Compress each page with snappy. Of -z, -c, -l and -p the last one given counts.',
  },
  {
    key: 'compression-level',
    long: 'compression-level',
    valueName: 'N',
    category: 'compress',
    of: ['dump', 'bench'],
    doc: 'zstd 1 to 19, zlib 1 to 12 (default 1)',
    longDoc:
      'Higher is smaller and slower. zlib 10 to 12 need the native maker (libdeflate). lzo and snappy have no level.',
    read: wholeNumber('--compression-level', 'a compression level', 1, HIGHEST_LEVEL),
  },
  {
    key: 'codec-maker',
    long: 'codec-maker',
    valueName: 'KIND',
    category: 'compress',
    of: ['dump'],
    doc: 'native (system library) or portable (in smelt)',
    longDoc: 'Without it smelt takes the native one where it is installed. The summary says which one ran.',
    read: readMakerKind,
  },
  {
    key: 'dedup',
    long: 'dedup',
    category: 'compress',
    of: ['dump'],
    doc: 'store identical pages once',
    longDoc:
      'A page whose bytes were stored before gets a descriptor that points there, after both were compared byte by byte. Takes up to 16 MiB of memory. The summary says what it saved and what it cost.',
  },
  {
    key: 'f',
    short: 'f',
    category: 'write',
    of: ['dump', 'bench'],
    common: true,
    doc: 'overwrite DUMPFILE when it exists',
    docs: { bench: 'overwrite FILE.svg when it exists' },
    longDoc: 'Without it a DUMPFILE that exists is left alone and smelt fails.',
  },
  {
    key: 'keep-incomplete',
    long: 'keep-incomplete',
    category: 'write',
    of: ['dump'],
    doc: 'keep DUMPFILE.incomplete when interrupted',
    longDoc:
      'Without it nothing is left of a dump that was interrupted. A dump that failed to be written is always left, as DUMPFILE.incomplete.',
  },
  {
    key: 'synthetic',
    long: 'synthetic',
    valueName: 'SIZE',
    category: 'measure',
    of: ['bench'],
    doc: 'measure a made-up dump of 1G to 16T of RAM',
    longDoc:
      'Writes a sparse vmcore of a machine with this much memory (K, M, G, T: powers of 1024) into the work directory, measures it and removes it. With VMCORE it is written there and stays.',
    read: readSize('--synthetic', MIN_SYNTHETIC, MAX_SYNTHETIC),
  },
  {
    key: 'seed',
    long: 'seed',
    valueName: 'N',
    category: 'measure',
    of: ['bench'],
    doc: 'of the content that --synthetic makes up',
    longDoc: 'The same seed makes the same dump.',
    read: wholeNumber('--seed', 'a seed', 0, MAX_SEED, 'bench'),
  },
  {
    key: 'peer',
    long: 'peer',
    valueName: 'PROGRAM',
    category: 'measure',
    of: ['bench'],
    doc: 'run makedumpfile in turns with smelt, and compare',
    longDoc:
      'Both run as whole processes on the same dump, by turns, with the same codec, level and threads. The kept pages of both are compared once.',
    read: readName('--peer', 'PROGRAM'),
  },
  {
    key: 'peer-threads',
    long: 'peer-threads',
    valueName: 'N',
    category: 'measure',
    of: ['bench'],
    doc: 'threads of PROGRAM (default: as many as smelt)',
    longDoc:
      'With 0 PROGRAM is run without --num-threads. Threads of makedumpfile wait by spinning: where CPUs are few it is often faster without.',
    read: wholeNumber('--peer-threads', 'the number of threads', 0, MAX_THREADS, 'bench'),
  },
  {
    key: 'dry-run',
    long: 'dry-run',
    category: 'run',
    of: ['dump', 'bench'],
    doc: 'estimate only; DUMPFILE may be left out',
    docs: { bench: 'with --peer: both write nothing' },
    longDoc:
      'Says what a dump would come to, and writes nothing. What depends on contents (sizes, pages of zeros) is estimated by a sample, which cannot say what --dedup would save.',
  },
  {
    key: 'rounds',
    long: 'rounds',
    valueName: 'N',
    category: 'measure',
    of: ['bench'],
    doc: 'times to measure, after a warm-up (default 5)',
    longDoc:
      'The median is shown, and the least and the most in parentheses. With 0 nothing is measured: --synthetic only makes VMCORE.',
    read: wholeNumber('--rounds', 'the number of rounds', 0, MAX_ROUNDS, 'bench'),
  },
  {
    key: 'chart',
    long: 'chart',
    valueName: 'FILE.svg',
    category: 'write',
    of: ['bench'],
    doc: 'draw time against size, by codec, level and maker',
    longDoc: 'A picture in SVG, of one page of the dump on average.',
    read: readName('--chart', 'FILE.svg'),
  },
  {
    key: 'work-dir',
    long: 'work-dir',
    valueName: 'DIR',
    category: 'write',
    of: ['bench'],
    doc: 'where dumps are written to and removed again',
    longDoc:
      'The speed of writing is that of this directory. Without it the directory for temporary files is taken ($TMPDIR or /tmp).',
    read: readName('--work-dir', 'DIR', 'directory'),
  },
  {
    key: 'num-threads',
    long: 'num-threads',
    valueName: 'N',
    category: 'run',
    of: ['dump', 'bench'],
    common: true,
    doc: 'threads that work; 0 is 1 (default: one a CPU)',
    docs: { bench: 'runs with N threads only (default: 1, 2 .. CPUs)' },
    longDoc:
      'The main thread is one of them. On one CPU, or where memory is short, it works alone by default.',
    read: wholeNumber('--num-threads', 'the number of threads', 0, MAX_THREADS),
  },
  {
    key: 'mmap',
    long: 'mmap',
    category: 'run',
    of: ['dump'],
    group: 'access',
    doc: 'map VMCORE into memory (default)',
    longDoc: 'Of --mmap and --non-mmap the last one given counts. Where VMCORE cannot be mapped it is read.',
  },
  {
    key: 'non-mmap',
    long: 'non-mmap',
    category: 'run',
    of: ['dump'],
    group: 'access',
    doc: 'read VMCORE instead of mapping it',
    longDoc: 'Of --mmap and --non-mmap the last one given counts.',
  },
  {
    key: 'quiet',
    long: 'quiet',
    category: 'tell',
    group: 'messages',
    doc: 'errors and warnings only (--message-level 4)',
    longDoc: 'Of --quiet and --message-level the last one given counts.',
  },
  {
    key: 'json',
    long: 'json',
    category: 'tell',
    common: true,
    doc: 'a report for programs on stdout, errors too',
    longDoc:
      'One JSON object on stdout, whether the dump succeeds or fails. What goes to stderr stays the same.',
  },
  {
    key: 'debug',
    long: 'debug',
    category: 'tell',
    doc: 'add the stack trace to an error',
    longDoc: 'For reports about smelt itself.',
  },
  {
    key: 'help',
    long: 'help',
    short: 'h',
    category: 'tell',
    doc: 'show this and exit',
    longDoc: '`smelt --help` is the short form, `smelt dump --help` the whole list.',
  },
  {
    key: 'version',
    long: 'version',
    short: 'v',
    category: 'tell',
    doc: 'show the version and exit',
    longDoc: 'One line: smelt and its version.',
  },
  {
    key: 'message-level',
    long: 'message-level',
    valueName: 'N',
    category: 'compatible',
    group: 'messages',
    doc: '1 progress, 2 common, 4 error, 8 debug, 16 report',
    longDoc:
      'The sum of what to show on stderr, 0 to 31. The default is 7. Common is the line about VMCORE and the summary.',
    read: wholeNumber('--message-level', 'a message level', 0, 31),
  },
  {
    key: 'D',
    short: 'D',
    category: 'compatible',
    doc: 'debug messages too (--message-level +8)',
    longDoc: 'Adds 8 to the message level.',
  },
  {
    key: 'show-stats',
    long: 'show-stats',
    category: 'compatible',
    doc: 'the summary, at any message level (+16)',
    longDoc:
      'The summary is part of the common messages and is shown by default; this shows it with --quiet too.',
  },
] as const satisfies readonly Option[];

type Row = (typeof OPTIONS)[number];
export type OptionKey = Row['key'];
type ValueOf<K extends OptionKey> =
  Extract<Row, { key: K }> extends { read: (text: string) => infer T } ? T : true;

/** What `read` of the table made of the values; a flag that was given is `true`. */
export type OptionValues = { readonly [K in OptionKey]?: ValueOf<K> };

/** The table with the types of its rows forgotten, for whoever walks over it. */
export const ALL_OPTIONS: readonly (Option & { readonly key: OptionKey })[] = OPTIONS;

export const CODEC_OF_LETTER = { z: 'zstd', c: 'zlib', l: 'lzo', p: 'snappy' } as const satisfies Record<
  string,
  CodecName
>;

/** "-z zstd, -c zlib, …", for sentences. */
export function codecLetters(names: readonly CodecName[] = CODEC_NAMES): string {
  return Object.entries(CODEC_OF_LETTER)
    .filter(([, name]) => names.includes(name))
    .map(([letter, name]) => `-${letter} (${name})`)
    .join(' or ');
}

/** Whether a command takes the option. */
export function belongsTo(option: Option, command: CommandName): boolean {
  return option.of === undefined || option.of.includes(command);
}

/** The table's rows for a command. */
export function optionsOf(command: CommandName): readonly (Option & { readonly key: OptionKey })[] {
  return ALL_OPTIONS.filter((option) => belongsTo(option, command));
}

/** The line of help that a command has for it. */
export function docOf(option: Option, command: CommandName): string {
  return option.docs?.[command] ?? option.doc;
}
