/** A dump opened as it should be, or, where it is cut short or damaged, as far as salvage believes it. */

import { SmeltError } from '../errors.ts';
import type { DumpFile, Extents } from '../read/dump-file.ts';
import { cutShortHint, ONLY_BEGINNING } from '../read/file.ts';
import { closeDump } from '../read/open.ts';
import type { Broken } from '../salvage/broken.ts';
import { openingBroken } from '../salvage/open.ts';
import { type Described, describing, inputsOf, openInput, stopIfAborted, type Watcher } from './input.ts';
import type { DumpObserver, InputRequest } from './report.ts';
import { takeSteps } from './steps.ts';

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
/** Whoever asks one thing of a dump: what is behind the cut is not in it. Of other damage nobody knows what to believe,
 * and parts can be given. No file is searched for more. */
export const CUT_ALONE: typeof DAMAGE = new Set(['TRUNCATED']);

/** The caller closes it. @throws SmeltError for what is no dump, INTERRUPTED when the signal was aborted */
export async function openAnyhow(
  request: Pick<InputRequest, 'input' | 'moreParts'>,
  signal: AbortSignal,
  bearable = DAMAGE,
): Promise<OpenedAnyhow> {
  try {
    return { file: await openInput(request, signal), error: undefined, damage: [], claimed: undefined };
  } catch (error) {
    if (!(error instanceof SmeltError) || !bearable.has(error.code)) throw error;
    let broken: Broken;
    try {
      broken = await takeSteps(openingBroken(inputsOf(request), bearable !== CUT_ALONE), () =>
        stopIfAborted(signal),
      );
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

/** What is said to whoever gets an answer of what is left; undefined: it is whole. */
export function cutWarning(opened: OpenedAnyhow): string | undefined {
  if (opened.error === undefined) return undefined;
  const { path } = opened.file;
  return `${path} is cut short, and what lay behind the cut is not in the dump: ${opened.damage.join('; ')}; \`smelt info ${path}\` says what is there`;
}

/** What somebody asks for and is not found may have been behind the cut. */
const MAY_BE_CUT_OFF: ReadonlySet<SmeltError['code']> = new Set([
  'NO_SYMBOLS',
  'NO_LAYOUTS',
  'NO_LOG',
  'UNDECIDABLE',
]);

/** For what needs no more than a few pages of a dump, of one that is cut short as well: its warnings say so. */
export async function withDescription<T extends { readonly warnings: readonly string[] }>(
  request: InputRequest,
  observer: Watcher & Pick<DumpObserver, 'onWarning'>,
  signal: AbortSignal,
  work: (described: Described) => Promise<T>,
): Promise<T> {
  const opened = await openAnyhow(request, signal, CUT_ALONE);
  const { file } = opened;
  let isCut = opened.error !== undefined;
  try {
    const warning = cutWarning(opened);
    if (warning !== undefined) observer.onWarning(warning);
    const report = await describing(
      file,
      request.mmap ?? false,
      request,
      observer,
      signal,
      async (described) => {
        try {
          return await work(described);
        } finally {
          isCut ||= described.reader.cutPages > 0;
        }
      },
    );
    return warning === undefined ? report : { ...report, warnings: [warning, ...report.warnings] };
  } catch (error) {
    if (!isCut || !(error instanceof SmeltError) || !MAY_BE_CUT_OFF.has(error.code)) throw error;
    throw new SmeltError(error.code, error.message, { hint: cutShortHint(file.path) });
  } finally {
    closeDump(file);
  }
}
