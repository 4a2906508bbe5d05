/** `smelt info`: what a dump is, what crashed, when and why; as much of it as the dump has. */

import { asSmeltError, SmeltError } from '../../errors.ts';
import { utsField } from '../../kernel/machine.ts';
import { readClocks } from '../../kernel/timekeeper.ts';
import { placeOf } from '../../kernel/view/place.ts';
import { parseNotes } from '../../read/notes.ts';
import { closeDump } from '../../read/open.ts';
import { cpuRegisters } from '../../read/prstatus.ts';
import { findTechnology } from '../../sme/census/technology.ts';
import { maskBit } from '../../sme/mask-bits.ts';
import { describeByNotes } from '../../workers/describe.ts';
import { type Described, describing, inputReport } from '../../workers/input.ts';
import type { DumpObserver, InputRequest } from '../../workers/report.ts';
import { peakRssBytes } from '../../workers/resources.ts';
import { type Looking, viewOf } from '../looking.ts';
import { openAnyhow } from '../open-anyhow.ts';
import { fileReport, memoryReport } from './file.ts';
import { askKernel, type KernelTold } from './kernel.ts';
import { type LogTold, readLog } from './log.ts';
import { whatIsMissing } from './missing.ts';
import type { CpuReport, CrashReport, EncryptionReport, InfoReport, KernelReport } from './report.ts';

/** @throws SmeltError for what is no dump, and what opening one can come to; INTERRUPTED when the signal was aborted */
export async function info(
  request: InputRequest,
  observer: DumpObserver,
  signal: AbortSignal,
): Promise<InfoReport> {
  const began = performance.now();
  const { file, error, damage: seen } = await openAnyhow(request, signal);
  const damage =
    error === undefined ? seen : [error.message, ...seen.filter((each) => each !== error.message)];
  try {
    return await describing(
      file,
      request.mmap ?? false,
      request,
      observer,
      signal,
      async (described) => ({
        ...(await report(described, request, damage, signal)),
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

async function report(
  described: Described,
  request: InputRequest,
  damage: readonly string[],
  signal: AbortSignal,
): Promise<Omit<InfoReport, 'totalMs' | 'peakRssBytes'>> {
  const { file, reader, description } = described;
  const { log, noLog } = await logOf(described, signal);
  // What is of another kernel, or ciphertext, is not asked.
  const view = description.machine.utsname === undefined ? undefined : viewOf(described);
  const looking: Looking = { ...described, view };
  const told = view && askKernel(view);
  const crash = crashOf(looking, told, log);
  const cpus = cpusOf(looking, told, crash);
  const inFile = fileReport(file, reader);
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
      path: file.path,
      file: inFile,
      description,
      damage,
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
    return { log: undefined, noLog: error.message.replace(`${described.file.path}: `, '') };
  }
}

function crashOf(
  { view, file, description }: Looking,
  told: KernelTold | undefined,
  log: LogTold | undefined,
): CrashReport {
  const crashTime = description.info?.crashTime;
  const clocks = view && readClocks(view);
  const stamp = file.format === 'kdump' ? Number(file.timestamp.sec) * 1000 : 0;
  const byKernel = told?.crashedCpu === undefined ? undefined : told.crashedCpu >= 0;
  const died = crashTime !== undefined || byKernel === true || log?.panic !== undefined;
  const crashed = died ? true : byKernel;
  const message = log?.panic ?? (crashed === true ? log?.firstTrouble : undefined);
  const time =
    crashTime !== undefined
      ? ([crashTime * 1000, 'VMCOREINFO'] as const)
      : clocks !== undefined
        ? ([clocks.wallMs, 'timekeeper'] as const)
        : stamp > 0
          ? ([stamp, 'dump header'] as const)
          : undefined;
  const uptime =
    clocks !== undefined
      ? ([clocks.uptimeMs, 'timekeeper'] as const)
      : log?.endUs !== undefined
        ? ([Math.floor(log.endUs / 1000), 'kernel log'] as const)
        : undefined;
  const cpu = told?.crashedCpu !== undefined && told.crashedCpu >= 0 ? told.crashedCpu : undefined;
  return {
    crashed,
    timeMs: time?.[0],
    timeFrom: time?.[1],
    uptimeMs: uptime?.[0],
    uptimeFrom: uptime?.[1],
    message: message?.text,
    firstTrouble: log?.firstTrouble,
    cpu: cpu ?? (crashed === true ? log?.culprit?.cpu : undefined),
    pid: undefined,
    comm: undefined,
  };
}

/** Notes are in the order of the CPUs that were online. */
function cpusOf(
  { file, view }: Looking,
  told: KernelTold | undefined,
  { cpu: dead }: CrashReport,
): CpuReport[] {
  if (file.machine !== undefined && file.machine !== 'x86_64') return [];
  const registers = cpuRegisters([...parseNotes(file.notes, file.littleEndian)]);
  const online = told?.onlineCpus?.length === registers.length ? told.onlineCpus : undefined;
  return registers.map(({ rip, rsp, userMode, pid }, index) => {
    const cpu = online?.[index] ?? index;
    const place = view === undefined || userMode ? undefined : placeOf(view, rip);
    return { cpu, rip, rsp, userMode, place, pid, crashed: cpu === dead };
  });
}

/** Who ran on the CPU that crashed: the note knows the number, the log the name. */
function withTask(crash: CrashReport, cpus: readonly CpuReport[], log: LogTold | undefined): CrashReport {
  if (crash.cpu === undefined) return crash;
  const pid = cpus.find(({ crashed }) => crashed)?.pid ?? log?.culprit?.pid;
  const { culprit } = log ?? {};
  const isSame = culprit !== undefined && culprit.cpu === crash.cpu && culprit.pid === pid;
  return { ...crash, pid, comm: isSame ? culprit.comm : undefined };
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
    physBase: machine.physBase,
    pageTableLevels: machine.pageTableLevels,
    symbols: view?.symbols?.count,
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
