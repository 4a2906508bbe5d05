/** What is known of a dump that is cut short or damaged. */

import type { DumpFile, Extents } from '../read/dump-file.ts';
import { comma } from '../read/file.ts';
import type { Source } from '../read/source.ts';

export interface Broken {
  /** What is there. Pages may still turn out not to be whole. */
  readonly file: DumpFile;
  /** Memory that the file should have the bytes of, where that can be told from what it has; undefined: `file` says it. */
  readonly claimed: Extents | undefined;
  /** What was seen to be wrong: sentences without a full stop. */
  readonly damage: readonly string[];
}

/** "the file ends at byte 1,234" */
export function endsAt({ fileBytes, flat }: Source): string {
  return flat === undefined ? `the file ends at byte ${comma(fileBytes)}` : 'the stream ends before';
}
