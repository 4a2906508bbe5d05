/** A dump opened as it should be, or, where it is cut short or damaged, as far as salvage believes it. */

import { SmeltError } from '../errors.ts';
import type { DumpFile } from '../read/dump-file.ts';
import { openingBroken } from '../salvage/open.ts';
import { inputsOf, openInput, stopIfAborted } from '../workers/input.ts';
import type { InputRequest } from '../workers/report.ts';
import { takeSteps } from '../workers/steps.ts';

export interface OpenedAnyhow {
  readonly file: DumpFile;
  /** Why it could not be opened as it should be. */
  readonly error: SmeltError | undefined;
  /** What salvage saw. */
  readonly damage: readonly string[];
}

const DAMAGE: ReadonlySet<SmeltError['code']> = new Set(['CORRUPT', 'TRUNCATED', 'PARTS', 'NOT_A_DUMP']);

/** The caller closes it. @throws SmeltError for what is no dump, INTERRUPTED when the signal was aborted */
export async function openAnyhow(request: InputRequest, signal: AbortSignal): Promise<OpenedAnyhow> {
  try {
    return { file: await openInput(request, signal), error: undefined, damage: [] };
  } catch (error) {
    if (!(error instanceof SmeltError) || !DAMAGE.has(error.code)) throw error;
    try {
      const look = () => stopIfAborted(signal);
      return { error, ...(await takeSteps(openingBroken(...inputsOf(request)), look)) };
    } catch {
      stopIfAborted(signal);
      throw error;
    }
  }
}
