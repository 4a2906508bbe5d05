/** What a dump becomes: where its pages go, what stands around them, and how it is made whole. */

import type { Destination } from '../../write/destination.ts';
import type { Input } from '../input.ts';
import type { JobTarget } from '../job.ts';
import type { KeptBits } from '../sums.ts';
import type { Thread } from '../thread.ts';
import type { LastTask } from '../worker.ts';

/** What of the input decides about the output. */
export type OutputInput = Pick<Input, 'file' | 'description' | 'plan'>;

export interface Output {
  /** What the threads have to know. */
  readonly job: JobTarget;
  readonly to: Destination;
  /** Whether what is there so far can be opened by others, if it comes to no more. */
  readonly hasPages: boolean;
  /** What a file that came to no more is good for: a clause. */
  readonly useOfPart: string;
  /** Whether pages of zeros that are not wanted have to be gone before `lay`. */
  readonly zeroFirst: boolean;
  /** Before the first page is looked at. */
  begin(): void;
  /** When it is settled which pages are kept; gives what is left to do with them. */
  lay(settled: Settled): Promise<LastTask>;
  /** All pages are written; `missing`: but those that could not be read. */
  seal(missing: boolean): Promise<readonly WrittenFile[]>;
  /** The output says of itself that it is not whole; false: it cannot. */
  markIncomplete(): boolean;
  /** Whatever came of it. */
  close(): void;
}

/** What is known when the last phase begins. */
export interface Settled {
  readonly kept: KeptBits;
  readonly keptPages: number;
  /** That the output has. */
  readonly dumpLevel: number;
  /** This one, which has nothing else to do yet. */
  readonly thread: Thread;
}

export interface WrittenFile {
  readonly path: string;
  readonly sizeBytes: number;
}
