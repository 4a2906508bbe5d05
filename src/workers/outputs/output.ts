/** What a dump becomes: where its pages go, what stands around them, and how it is made whole. */

import type { Target } from '../../write/target-file.ts';
import type { Input } from '../input.ts';
import type { JobTarget } from '../job.ts';
import type { KeptBits } from '../sums.ts';
import type { LastTask } from '../worker.ts';

/** What of the input decides about the output. */
export type OutputInput = Pick<Input, 'file' | 'description' | 'plan'>;

export interface Output {
  /** What the threads have to know. */
  readonly job: JobTarget;
  readonly targets: readonly Target[];
  /** Whether what is there so far can be opened by others, if it comes to no more. */
  readonly hasPages: boolean;
  /** Whether pages of zeros that are not wanted have to be gone before `lay`. */
  readonly zeroFirst: boolean;
  /** Before the first page is looked at. */
  begin(): void;
  /** When it is settled which pages are kept, and the level that the output has; gives what is left to do with them. */
  lay(kept: KeptBits, keptPages: number, dumpLevel: number): LastTask;
  /** All pages are written; `missing`: but those that could not be read. */
  seal(missing: boolean): readonly WrittenFile[];
  /** The output says of itself that it is not whole, where it can. */
  markIncomplete(): void;
  /** Whatever came of it. */
  close(): void;
}

export interface WrittenFile {
  readonly path: string;
  readonly sizeBytes: number;
}
