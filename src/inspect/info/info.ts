/** `smelt info`: what a dump is, what crashed, when and why; as much of it as the dump has. */

import { asSmeltError, SmeltError } from '../../errors.ts';
import { utsField } from '../../kernel/machine.ts';
import type { DumpFile } from '../../read/dump-file.ts';
import { closeDump } from '../../read/open.ts';
import { findTechnology } from '../../sme/census/technology.ts';
import { maskBit } from '../../sme/mask-bits.ts';
import { describeByNotes } from '../../workers/describe.ts';
import {
  type Described,
  describing,
  inputReport,
  inputsOf,
  isUnreadable,
  judgeInput,
  stopIfAborted,
} from '../../workers/input.ts';
import { type OpenedAnyhow, openAnyhow } from '../../workers/open-anyhow.ts';
import type { DumpObserver, InputRequest } from '../../workers/report.ts';
import { peakRssBytes } from '../../workers/resources.ts';
import { takeSteps } from '../../workers/steps.ts';
import { type Looking, withView } from '../looking.ts';
import { cpusOf, crashOf, withTask } from './crash.ts';
import { fileReport, memoryReport } from './file.ts';
import { askKernel, type KernelTold } from './kernel.ts';
import { type LogTold, readLog } from './log.ts';
import { whatIsMissing } from './missing.ts';
import type { EncryptionReport, InfoReport, KernelReport } from './report.ts';

/** Of the sentence about a log that is not found: the rest says why. */
const NOT_FOUND = 'the kernel log cannot be found: ';

/** @throws SmeltError for what is no dump, and what opening one can come to; INTERRUPTED when the signal was aborted */
export async function info(
  request: InputRequest,
  observer: DumpObserver,
  signal: AbortSignal,
): Promise<InfoReport> {
  const began = performance.now();
  const opened = await openAnyhow(request, signal);
  const { file } = opened;
  try {
    return await describing(
      file,
      request.mmap ?? false,
      request,
      observer,
      signal,
      async (described) => ({
        ...(await withViewIfReadable(described, request, signal, (looking) =>
          report(looking, request, opened, signal),
        )),
        totalMs: performance.now() - began,
        peakRssBytes: peakRssBytes(),
      }),
      (error) => {
        // Of another architecture the headers and notes are known all the same.
        if (asSmeltError(error).code !== 'UNSUPPORTED') throw error;
        return describeByNotes(file);
      },
    );
  } finally {
    closeDump(file);
  }
}

/** The file was named already. */
function plain(sentence: string, { path }: DumpFile): string {
  return sentence.replace(`${path}: `, '');
}

/** What is of another kernel or architecture, or ciphertext, is not asked. */
function withViewIfReadable<T>(
  described: Described,
  request: InputRequest,
  signal: AbortSignal,
  work: (looking: Looking) => Promise<T>,
): Promise<T> {
  return described.description.machine.utsname === undefined
    ? work({ ...described, view: undefined })
    : withView(described, request, signal, work);
}

async function report(
  looking: Looking,
  request: InputRequest,
  { damage, claimed }: OpenedAnyhow,
  signal: AbortSignal,
): Promise<Omit<InfoReport, 'totalMs' | 'peakRssBytes'>> {
  const { file, description, view } = looking;
  const { log, noLog } = await logOf(looking, signal);
  const told = view && askKernel(view);
  const crash = crashOf(looking, told, log);
  const cpus = cpusOf(looking, told, crash);
  const inFile = await takeSteps(fileReport(file, claimed), () => stopIfAborted(signal));
  const { unreadable } = description.machine;
  const verdict = unreadable === undefined ? undefined : await judgeInput(looking, signal);
  return {
    input: inputReport(file, request, description),
    crash: withTask(crash, cpus, log),
    kernel: kernelOf(looking, told, log),
    cpus,
    memory: memoryReport(file),
    encryption: encryptionOf(looking, log),
    file: inFile,
    log: log && { records: log.records, lostRecords: log.lostRecords, last: log.last },
    missing: whatIsMissing({
      paths: inputsOf(request),
      file: inFile,
      description,
      damage,
      ciphertext: verdict !== undefined && isUnreadable(verdict) ? plain(verdict.sentence, file) : undefined,
      noLog,
      lostRecords: log?.lostRecords ?? 0,
      hasRegisters: cpus.length > 0,
      hasSymbols: view?.symbols !== undefined,
      hasLayouts: view?.layouts !== undefined,
    }),
    warnings: description.warnings,
  };
}

async function logOf(
  described: Described,
  signal: AbortSignal,
): Promise<{ log: LogTold | undefined; noLog: string | undefined }> {
  try {
    return { log: await readLog(described, signal), noLog: undefined };
  } catch (error) {
    if (!(error instanceof SmeltError) || !['NO_LOG', 'UNSUPPORTED'].includes(error.code)) throw error;
    return {
      log: undefined,
      noLog: plain(error.message, described.file).replace(NOT_FOUND, ''),
    };
  }
}

function kernelOf(
  { file, description, view }: Looking,
  told: KernelTold | undefined,
  log: LogTold | undefined,
): KernelReport {
  const { machine, info } = description;
  const utsname = machine.utsname ?? (file.format === 'kdump' ? file.utsname : undefined);
  const named = (field: Parameters<typeof utsField>[1]) =>
    (utsname === undefined ? undefined : utsField(utsname, field)) || undefined;
  return {
    release: machine.release ?? named('release'),
    version: named('version'),
    machine: named('machine') ?? machine.arch,
    nodename: named('nodename'),
    hardware: told?.hardware ?? log?.hardware,
    commandLine: told?.commandLine ?? log?.commandLine,
    taint: told?.taint ?? log?.culprit?.taint?.replace(/[ G]/g, ''),
    kaslrOffset: info?.kernelOffset,
    physBase: Number(machine.physBase),
    pageTableLevels: machine.pageTableLevels,
    symbols: view?.symbols?.count,
    symbolsFrom: view?.symbolsFrom,
    btf: view?.layouts !== undefined,
  };
}

function encryptionOf(
  { view, description }: Looking,
  log: LogTold | undefined,
): EncryptionReport | undefined {
  const { encryptionMask: mask, info, machine } = description;
  const logged = log?.encryption && ({ features: log.encryption, from: 'kernel log' } as const);
  if (mask === 0n) return logged && { maskBit: undefined, technology: logged };
  const technology = view && info ? findTechnology(info, machine.symbols, view.walker, mask) : undefined;
  return { maskBit: maskBit(mask), technology: technology ?? logged };
}
