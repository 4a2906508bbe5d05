/** Values of the options that choose from the kernel log. */

import { SmeltError } from '../../errors.ts';
import { LEVEL_NAMES, type LevelName } from '../../kernel/log-entry.ts';
import { quoted } from '../values.ts';

/** "12.5" seconds of the log's clock, "-30" before its end: in microseconds. @throws SmeltError USAGE */
export function readSince(text: string): number {
  const match = /^(-?)(\d{1,9}(?:\.\d{1,9})?)$/.exec(text);
  if (match !== null) return Math.round(Number(text) * 1e6);
  throw new SmeltError('USAGE', `--since ${quoted(text)}: is no number of seconds`, {
    hint: '--since 12.5 shows what was logged from then on, --since -30 the last 30 seconds.',
  });
}

/** "err,warn", "warn+" (and what is more urgent), "+warn" (and what is less). @throws SmeltError USAGE */
export function readLevels(text: string): ReadonlySet<LevelName> {
  return new Set(text.split(',').flatMap((word) => levelsOf(word, text)));
}

function levelsOf(word: string, text: string): readonly LevelName[] {
  const match = /^(\+?)([a-z]+)(\+?)$/.exec(word.trim());
  const level = LEVEL_NAMES.indexOf(match?.[2] as LevelName);
  if (match !== null && level >= 0 && !(match[1] && match[3])) {
    return LEVEL_NAMES.slice(match[3] ? 0 : level, match[1] ? undefined : level + 1);
  }
  throw new SmeltError('USAGE', `--level ${quoted(text)}: ${quoted(word)} is no level`, {
    hint: `Levels are ${LEVEL_NAMES.join(', ')}; warn+ is warn and what is more urgent.`,
  });
}
