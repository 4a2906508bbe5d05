/** Text for a terminal or a log: what a dump says is untrusted and must not steer the terminal; long lines are wrapped for people only. */

import type { Sink } from './host.ts';

/** Control characters, those that turn the direction of text, and the marks of line ends that are not "\n". */
const UNPRINTABLE = /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu;

/** The text with everything that a terminal would obey shown as \x1b. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, (char) => {
    const code = char.codePointAt(0)!;
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : escaped(char);
  });
}

/** JSON with all of that as \u001b: it means the same. */
export function printableJson(json: string): string {
  return json.replace(UNPRINTABLE, escaped);
}

function escaped(char: string): string {
  return `\\u${char.codePointAt(0)!.toString(16).padStart(4, '0')}`;
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

/** Whether there is a terminal that has colours, and nobody forbids them (https://no-color.org). */
export function hasColours(sink: Sink, env: Readonly<Record<string, string | undefined>>): boolean {
  return sink.isTTY && !env.NO_COLOR && env.TERM !== undefined && env.TERM !== 'dumb';
}

/** The start of a line in colour where there are some. */
export function coloured(
  line: string,
  length: number,
  style: string,
  sink: Sink,
  env: Readonly<Record<string, string | undefined>>,
): string {
  return hasColours(sink, env) ? painted(line.slice(0, length), style) + line.slice(length) : line;
}

export function painted(text: string, style: string): string {
  return `\x1b[${style}m${text}\x1b[0m`;
}
