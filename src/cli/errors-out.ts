/** How an error and a warning look: what is wrong in one sentence, what to do in the next, a stack only when asked for. */

import type { ErrorCode, SmeltError } from '../errors.ts';
import { type DisplayOptions, MessageLevel } from './display.ts';
import type { Host } from './host.ts';
import { jsonFailure } from './json.ts';
import { coloured, hang, printable, Style, widthOf } from './text.ts';
import { given, type Token } from './tokens.ts';

const ERROR_PREFIX = 'smelt: ';
const WARNING_PREFIX = 'warning: ';
/** Below the first letter behind "smelt: ". */
const HINT_INDENT = ' '.repeat(ERROR_PREFIX.length);

/** Tells a person, and with --json a program, what went wrong. */
export function reportFailure(
  error: SmeltError,
  warnings: readonly string[],
  display: DisplayOptions,
  host: Pick<Host, 'stdout' | 'stderr' | 'env'>,
): void {
  if (display.level & MessageLevel.error) {
    reportWarnings(warnings, display, host);
    host.stderr.write(errorText(error, host));
  }
  if (display.debug) host.stderr.write(`${stackOf(error)}\n`);
  if (display.json) host[display.jsonOn].write(jsonFailure(error, warnings));
}

/** To image/smelt: failed, and has said why, but another program may do better. */
const EXIT_FOR_ANOTHER = 125;

/** Where another program would fail as well, or succeed and do harm. */
const FINAL: ReadonlySet<ErrorCode> = new Set([
  'CANNOT_LOWER',
  'CIPHERTEXT',
  'INTERRUPTED',
  'TARGET',
  'TOO_LARGE',
  'UNDECIDABLE',
  'UNENCRYPTED',
  'WRITE',
  'WRONG_RELEASE',
]);

/** What a failed dump exits with. Started by image/smelt it tells where somebody else should try. */
export function exitCodeOf({ code, exitCode }: SmeltError, { env }: Pick<Host, 'env'>): number {
  return env.SMELT_LAUNCHER === undefined || FINAL.has(code) ? exitCode : EXIT_FOR_ANOTHER;
}

/** The same where the command line has a say: what --config erases nobody else would. */
export function finalCode(error: SmeltError, tokens: readonly Token[], host: Pick<Host, 'env'>): number {
  return given(tokens, 'config') ? error.exitCode : exitCodeOf(error, host);
}

function errorText(error: SmeltError, { stderr, env }: Pick<Host, 'stderr' | 'env'>): string {
  const width = widthOf(stderr);
  const [first, ...more] = hang(ERROR_PREFIX, printable(error.message).split(' '), width);
  const hint = error.hint === undefined ? [] : hang(HINT_INDENT, printable(error.hint).split(' '), width);
  const head = coloured(first, ERROR_PREFIX.length - 1, Style.error, stderr, env);
  return `${[head, ...more, ...hint].join('\n')}\n`;
}

/** One after the other, each once. */
export function reportWarnings(
  warnings: readonly string[],
  display: DisplayOptions,
  { stderr, env }: Pick<Host, 'stderr' | 'env'>,
): void {
  if (!(display.level & (MessageLevel.common | MessageLevel.error))) return;
  for (const warning of new Set(warnings)) {
    const [first, ...more] = warningLines(warning, widthOf(stderr));
    const head = coloured(first, WARNING_PREFIX.length - 1, Style.warning, stderr, env);
    stderr.write(`${[head, ...more].join('\n')}\n`);
  }
}

export function warningLines(warning: string, width: number): string[] {
  return hang(WARNING_PREFIX, printable(warning).split(' '), width);
}

/** Causes go round in no known case; the limit is for the unknown one. */
const MAX_CAUSES = 8;

function stackOf(error: Error): string {
  const parts: string[] = [];
  for (
    let at: unknown = error;
    at !== undefined && parts.length < MAX_CAUSES;
    at = at instanceof Error ? at.cause : undefined
  ) {
    const text = at instanceof Error ? (at.stack ?? at.message) : String(at);
    parts.push(text.split('\n').map(printable).join('\n'));
  }
  return parts.join('\ncaused by ');
}
