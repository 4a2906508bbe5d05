/** The kernel log as a file: by itself (--dump-dmesg), or saved before a dump is begun (--save-dmesg). */

import { realpathSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { setImmediate as breathe } from 'node:timers/promises';
import { CachedMemory } from '../arch/memory.ts';
import { PageTableWalker } from '../arch/page-table.ts';
import { asSmeltError, SmeltError } from '../errors.ts';
import { type LogRecord, lastClear, logLine, logRecords } from '../kernel/log.ts';
import { architectureOf } from '../kernel/machine.ts';
import { comma, cutShortHint } from '../read/file.ts';
import { incompleteName, openTarget, writeFully } from '../write/target-file.ts';
import {
  type Described,
  inputReport,
  judgeInput,
  refuseCiphertext,
  refuseInputAsOutput,
  stopIfAborted,
  withDescription,
} from './input.ts';
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
/** How often signals are served: every few milliseconds. */
const RECORDS_A_BREATH = 1024;
/** A dump waits for its log: behind this many damaged records in a row nobody looks for more. No kernel has a ring of more. */
const LOST_IN_A_ROW = 2 ** 20;
/** And the log must not take the room of the dump: as much as the largest log buffer gives, with time and caller of each record. */
const MOST_BYTES = 128 * 1024 * 1024;

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
    let kernelLog: KernelLog;
    try {
      kernelLog = logOf(described, request, warn);
    } catch (error) {
      // There may be a better reason.
      refuseCiphertext(await judgeInput(described, signal));
      throw error;
    }
    const log =
      output === undefined
        ? {
            path: undefined,
            targetProtection: undefined,
            ...(await emit(request.input, kernelLog, write, signal)),
          }
        : await writeLog(output, kernelLog, request, described, signal);
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
    const kernelLog = logOf(described, request, (sentence) => warnings.push(sentence));
    const log = await writeLog(path, kernelLog, request, described, signal);
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

/** The kernel log, which is read as its records are taken. */
interface KernelLog {
  readonly records: Generator<LogRecord | undefined>;
  readonly walker: PageTableWalker;
}

/** @throws SmeltError NO_LOG */
function logOf(
  { file, reader, description }: Described,
  { partialDmesg }: Pick<DmesgRequest, 'partialDmesg'>,
  warn: (sentence: string) => void,
): KernelLog {
  const { info, encryptionMask, machine } = description;
  const arch = architectureOf(file);
  const tables = info && arch.findPageTables(info, encryptionMask);
  const walker = tables && new PageTableWalker(new CachedMemory(reader), arch.tableFormat, tables);
  const clear = partialDmesg && info && walker ? lastClear(info, walker) : undefined;
  const records = info && walker && logRecords(info, walker, clear);
  if (records !== undefined && walker !== undefined) {
    if (partialDmesg && clear === undefined)
      warn('the whole kernel log is written: VMCOREINFO does not say where it was cleared last');
    return { records, walker };
  }
  const why = machine.memoryMap === undefined ? machine.unreadable : undefined;
  throw new SmeltError(
    'NO_LOG',
    `${file.path}: the kernel log cannot be found: ${why ?? 'VMCOREINFO does not lead to it'}`,
    {
      hint:
        info === undefined
          ? 'A file with VMCOREINFO of the crashed kernel can be given with -i, its vmlinux with -x.'
          : reader.cutPages > 0
            ? cutShortHint(file.path)
            : walker?.missedTable
              ? 'A page table is not in the dump.'
              : 'The page tables, or the log itself, are damaged or not in the dump.',
    },
  );
}

/** How much of the log can be read, for who does not want its text. @throws SmeltError NO_LOG, INTERRUPTED */
export function countLog(described: Described, signal: AbortSignal): Promise<Emitted> {
  const kernelLog = logOf(described, { partialDmesg: false }, () => {});
  return emit(described.file.path, kernelLog, () => {}, signal);
}

export type Emitted = Pick<LogReport, 'records' | 'lostRecords' | 'sizeBytes'>;

/** @throws SmeltError NO_LOG where there are records and none can be read */
async function emit(
  input: string,
  { records: all, walker }: KernelLog,
  write: (text: string) => void | Promise<void>,
  signal: AbortSignal,
): Promise<Emitted> {
  let pending = '';
  let records = 0;
  let lostRecords = 0;
  let sizeBytes = 0;
  const flush = async () => {
    sizeBytes += pending.length;
    if (pending !== '') await write(pending);
    pending = '';
  };
  let lostInARow = 0;
  stopIfAborted(signal);
  for (const record of all) {
    if (record === undefined) {
      lostRecords++;
      lostInARow++;
    } else {
      records++;
      lostInARow = 0;
      pending += logLine(record);
    }
    if (lostInARow >= LOST_IN_A_ROW) break;
    if (sizeBytes >= MOST_BYTES) {
      lostRecords++;
      break;
    }
    if (pending.length >= PIECE_BYTES) await flush();
    if ((records + lostRecords) % RECORDS_A_BREATH !== 0) continue;
    await breathe();
    stopIfAborted(signal);
  }
  await flush();
  if (records === 0 && lostRecords > 0) {
    throw new SmeltError('NO_LOG', `${input}: no record of the kernel log can be read`, {
      hint: walker.missedTable
        ? 'A page table on the way to them is not in the dump.'
        : 'They are damaged, or not in the dump.',
    });
  }
  return { records, lostRecords, sizeBytes };
}

/** The file is whole, on the disk and has its name, or an error is thrown. */
async function writeLog(
  path: string,
  kernelLog: KernelLog,
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
    const emitted = await emit(file.path, kernelLog, write, signal);
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
  const lost =
    lostRecords === 0
      ? []
      : [
          `the kernel log is not whole: at least ${comma(lostRecords)} of its records ${lostRecords === 1 ? 'is' : 'are'} damaged or not in the dump`,
        ];
  const unprotected = targetProtection && protectionWarning(targetProtection, 'log');
  return unprotected === undefined ? lost : [...lost, unprotected];
}
