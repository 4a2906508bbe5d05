/** `smelt bt` */

import { SmeltError } from '../../errors.ts';
import type { BtReport, BtRequest, FrameReport, StackReport } from '../../inspect/bt.ts';
import type { Task } from '../../kernel/tasks/task-list.ts';
import type { DisplayOptions } from '../display.ts';
import type { Host } from '../host.ts';
import { hang, printable } from '../text.ts';
import type { Token } from '../tokens.ts';
import { lookCommand } from './commands.ts';
import { type Look, type LookArgs, runLook, type Screen } from './look.ts';
import { inputLine, readWho } from './where.ts';

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
  const whom = operands.length === 0 ? undefined : operands.map(readWho);
  const ways = [whom, values.cpu, values.all, values.tasks].filter((way) => way !== undefined);
  if (ways.length > 1) {
    throw new SmeltError('USAGE', 'a task, --cpu, --all and --tasks ask for different stacks', {
      hint: 'Give one of them.',
    });
  }
  if (values.all) return { ...request, which: { kind: 'every CPU' } };
  if (values.tasks) return { ...request, which: { kind: 'every task' } };
  if (values.cpu !== undefined)
    return { ...request, which: { kind: 'these', whom: [{ kind: 'cpu', cpu: values.cpu }] } };
  return { ...request, which: whom === undefined ? { kind: 'crashed' } : { kind: 'these', whom } };
}

function text({ input, stacks, panicCpu }: BtReport, { width }: Screen): string[] {
  const crashed = panicCpu === undefined ? 'it did not panic' : `CPU ${panicCpu} panicked`;
  return [inputLine(input, crashed, width), ...stacks.flatMap((stack) => ['', ...stackText(stack, width)])];
}

function stackText({ cpu, task, frames, noted, problem }: StackReport, width: number): string[] {
  const lines = task === undefined ? unknownTask(cpu) : taskLines(task);
  if (noted !== undefined && frames.length === 0 && problem === undefined)
    lines.push('    in user space:', ...registerLines(noted));
  else if (noted !== undefined && frames[0]?.isInterrupted) lines.push(...registerLines(noted));
  const digits = String(Math.max(0, frames.length - 1)).length;
  const why = problem === undefined ? [] : hang('    ', problem.split(' '), width);
  // What is guessed is said before it stands there.
  const unsure = frames.findIndex(({ isGuess }) => isGuess);
  let stack: string | undefined;
  for (const [i, frame] of frames.entries()) {
    if (i > 0 && frame.stack !== stack && frame.stack !== undefined)
      lines.push(`    --- from the ${stack ?? 'unknown'} stack to the ${frame.stack} stack ---`);
    stack = frame.stack ?? stack;
    if (i === unsure) lines.push(...why);
    lines.push(`${frame.isGuess ? '?' : ' '}#${String(i).padEnd(digits)} ${frameText(frame)}`);
    if (frame.registers !== undefined) lines.push(...registerLines(frame.registers));
  }
  if (unsure < 0) lines.push(...why);
  return lines;
}

function taskLines({ pid, comm, cpu, vaddr, state, isRunning, ranBy, isKernelThread }: Task): string[] {
  const name = printable(comm);
  const by = ranBy === 'PID' ? 'the PID' : 'the stack pointer';
  return [
    `PID ${pid}  ${isKernelThread ? `[${name}]` : name}  CPU ${cpu}${isRunning ? '' : ', not running'}` +
      `  ${state}  task ${vaddr.toString(16)}`,
    ...(isRunning && ranBy !== 'runqueue'
      ? [`    CPU ${cpu}'s runqueue cannot be read: found by ${by} in its note`]
      : []),
  ];
}

function unknownTask(cpu: number): string[] {
  return [
    `CPU ${cpu}  what it ran is not in the dump`,
    '    the registers that it noted, and where they lead:',
  ];
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
