/** What is left of a dump that failed: a part that says of itself that it is one, or nothing. */

import { fstatSync } from 'node:fs';
import { SmeltError } from '../errors.ts';
import type { TargetFile } from '../write/target-file.ts';
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
  const { to, hasPages } = output;
  const couldNotBeWritten = code === 'WRITE' || code === 'TOO_LARGE';
  if (to.isStream) {
    const began = hasPages || couldNotBeWritten;
    return hinted(began ? 'What was written of the stream has no end mark: it is not a whole dump.' : '');
  }
  const files = to.files.filter(({ isOpen }) => isOpen);
  if (couldNotBeWritten && !again && files.length > 0 && files.every(isEmpty)) {
    for (const file of files) file.discard();
    return hinted('Nothing was written.');
  }
  if (interrupted || again || (!hasPages && !couldNotBeWritten)) {
    const removed = files.map((file) => file.discard()).every(Boolean);
    const kept = interrupted && removed;
    return hinted(kept ? 'What was written is removed; --keep-incomplete would have kept it.' : '');
  }
  let marked = true;
  try {
    marked = output.markIncomplete();
  } catch {
    // The header says so since the beginning; only its last rewrite is missing.
  }
  const left = files.map((file) => file.leaveIncomplete()).join(', ');
  const use = hasPages ? output.useOfPart : 'there are no pages in it yet';
  return hinted(`What was written is in ${left}${marked ? ', marked incomplete' : ''}; ${use}.`);
}

function isEmpty({ fd }: TargetFile): boolean {
  try {
    return fstatSync(fd).size === 0;
  } catch {
    return false;
  }
}
