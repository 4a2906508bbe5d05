/** A dump opened as it should be, or, where it is cut short or damaged, as far as salvage believes it. */

import { SmeltError } from '../errors.ts';
import type { DumpFile, Extents } from '../read/dump-file.ts';
import { ONLY_BEGINNING } from '../read/file.ts';
import type { Broken } from '../salvage/broken.ts';
import { openingBroken } from '../salvage/open.ts';
import { inputsOf, openInput, stopIfAborted } from '../workers/input.ts';
import type { InputRequest } from '../workers/report.ts';
import { takeSteps } from '../workers/steps.ts';

export interface OpenedAnyhow {
  readonly file: DumpFile;
  /** Why it could not be opened as it should be. */
  readonly error: SmeltError | undefined;
  /** That, and what salvage saw besides: sentences, none of which names the file. */
  readonly damage: readonly string[];
  /** Of an ELF core that is cut short: memory that it should have the bytes of; undefined: `file` says it. */
  readonly claimed: Extents | undefined;
}

const DAMAGE: ReadonlySet<SmeltError['code']> = new Set(['CORRUPT', 'TRUNCATED', 'PARTS', 'NOT_A_DUMP']);

/** The caller closes it. @throws SmeltError for what is no dump, INTERRUPTED when the signal was aborted */
export async function openAnyhow(request: InputRequest, signal: AbortSignal): Promise<OpenedAnyhow> {
  try {
    return { file: await openInput(request, signal), error: undefined, damage: [], claimed: undefined };
  } catch (error) {
    if (!(error instanceof SmeltError) || !DAMAGE.has(error.code)) throw error;
    let broken: Broken;
    try {
      broken = await takeSteps(openingBroken(...inputsOf(request)), () => stopIfAborted(signal));
    } catch {
      stopIfAborted(signal);
      throw hopeless(error);
    }
    return { file: broken.file, error, damage: damageOf(broken, error), claimed: broken.claimed };
  }
}

/** Nobody is sent to salvage who was there. */
function hopeless(error: SmeltError): SmeltError {
  if (error.code !== 'TRUNCATED') return error;
  return new SmeltError(error.code, error.message, { cause: error, hint: ONLY_BEGINNING });
}

/** Each thing once: of a stream without its end mark salvage says where it ends. */
function damageOf({ file, damage }: Broken, { code, message }: SmeltError): string[] {
  const isUnended = (file.format === 'kdump' ? file.parts : [file]).some(
    ({ flat }) => flat !== undefined && flat.bytesBehind === undefined,
  );
  if (isUnended && code === 'TRUNCATED' && damage.length > 0) return [...damage];
  const why = message.startsWith(`${file.path}: `) ? message.slice(file.path.length + 2) : message;
  return [...new Set([why, ...damage])];
}
