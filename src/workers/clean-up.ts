/** What is left of a dump that failed: a part that says of itself that it is one, or nothing. */

import { SmeltError } from '../errors.ts';
import type { TargetFile } from '../write/target-file.ts';

export interface Leftovers {
  /** Whoever interrupts wants nothing, unless they said otherwise. */
  readonly unwanted: boolean;
  /** Whether the output has room for descriptors, and so is something that can be opened. */
  readonly hasDescriptors: boolean;
  readonly markIncomplete: () => void;
}

/** After a failed write the part that is there stays. Gives the error, with what became of the file. */
export function cleanUp(
  target: TargetFile,
  error: SmeltError,
  { unwanted, hasDescriptors, markIncomplete }: Leftovers,
): SmeltError {
  // The dump is whole, and only its name could not be had.
  if (error.code === 'TARGET') return error;
  const { code, message, exitCode, cause } = error;
  if (unwanted || (!hasDescriptors && code !== 'WRITE')) {
    const removed = target.discard();
    const kept =
      unwanted && removed ? 'What was written is removed; --keep-incomplete would have kept it.' : '';
    const hint = [error.hint ?? '', kept].filter((part) => part !== '').join(' ');
    return new SmeltError(code, message, { ...(hint === '' ? {} : { hint }), exitCode, cause });
  }
  try {
    markIncomplete();
  } catch {
    // The header says so since the beginning; only its last rewrite is missing.
  }
  const left = target.leaveIncomplete();
  const use = hasDescriptors
    ? 'crash opens it as far as it goes, and with --minimal often shows the log'
    : 'there are no pages in it yet';
  const hint = `${error.hint === undefined ? '' : `${error.hint} `}What was written is in ${left}, marked incomplete; ${use}.`;
  return new SmeltError(code, message, { hint, exitCode, cause });
}
