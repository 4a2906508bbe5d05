/** Which level a dump of a dump gets: what is gone stays gone. */

import { SmeltError } from '../errors.ts';
import { DumpLevel } from '../filter/page-class.ts';
import type { DumpFile } from '../read/dump-file.ts';

/** The level of the output, old | new. */
export function outputLevel(
  file: DumpFile,
  asked: number | undefined,
): { level: number; warning: string | undefined } {
  const old = file.format === 'kdump' ? file.dumpLevel : 0;
  const level = old | (asked ?? 0);
  if (asked === undefined || asked === level) return { level, warning: undefined };
  // Pages of zeros are still there at level 1.
  const gone = old & ~asked & ~DumpLevel.zero;
  if (gone !== 0 && level === old) {
    throw new SmeltError(
      'CANNOT_LOWER',
      `${file.path}: was made at level ${old}, and -d ${asked} asks for pages that are gone`,
      {
        hint: `-d ${old}, or no -d at all, keeps what it has; -d 31 drops the most.`,
      },
    );
  }
  return {
    level,
    warning:
      gone === 0
        ? undefined
        : `the level is ${level}, not ${asked}: ${file.path} was already made at level ${old}`,
  };
}
