/** The kernel log as a file: by itself (--dump-dmesg), or saved before a dump is begun (--save-dmesg). */

import { realpathSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { asSmeltError, SmeltError } from '../errors.ts';
import { type LogRecord, logLine } from '../kernel/log.ts';
import { incompleteName, openTarget, writeFully } from '../write/target-file.ts';
import { type Described, inputReport, refuseInputAsOutput } from './input.ts';
import { lostRecordsWarning, type Records, recordsOf, recordsOrWhy, walkLog } from './log-walk.ts';
import { withDescription } from './open-anyhow.ts';
import {
  type DmesgReport,
  type DmesgRequest,
  type DumpObserver,
  type DumpRequest,
  type LogReport,
  outputPaths,
} from './report.ts';
import { peakRssBytes } from './resources.ts';
import { protectionOf, protectionOfFile, protectionWarning, requireEncrypted } from './target-protection.ts';

/** Text is written in pieces of about this size; nothing more of the log is held. */
const PIECE_BYTES = 64 * 1024;

/**
 * Writes the log to the request's output, or hands it to `write`.
 * @throws SmeltError NO_LOG, and what opening and writing can come to; INTERRUPTED when the signal was aborted
 */
export async function dumpDmesg(
  request: DmesgRequest,
  observer: DumpObserver,
  signal: AbortSignal,
  write: (text: string) => Promise<void>,
): Promise<DmesgReport> {
  const began = performance.now();
  const { output } = request;
  refuseInputAsOutput(request, output);
  if (output !== undefined && request.requireEncryptedTarget) await requireEncryptedLog(output);
  return withDescription(request, observer, signal, async (described) => {
    const { file, description } = described;
    const warnings: string[] = [];
    const warn = (sentence: string) => {
      warnings.push(sentence);
      observer.onWarning(sentence);
    };
    // What else the machine's description warns of is about its memory map.
    const { machine } = description;
    for (const warning of description.warnings) if (!machine.warnings.includes(warning)) warn(warning);
    const records = await recordsOrWhy(described, request, warn, signal);
    const log =
      output === undefined
        ? {
            path: undefined,
            targetProtection: undefined,
            ...(await emit(request.input, records, write, signal)),
          }
        : await writeLog(output, records, request, described, signal);
    for (const warning of warningsOf(log)) warn(warning);
    return {
      input: inputReport(file, request, description),
      log,
      totalMs: performance.now() - began,
      peakRssBytes: peakRssBytes(),
      warnings,
    };
  });
}

/** What came of --save-dmesg. */
export interface SavedLog {
  readonly log: LogReport | undefined;
  readonly warnings: readonly string[];
}

/** For a dump that is to come: what goes wrong with the log is a warning. @throws SmeltError INTERRUPTED, UNENCRYPTED */
export async function saveDmesg(
  path: string,
  request: DumpRequest,
  described: Described,
  observer: Pick<DumpObserver, 'onLog' | 'onWarning'>,
  signal: AbortSignal,
): Promise<SavedLog> {
  const saved = await trySaving(path, request, described, signal);
  for (const warning of saved.warnings) observer.onWarning(warning);
  if (saved.log !== undefined) observer.onLog?.(saved.log);
  return saved;
}

async function trySaving(
  path: string,
  request: DumpRequest,
  described: Described,
  signal: AbortSignal,
): Promise<SavedLog> {
  const warnings: string[] = [];
  try {
    const records = recordsOf(described, request, (sentence) => warnings.push(sentence));
    const log = await writeLog(path, records, request, described, signal);
    return { log, warnings: [...warnings, ...warningsOf(log)] };
  } catch (thrown) {
    const error = asSmeltError(thrown);
    if (signal.aborted || error.code === 'UNENCRYPTED') throw error;
    const todo = error.hint === undefined ? '' : `. ${error.hint.replace(/\.$/, '')}`;
    return { log: undefined, warnings: [`the kernel log is not saved: ${error.message}${todo}`] };
  }
}

/**
 * Before anything is opened. @throws SmeltError TARGET where LOGFILE is one of the other two files; UNENCRYPTED with
 * --require-encrypted-target
 */
export async function checkLogFile({ saveDmesg: path, ...request }: DumpRequest): Promise<void> {
  if (path === undefined) return;
  refuseInputAsOutput(request, path);
  const outputs = outputPaths(request).flatMap(namesOf);
  if (namesOf(path).some((name) => outputs.includes(name))) {
    throw new SmeltError('TARGET', `${path}: is DUMPFILE too, and the dump would be written over the log`, {
      hint: 'Give another name for the log.',
    });
  }
  if (request.requireEncryptedTarget) await requireEncryptedLog(path);
}

/** The names that a file has while it is written and after it, whatever way leads to its directory. */
function namesOf(path: string): string[] {
  let place = resolve(path);
  try {
    place = join(realpathSync(dirname(path)), basename(path));
  } catch {
    // A directory that is not there: opening the file says so.
  }
  return [place, incompleteName(place)];
}

async function requireEncryptedLog(path: string): Promise<void> {
  requireEncrypted(path, await protectionOf(path), 'log');
}

/** How much of the log can be read, for who does not want its text. @throws SmeltError NO_LOG, INTERRUPTED */
export function countLog(described: Described, signal: AbortSignal): Promise<Emitted> {
  const records = recordsOf(described, { partialDmesg: false }, () => {});
  return emit(described.file.path, records, () => {}, signal);
}

export type Emitted = Pick<LogReport, 'records' | 'lostRecords' | 'sizeBytes'>;

async function emit(
  input: string,
  all: Records,
  write: (text: string) => void | Promise<void>,
  signal: AbortSignal,
): Promise<Emitted> {
  let pending = '';
  const flush = async (bytes: number) => {
    const text = pending;
    pending = '';
    if (text !== '') await write(text);
    return bytes;
  };
  const take = (record: LogRecord) => {
    const line = logLine(record);
    pending += line;
    return pending.length >= PIECE_BYTES ? flush(line.length) : line.length;
  };
  const emitted = await walkLog(input, all, take, signal);
  await flush(0);
  return emitted;
}

/** The file is whole, on the disk and has its name, or an error is thrown. */
async function writeLog(
  path: string,
  records: Records,
  { overwrite, requireEncryptedTarget }: Pick<DmesgRequest, 'overwrite' | 'requireEncryptedTarget'>,
  { file, description }: Described,
  signal: AbortSignal,
): Promise<LogReport> {
  const target = openTarget(path, overwrite);
  try {
    const isLookedAt = requireEncryptedTarget || description.encryptionMask !== 0n;
    const targetProtection = isLookedAt ? await protectionOfFile(path, target.fd) : undefined;
    if (requireEncryptedTarget) requireEncrypted(path, targetProtection!, 'log');
    let byteOffset = 0;
    const write = (text: string) => {
      writeFully(path, target.fd, Buffer.from(text, 'latin1'), byteOffset);
      byteOffset += text.length;
    };
    const emitted = await emit(file.path, records, write, signal);
    target.seal();
    return { path, ...emitted, targetProtection };
  } catch (thrown) {
    const error = asSmeltError(thrown);
    // It is whole, and only its name could not be had.
    if (error.code === 'TARGET') throw error;
    if (error.code !== 'WRITE') {
      target.discard();
      throw error;
    }
    const left = target.leaveIncomplete();
    throw new SmeltError(error.code, `${error.message}; what was written of the log is in ${left}`, {
      ...(error.hint === undefined ? {} : { hint: error.hint }),
      cause: error.cause,
    });
  }
}

function warningsOf({ lostRecords, targetProtection }: LogReport): string[] {
  const lost = lostRecordsWarning(lostRecords);
  const unprotected = targetProtection && protectionWarning(targetProtection, 'log');
  return unprotected === undefined ? lost : [...lost, unprotected];
}
