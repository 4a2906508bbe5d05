/** Runs the engines that look into a dump in this process, on files of a folder that goes away. */
import { SmeltError } from '../../src/errors.ts';
import type { InputRequest } from '../../src/workers/report.ts';

export const QUIET = { onInput: () => {}, onProgress: () => {}, onWarning: () => {} };
export const NEVER = new AbortController().signal;

export function requestOf(input: string, moreParts?: readonly string[]): InputRequest {
  return { input, moreParts, threads: 0, mmap: undefined, smeMask: undefined, vmcoreinfoFile: undefined };
}

/** The error of what must fail; a mistake of smelt itself is none. */
export async function errorOf(work: Promise<unknown>): Promise<SmeltError> {
  const thrown = await work.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (thrown instanceof SmeltError && thrown.code !== 'INTERNAL') return thrown;
  throw thrown ?? new Error('it did not fail');
}
