/** What is left of a dump that failed: a part that says of itself that it is one, or nothing. */

import { SmeltError } from '../errors.ts';
import type { Output } from './outputs/output.ts';

export interface Circumstances {
  /** Whoever interrupts wants nothing, unless they said otherwise. */
  readonly interrupted: boolean;
  /** Another one is tried in its place. */
  readonly again: boolean;
}

/** After a failed write the part that is there stays. Gives the error, with what became of the files. */
export function cleanUp(
  output: Output,
  error: SmeltError,
  { interrupted, again }: Circumstances,
): SmeltError {
  // The dump is whole, and only its name could not be had.
  if (error.code === 'TARGET') return error;
  const { code, message, exitCode, cause } = error;
  const hinted = (more: string) => {
    const hint = [error.hint ?? '', more].filter((part) => part !== '').join(' ');
    return new SmeltError(code, message, { ...(hint === '' ? {} : { hint }), exitCode, cause });
  };
  const { targets, hasPages } = output;
  if (targets.some(({ stream }) => stream !== undefined))
    return hinted('The stream has no end mark: what was written of it is not a whole dump.');
  const couldNotBeWritten = code === 'WRITE' || code === 'TOO_LARGE';
  if (interrupted || again || (!hasPages && !couldNotBeWritten)) {
    const removed = targets.map((target) => target.discard()).every(Boolean);
    const kept = interrupted && removed;
    return hinted(kept ? 'What was written is removed; --keep-incomplete would have kept it.' : '');
  }
  try {
    output.markIncomplete();
  } catch {
    // The header says so since the beginning; only its last rewrite is missing.
  }
  const left = targets.map((target) => target.leaveIncomplete()).join(', ');
  const use = hasPages
    ? 'crash opens it as far as it goes, and with --minimal often shows the log'
    : 'there are no pages in it yet';
  return hinted(`What was written is in ${left}, marked incomplete; ${use}.`);
}
