/** `smelt ps` */

import type { PsReport, PsRequest } from '../../inspect/ps.ts';
import { count } from '../../units.ts';
import { columns } from '../columns.ts';
import type { DisplayOptions } from '../display.ts';
import type { Host } from '../host.ts';
import { printable } from '../text.ts';
import type { Token } from '../tokens.ts';
import { lookCommand } from './commands.ts';
import { type Look, runLook, type Screen } from './look.ts';
import { inputLine, readWho } from './where.ts';

export const runPs = (tokens: readonly Token[], display: DisplayOptions, host: Host) =>
  runLook(look, lookCommand('ps'), tokens, display, host);

const look: Look<PsRequest, 'ps'> = {
  name: 'ps',
  parse: ({ operands, request }) =>
    operands.length === 0 ? request : { ...request, whom: operands.map(readWho) },
  run: (looks, request, observer, signal) => looks.ps(request, observer, signal),
  text,
};

const HEADS = ['PID', 'PPID', 'CPU', 'TASK', 'ST', '%MEM', 'VSZ', 'RSS', 'COMM'];
const KIB = 1024;

function text({ input, tasks, totalTasks, cpus, memoryBytes }: PsReport, { width }: Screen): string[] {
  const rows = tasks.map(({ pid, ppid, cpu, vaddr, state, memory, comm, isKernelThread }) => {
    const resident = memory?.residentBytes ?? 0;
    const share = memoryBytes === undefined ? undefined : (resident / memoryBytes) * 100;
    const name = printable(comm);
    return [
      String(pid),
      String(ppid ?? '?'),
      String(cpu),
      vaddr.toString(16),
      state,
      memory === undefined || share === undefined ? '' : share.toFixed(1),
      memory === undefined ? '' : count(memory.virtualBytes / KIB),
      memory === undefined ? '' : count(resident / KIB),
      isKernelThread ? `[${name}]` : name,
    ];
  });
  const lines = columns(
    ['right', 'right', 'right', 'left', 'left', 'right', 'right', 'right', 'left'],
    [HEADS, ...rows],
  );
  const [head, ...others] = lines;
  const some = tasks.length === totalTasks ? '' : `${count(tasks.length)} of `;
  const all = `${some}${count(totalTasks)} tasks, ${cpus.length === 1 ? '1 CPU' : `${cpus.length} CPUs`}`;
  return [
    inputLine(input, all, width),
    '> a CPU ran it when the dump was made; VSZ and RSS in KiB',
    '',
    head!,
    ...others.map((line, i) => (tasks[i]!.isRunning ? `>${line.slice(1)}` : line)),
  ];
}
