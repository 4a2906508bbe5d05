/** What the person wants to be told: from the tokens alone, because it has to be known when the rest of the command line is wrong. */

import { OPTIONS } from './options.ts';
import { given, type Token } from './tokens.ts';

/** Bits of --message-level, as makedumpfile(8) numbers them. */
export const MessageLevel = { progress: 1, common: 2, error: 4, debug: 8, report: 16 } as const;
export const DEFAULT_MESSAGE_LEVEL = MessageLevel.progress | MessageLevel.common | MessageLevel.error;

export interface DisplayOptions {
  /** One JSON object on stdout, or on stderr where the dump goes to stdout. */
  readonly json: boolean;
  readonly jsonOn: 'stdout' | 'stderr';
  /** Stack traces. */
  readonly debug: boolean;
  /** Bits of MessageLevel. */
  readonly level: number;
}

const readLevel = OPTIONS.find((option) => option.key === 'message-level')!.read;

/** A --message-level that makes no sense is passed over here; `validate` refuses it. */
export function displayOf(tokens: readonly Token[]): DisplayOptions {
  let level: number = DEFAULT_MESSAGE_LEVEL;
  for (const token of tokens) {
    if (token.kind !== 'option') continue;
    if (token.key === 'quiet') level = MessageLevel.error;
    if (token.key === 'message-level') level = levelOr(level, token.value!);
  }
  if (given(tokens, 'D')) level |= MessageLevel.debug;
  if (given(tokens, 'show-stats')) level |= MessageLevel.report;
  const jsonOn = given(tokens, 'F') ? 'stderr' : 'stdout';
  return { json: given(tokens, 'json'), jsonOn, debug: given(tokens, 'debug'), level };
}

function levelOr(otherwise: number, text: string): number {
  try {
    return readLevel(text);
  } catch {
    return otherwise;
  }
}
