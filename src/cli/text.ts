/** Text for a terminal or a log: what a dump says is untrusted and must not steer the terminal; long lines are wrapped for people only. */

import type { Sink } from './host.ts';

/** Control characters, those that turn the direction of text, and the marks of line ends that are not "\n". */
const UNPRINTABLE = /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu;

/** The text with everything that a terminal would obey shown as \x1b. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, (char) => {
    const code = char.codePointAt(0)!;
    return code < 0x100
      ? `\\x${code.toString(16).padStart(2, '0')}`
      : `\\u${code.toString(16).padStart(4, '0')}`;
  });
}

/** The width to lay text out for: that of the terminal, 80 columns in a log. */
export function widthOf(sink: Sink): number {
  return sink.isTTY && sink.columns > 0 ? sink.columns : 80;
}

/** The words in lines of at most `width`, the first behind `first`, the others below it. A word longer than a line stays whole. */
export function hang(
  first: string,
  words: readonly string[],
  width: number,
  indent = first.length,
): string[] {
  const lines: string[] = [];
  let line = first;
  let empty = true;
  for (const word of words) {
    if (!empty && line.length + 1 + word.length > width) {
      lines.push(line);
      line = ' '.repeat(indent);
      empty = true;
    }
    line += empty ? word : ` ${word}`;
    empty = false;
  }
  return [...lines, line];
}

export const Style = { error: '1;31', warning: '1;33' } as const;

/** The start of a line in colour where there is a terminal that has some and nobody forbids it (https://no-color.org). */
export function coloured(
  line: string,
  length: number,
  style: string,
  sink: Sink,
  env: Readonly<Record<string, string | undefined>>,
): string {
  const plain = !sink.isTTY || Boolean(env.NO_COLOR) || env.TERM === undefined || env.TERM === 'dumb';
  return plain ? line : `\x1b[${style}m${line.slice(0, length)}\x1b[0m${line.slice(length)}`;
}
