/** Readers for the values of options: each checks the text and converts it, or says what would make sense. */

import { MAKER_KINDS, type MakerKind } from '../codec/codec.ts';
import { SmeltError } from '../errors.ts';
import { MAX_DUMP_LEVEL } from '../filter/page-class.ts';
import { HIGHEST_MASK_BIT, LOWEST_MASK_BIT } from '../sme/mask-bits.ts';
import { OUTPUT_FORMATS, type OutputFormat } from '../write/formats.ts';

export function isWholeNumber(text: string, least: number, most: number): boolean {
  return /^[0-9]{1,9}$/.test(text) && Number(text) >= least && Number(text) <= most;
}

/** A value in a message: an empty one can be seen. */
export function quoted(text: string): string {
  return text === '' ? "''" : text;
}

/** `command`: whose help explains the numbers. */
export function wholeNumber(
  label: string,
  what: string,
  least: number,
  most: number,
  command = 'dump',
): (text: string) => number {
  return (text) => {
    if (isWholeNumber(text, least, most)) return Number(text);
    throw new SmeltError(
      'USAGE',
      `${label} ${quoted(text)}: ${what} is a whole number from ${least} to ${most}`,
      {
        hint: `\`smelt ${command} --help\` says what the numbers mean.`,
      },
    );
  };
}

const MAX_THREADS = 4096;

export function readThreads(label: string, command?: string): (text: string) => number {
  return wholeNumber(label, 'the number of threads', 0, MAX_THREADS, command);
}

export function readName(label: string, valueName: string, kind = 'file'): (text: string) => string {
  return (text) => {
    if (text !== '') return text;
    throw new SmeltError('USAGE', `${label}: the name of the ${valueName} ${kind} is empty`, {
      hint: `Give a ${kind}: ${label} ${valueName}.`,
    });
  };
}

export function readChoice<T extends string>(label: string, choices: readonly T[]): (text: string) => T {
  return (text) => {
    const choice = choices.find((known) => known === text);
    if (choice !== undefined) return choice;
    throw new SmeltError('USAGE', `${label} ${quoted(text)}: it is one of ${choices.join(', ')}`, {
      hint: `${label} ${choices[0]}, for one.`,
    });
  };
}

/** "on" or "off". */
export function readSwitch(label: string): (text: string) => boolean {
  return (text) => {
    if (text === 'on' || text === 'off') return text === 'on';
    throw new SmeltError('USAGE', `${label} ${quoted(text)}: it is on or off`, {
      hint: `${label} on, or ${label} off.`,
    });
  };
}

const SIZE_UNITS: Readonly<Record<string, number>> = { K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 };

/** A number of bytes with a suffix of K, M, G or T, binary: "64G". */
export function readSize(label: string, least: string, most: string): (text: string) => number {
  const [min, max] = [sizeOf(least)!, sizeOf(most)!];
  return (text) => {
    const bytes = sizeOf(text);
    if (bytes !== undefined && bytes >= min && bytes <= max) return bytes;
    throw new SmeltError('USAGE', `${label} ${quoted(text)}: a size is ${least} to ${most}`, {
      hint: 'Write a whole number with K, M, G or T: 64G.',
    });
  };
}

/** A number of bytes, with or without a suffix. */
export function readLimit(label: string): (text: string) => number {
  return (text) => {
    const bytes = bytesOf(text);
    if (bytes !== undefined && bytes > 0) return bytes;
    throw new SmeltError('USAGE', `${label} ${quoted(text)}: a limit is a number of bytes`, {
      hint: `It may have a K, M, G or T behind it: ${label} 500M.`,
    });
  };
}

/** "4096", "4K". */
export function bytesOf(text: string): number | undefined {
  return /^[0-9]{1,15}$/.test(text) ? Number(text) : sizeOf(text);
}

function sizeOf(text: string): number | undefined {
  const [, digits, unit] = /^([0-9]{1,12})([KMGT])(?:i?B)?$/i.exec(text) ?? [];
  return digits === undefined ? undefined : Number(digits) * SIZE_UNITS[unit.toUpperCase()];
}

