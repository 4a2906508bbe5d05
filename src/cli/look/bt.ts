/** `smelt bt` */

import { SmeltError } from '../../errors.ts';
import type { BtReport, BtRequest, FrameReport, StackReport } from '../../inspect/bt.ts';
import type { DisplayOptions } from '../display.ts';
import type { Host } from '../host.ts';
import { printable } from '../text.ts';
import type { Token } from '../tokens.ts';
import { quoted } from '../values.ts';
import { lookCommand } from './commands.ts';
import { type Look, type LookArgs, runLook, type Screen } from './look.ts';
import { inputLine, readCpu } from './where.ts';

export const runBt = (tokens: readonly Token[], display: DisplayOptions, host: Host) =>
  runLook(look, lookCommand('bt'), tokens, display, host);

const look: Look<BtRequest, 'bt'> = {
  name: 'bt',
  parse,
  run: (looks, request, observer, signal) => looks.bt(request, observer, signal),
  text,
};

/** @throws SmeltError USAGE */
function parse({ values, operands, request }: LookArgs): BtRequest {
  const [which] = operands;
  const ways = [which, values.cpu, values.all, values.tasks].filter((way) => way !== undefined);
  if (ways.length > 1) {
    throw new SmeltError('USAGE', 'a PID, --cpu, --all and --tasks ask for different stacks', {
      hint: 'Give one of them.',
    });
  }
  if (values.all) return { ...request, which: { kind: 'every CPU' } };
  if (values.tasks) return { ...request, which: { kind: 'every task' } };
  if (values.cpu !== undefined) return { ...request, which: { kind: 'cpu', cpu: values.cpu } };
  if (which === undefined) return { ...request, which: { kind: 'crashed' } };
  const cpu = /^cpu(.*)$/i.exec(which);
  if (cpu !== null) return { ...request, which: { kind: 'cpu', cpu: readCpu(cpu[1]!) } };
  if (/^\d{1,10}$/.test(which)) return { ...request, which: { kind: 'pid', pid: Number(which) } };
  throw new SmeltError('USAGE', `${quoted(which)}: is no PID, and no CPU`, {
    hint: 'A PID is a number (118), a CPU is cpu and its number (cpu2), and a further part of a split dump a file.',
  });
}

function text({ input, stacks, panicCpu }: BtReport, { width }: Screen): string[] {
  const crashed = panicCpu === undefined ? 'it did not panic' : `CPU ${panicCpu} panicked`;
  return [inputLine(input, crashed, width), ...stacks.flatMap((stack) => ['', ...stackText(stack)])];
}

function stackText({ task, frames, noted, problem }: StackReport): string[] {
  const { pid, comm, cpu, vaddr, state, isRunning, isKernelThread } = task;
  const name = printable(comm);
  const lines = [
    `PID ${pid}  ${isKernelThread ? `[${name}]` : name}  CPU ${cpu}${isRunning ? '' : ', not running'}` +
      `  ${state}  task ${vaddr.toString(16)}`,
  ];
  if (noted !== undefined && frames.length === 0 && problem === undefined)
    lines.push('    in user space:', ...registerLines(noted));
  else if (noted !== undefined && frames[0]?.isInterrupted) lines.push(...registerLines(noted));
  const width = String(Math.max(0, frames.length - 1)).length;
  let stack: string | undefined;
  for (const [i, frame] of frames.entries()) {
    if (i > 0 && frame.stack !== stack && frame.stack !== undefined)
      lines.push(`    --- from the ${stack ?? 'unknown'} stack to the ${frame.stack} stack ---`);
    stack = frame.stack ?? stack;
    lines.push(`${frame.isGuess ? '?' : ' '}#${String(i).padEnd(width)} ${frameText(frame)}`);
    if (frame.registers !== undefined) lines.push(...registerLines(frame.registers));
  }
  if (problem !== undefined) lines.push(`    ${problem}`);
  return lines;
}

/** "[ffffd3b040013c80] __crash_kexec+0x87 at ffffffffb8974117" */
function frameText({ slot, ip, name, module, offset }: FrameReport): string {
  const at = slot === undefined ? ' '.repeat(18) : `[${hex(slot)}]`;
  const where = module === undefined ? '' : ` [${printable(module)}]`;
  const place = name === undefined ? '(no symbol)' : `${printable(name)}+0x${offset!.toString(16)}${where}`;
  return `${at} ${place} at ${hex(ip)}`;
}

/** As crash has them. */
const ORDER = [
  ['rip', 'rsp', 'rflags'],
  ['rax', 'rbx', 'rcx'],
  ['rdx', 'rsi', 'rdi'],
  ['rbp', 'r8', 'r9'],
  ['r10', 'r11', 'r12'],
  ['r13', 'r14', 'r15'],
  ['orig_rax', 'cs', 'ss'],
];
const DIGITS: Readonly<Record<string, number>> = { rflags: 8, cs: 4, ss: 4 };

function registerLines(registers: NonNullable<FrameReport['registers']>): string[] {
  const values = registers as Readonly<Record<string, bigint | undefined>>;
  return ORDER.flatMap((row) => {
    const cells = row.flatMap((name) => {
      const value = values[name];
      const digits = DIGITS[name] ?? 16;
      return value === undefined
        ? []
        : [`${name.toUpperCase().padStart(3)}: ${value.toString(16).padStart(digits, '0')}`];
    });
    return cells.length === 0 ? [] : [`    ${cells.join('  ')}`];
  });
}

function hex(value: bigint): string {
  return value.toString(16).padStart(16, '0');
}
