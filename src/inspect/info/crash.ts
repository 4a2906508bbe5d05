/** Whether the kernel crashed, when, why and where: what its variables, its log and the notes say together. */

import { readClocks } from '../../kernel/timekeeper.ts';
import { isUserMode } from '../../kernel/unwind/registers.ts';
import { type Noted, notedByCpus, notedIn } from '../../kernel/unwind/starts.ts';
import type { KernelView } from '../../kernel/view/view.ts';
import { parseNotes } from '../../read/notes.ts';
import { FIRST_VIRTUAL } from '../address.ts';
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
  const byKernel = told?.crashed;
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
  return {
    crashed,
    timeMs: time?.[0],
    timeFrom: time?.[1],
    uptimeMs: uptime?.[0],
    uptimeFrom: uptime?.[1],
    message: message?.text,
    firstTrouble: log?.firstTrouble,
    cpu: told?.crashedCpu ?? (crashed === true ? log?.culprit?.cpu : undefined),
    pid: undefined,
    comm: undefined,
  };
}

/** Each note with registers is of the CPU that noted the same in memory; else they are in the order of the CPUs. */
export function cpusOf(
  { file, view }: Looking,
  told: KernelTold | undefined,
  { cpu: dead }: CrashReport,
): CpuReport[] {
  if (file.machine !== undefined && file.machine !== 'x86_64') return [];
  const notes = () => parseNotes(file.notes, file.littleEndian);
  const byCpu = [...(view && told ? notedByCpus(view, told.cpus, notes()) : [])];
  const numbers = new Map(byCpu.map(([cpu, { registers }]) => [keyOf(registers), cpu]));
  const inFile = notedIn(notes());
  const noted = inFile.length > 0 ? inFile : byCpu.map(([, each]) => each);
  return noted
    .map(({ registers, pid }, index) => {
      const { rip, rsp } = registers;
      const cpu = numbers.get(keyOf(registers)) ?? index;
      const userMode = isUserMode(registers);
      const place = view === undefined || userMode ? undefined : nameOf(view, rip);
      return { cpu, rip, rsp, userMode, place, pid, crashed: cpu === dead };
    })
    .sort((a, b) => a.cpu - b.cpu);
}

const keyOf = ({ rip, rsp }: Noted['registers']) => `${rip} ${rsp}`;

/** "default_idle+0xb", "nf_hook+0x10 [nf_tables]"; undefined where no symbol of the kernel is. */
function nameOf(view: KernelView, vaddr: bigint): string | undefined {
  const place = vaddr < FIRST_VIRTUAL ? undefined : view.placeOf(vaddr);
  if (place === undefined) return undefined;
  const offset = place.offset === 0 ? '' : `+0x${place.offset.toString(16)}`;
  return `${place.name}${offset}${place.module === undefined ? '' : ` [${place.module}]`}`;
}

/** Who ran on the CPU that crashed: the note knows the number, the log the name. */
export function withTask(
  crash: CrashReport,
  cpus: readonly CpuReport[],
  log: LogTold | undefined,
): CrashReport {
  if (crash.cpu === undefined) return crash;
  // What the log says of another CPU is no answer.
  const culprit = log?.culprit?.cpu === crash.cpu ? log.culprit : undefined;
  const pid = cpus.find(({ crashed }) => crashed)?.pid ?? culprit?.pid;
  return { ...crash, pid, comm: culprit?.pid === pid ? culprit?.comm : undefined };
}
