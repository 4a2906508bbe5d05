/** What is measured now, in one line. */

import type { Step } from '../bench/report.ts';
import { printable } from './text.ts';

/** "codecs       round 2 of 5  zstd 3, native" */
export function stepLine({ part, detail, round, rounds }: Step): string {
  const which = round === 0 ? 'warm-up' : `round ${round} of ${rounds}`;
  return `  ${part.padEnd(12)}  ${which.padEnd(14)}  ${printable(detail)}`.trimEnd();
}
