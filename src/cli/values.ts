/** Readers for the values of options: each checks the text and converts it, or says what would make sense. */

import { SmeltError } from '../errors.ts';

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

export function readName(label: string, valueName: string, kind = 'file'): (text: string) => string {
  return (text) => {
    if (text !== '') return text;
    throw new SmeltError('USAGE', `${label}: the name of the ${valueName} ${kind} is empty`, {
      hint: `Give a ${kind}: ${label} ${valueName}.`,
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

function sizeOf(text: string): number | undefined {
  const [, digits, unit] = /^([0-9]{1,12})([KMGT])(?:i?B)?$/i.exec(text) ?? [];
  return digits === undefined ? undefined : Number(digits) * SIZE_UNITS[unit.toUpperCase()];
}
