/** The one table of options: the parser, `--help` and whatever else lists options are made from it. */

import { CODEC_NAMES, type CodecName } from '../codec/codec.ts';
import { BENCH_OPTIONS } from './bench-options.ts';
import { DUMP_OPTIONS } from './dump-options.ts';
import { LOOK_OPTIONS } from './look/options.ts';
import { LUKS_OPTIONS } from './luks-options.ts';
import { MAKEDUMPFILE_OPTIONS } from './makedumpfile-options.ts';
import type { CommandName, Option } from './option.ts';
import { OUTPUT_OPTIONS } from './output-options.ts';
import { SME_OPTIONS } from './sme-options.ts';
import { TELL_OPTIONS } from './tell-options.ts';

export const OPTIONS = [
  ...DUMP_OPTIONS,
  ...OUTPUT_OPTIONS,
  ...MAKEDUMPFILE_OPTIONS,
  ...SME_OPTIONS,
  ...LUKS_OPTIONS,
  ...LOOK_OPTIONS,
  ...BENCH_OPTIONS,
  ...TELL_OPTIONS,
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