/** One level, or several that are tried one after the other. */
export function readDumpLevels(text: string): readonly number[] {
  // Commas too many are passed over, as makedumpfile does.
  const levels = text.split(',').filter((level) => level !== '');
  if (levels.length > 0 && levels.every((level) => isWholeNumber(level, 0, MAX_DUMP_LEVEL)))
    return levels.map(Number);
  throw new SmeltError('USAGE', `-d ${quoted(text)}: a dump level is a number from 0 to ${MAX_DUMP_LEVEL}`, {
    hint: 'Add up what to leave out: 1 zero pages, 2 page cache, 4 private cache too, 8 user data, 16 free pages; -d 31 is all of them, and -d 23,31 tries 31 where 23 does not fit.',
  });
}

export function readSmeMask(text: string): bigint {
  const isNumber = /^(0[xX][0-9a-fA-F]{1,16}|[0-9]{1,20})$/.test(text);
  const mask = isNumber ? BigInt(text) : -1n;
  // No mask at all.
  if (mask === 0n) return mask;
  for (let bit = LOWEST_MASK_BIT; bit <= HIGHEST_MASK_BIT; bit++) if (mask === 1n << BigInt(bit)) return mask;
  const isBit = mask >= LOWEST_MASK_BIT && mask <= HIGHEST_MASK_BIT;
  const meant = isBit ? `Did you mean bit ${mask}, 0x${(1n << mask).toString(16)}? ` : '';
  throw new SmeltError(
    'USAGE',
    `--sme-mask ${quoted(text)}: the mask is a number with exactly one bit set, from bit ${LOWEST_MASK_BIT} to bit ${HIGHEST_MASK_BIT}`,
    { hint: `${meant}Bit 47 is 0x800000000000, bit 51 is 0x8000000000000, and 0 is no mask.` },
  );
}

/** KiB, given back in bytes. */
export function readSplitblock(label: string, most: number): (text: string) => number {
  const read = wholeNumber(label, 'a size in KiB', 4, most);
  return (text) => {
    const kib = read(text);
    if (kib % 4 === 0) return kib * 1024;
    throw new SmeltError('USAGE', `${label} ${text}: it is a multiple of a page, which has 4 KiB`, {
      hint: `${label} ${kib - (kib % 4)} would do.`,
    });
  };
}

/** A virtual address, of 64 bits at most. */
export function readAddress(label: string): (text: string) => bigint {
  return (text) => {
    const isNumber = /^(0[xX][0-9a-fA-F]{1,16}|[0-9]{1,20})$/.test(text);
    if (isNumber && BigInt(text) < 1n << 64n) return BigInt(text);
    const what =
      isNumber || /^[0-9-]|^0x/i.test(text) ? 'an address has at most 64 bits' : 'an address is a number';
    const meant = /^[0-9a-fA-F]{1,16}$/.test(text) ? `Did you mean ${label} 0x${text}? ` : '';
    throw new SmeltError('USAGE', `${label} ${quoted(text)}: ${what}`, {
      hint: `${meant}It is hexadecimal with 0x, or decimal.`,
    });
  };
}

export function readMakerKind(text: string): MakerKind {
  const kind = MAKER_KINDS.find((known) => known === text);
  if (kind !== undefined) return kind;
  throw new SmeltError('USAGE', `--codec-maker ${quoted(text)}: a maker is ${MAKER_KINDS.join(' or ')}`, {
    hint: 'Without the option smelt takes the native one where it is installed.',
  });
}

export function readFormat(text: string): OutputFormat {
  const format = OUTPUT_FORMATS.find((known) => known === text.toLowerCase());
  if (format !== undefined) return format;
  throw new SmeltError(
    'USAGE',
    `--to ${quoted(text)}: a format is ${OUTPUT_FORMATS.slice(0, -1).join(', ')} or ${OUTPUT_FORMATS.at(-1)}`,
    { hint: 'Volatility reads elf and lime, crash kdump and elf.' },
  );
}
