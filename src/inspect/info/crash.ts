/** Whether the kernel crashed, when, why and where: what its variables, its log and the notes say together. */

import { readClocks } from '../../kernel/timekeeper.ts';
import { placeOf } from '../../kernel/view/place.ts';
import { parseNotes } from '../../read/notes.ts';
import { cpuRegisters } from '../../read/prstatus.ts';
import type { Looking } from '../looking.ts';
import type { KernelTold } from './kernel.ts';
import type { LogTold } from './log.ts';
import type { CpuReport, CrashReport } from './report.ts';

export function crashOf(
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
export function cpusOf(
  { file, view }: Looking,
  told: KernelTold | undefined,
  { cpu: dead }: CrashReport,
): CpuReport[] {
  if (file.machine !== undefined && file.machine !== 'x86_64') return [];
  const registers = cpuRegisters(parseNotes(file.notes, file.littleEndian));
  const online = told?.onlineCpus?.length === registers.length ? told.onlineCpus : undefined;
  return registers.map(({ rip, rsp, userMode, pid }, index) => {
    const cpu = online?.[index] ?? index;
    const place = view === undefined || userMode ? undefined : placeOf(view, rip);
    return { cpu, rip, rsp, userMode, place, pid, crashed: cpu === dead };
  });
}

/** Who ran on the CPU that crashed: the note knows the number, the log the name. */
export function withTask(
  crash: CrashReport,
  cpus: readonly CpuReport[],
  log: LogTold | undefined,
): CrashReport {
  if (crash.cpu === undefined) return crash;
  const pid = cpus.find(({ crashed }) => crashed)?.pid ?? log?.culprit?.pid;
  const { culprit } = log ?? {};
  const isSame = culprit !== undefined && culprit.cpu === crash.cpu && culprit.pid === pid;
  return { ...crash, pid, comm: isSame ? culprit.comm : undefined };
}
