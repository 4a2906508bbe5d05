/** One way to look into a dump: its command line, its engine, and how its answer is shown. One file each beside this one. */

import { setImmediate as breathe } from 'node:timers/promises';
import { ExitCode, errnoName, SmeltError } from '../../errors.ts';
import { beginsAsPart } from '../../read/part-header.ts';
import type { DumpObserver, InputRequest, RunReport } from '../../workers/report.ts';
import { accessOf, inputsOf, parseRaw, type RawArgs, readValues } from '../args.ts';
import type { Command } from '../commands.ts';
import { type DisplayOptions, MessageLevel } from '../display.ts';
import { reportFailure, reportWarnings } from '../errors-out.ts';
import { withInputHint } from '../hints.ts';
import type { Host } from '../host.ts';
import { jsonTexts, type Reports } from '../json.ts';
import { TerminalObserver } from '../observer.ts';
import type { LookName } from '../option.ts';
import type { OptionValues } from '../options.ts';
import { NO_PROGRESS, progressView } from '../progress.ts';
import { failureAfter, interruptible } from '../signals.ts';
import { hasColours, widthOf } from '../text.ts';
import type { Token } from '../tokens.ts';
import { quoted } from '../values.ts';

/** What every look has in common. */
export interface LookArgs {
  readonly values: OptionValues;
  /** Behind the file, or files, that are looked at. */
  readonly operands: readonly string[];
  readonly request: InputRequest;
}

/** Where an answer is shown. */
export interface Screen {
  readonly width: number;
  readonly isTerminal: boolean;
  /** Whether colours are wanted. */
  readonly coloured: boolean;
}

export type Looks = typeof import('../../inspect/looks.ts');

export interface Look<Request extends InputRequest, Name extends keyof Reports & LookName> {
  readonly name: Name;
  /** @throws SmeltError USAGE */
  readonly parse: (args: LookArgs) => Request;
  readonly run: (
    looks: Looks,
    request: Request,
    observer: DumpObserver,
    signal: AbortSignal,
    /** Takes what is the answer itself and may be much; with --json nobody does. */
    pass: Host['stdout']['pass'],
    screen: Screen,
  ) => Promise<Reports[Name]>;
  /** Lines; undefined: all was passed already. */
  readonly text: (report: Reports[Name], screen: Screen) => readonly string[] | undefined;
  readonly exitCode?: (report: Reports[Name]) => ExitCode;
}

/** @throws SmeltError USAGE */
export function lookArgs(
  tokens: readonly Token[],
  { name, operands: wanted }: Pick<Command, 'name' | 'operands'>,
): LookArgs {
  const raw: RawArgs = parseRaw(tokens, name);
  const values = readValues(raw);
  const [first] = raw.operands;
  const hint = `\`smelt ${name} ${wanted.join(' ')}\`; \`smelt ${name} --help\` has examples.`;
  if (first === undefined) throw new SmeltError('USAGE', 'VMCORE is missing', { hint });
  if (first === '') throw new SmeltError('USAGE', 'the name of VMCORE is empty', { hint });
  const files = filesAmong(raw.operands, wanted);
  const operands = raw.operands.slice(files);
  if (operands.length >= wanted.length && !MANY.test(wanted.at(-1)!)) {
    const extra = operands[wanted.length - 1]!;
    throw new SmeltError('USAGE', `${quoted(extra)} is one operand too many`, { hint });
  }
  return {
    values,
    operands,
    request: { ...inputsOf(raw.operands.slice(0, files)), ...accessOf(values) },
  };
}

/** What stands last where all operands are files, and the engine finds out which belong together. */
const MORE_FILES = '…';

/** What stands last where it may be given more than once. */
const MANY = /…\]?$/;

/** How many operands are VMCORE: all that there are, or, where more is asked for, those that are files which may be parts of one split dump. */
function filesAmong(operands: readonly string[], wanted: readonly string[]): number {
  if (wanted.length === 1) return operands.length;
  if (wanted.at(-1) === MORE_FILES) return 1;
  const other = operands.findIndex((operand) => !beginsAsPart(operand));
  return other < 0 ? operands.length : Math.max(1, other);
}

/** @throws SmeltError USAGE; what fails later is reported here, with the warnings that came before. */
export async function runLook<Request extends InputRequest, Name extends keyof Reports & LookName>(
  look: Look<Request, Name>,
  command: Pick<Command, 'name' | 'operands'>,
  tokens: readonly Token[],
  asked: DisplayOptions,
  host: Host,
): Promise<number> {
  const request = look.parse(lookArgs(tokens, command));
  // The answer is on standard output, perhaps in a pager: of the input it says itself what matters.
  const display = { ...asked, level: asked.level & ~MessageLevel.common };
  const progress = display.level & MessageLevel.progress ? await progressView(host) : NO_PROGRESS;
  const observer = new TerminalObserver(progress, display, host);
  using interruption = interruptible(host, () => {
    progress.end();
    host.stderr.write('smelt: stopped at once\n');
  });
  let begun = false;
  try {
    const looks = await host.loadLooks();
    const screen: Screen = screenOf(host);
    const pass = display.json ? async () => {} : host.stdout.pass.bind(host.stdout);
    const passed: typeof pass = async (data) => {
      progress.end();
      await pass(data);
    };
    const report = await look.run(looks, request, observer, interruption.signal, passed, screen);
    progress.end();
    for (const piece of pieces(answer(look, report, screen, display))) {
      interruption.signal.throwIfAborted();
      await host.stdout.pass(piece);
      begun = true;
      await breathe();
    }
    reportWarnings((report as RunReport).warnings, display, host);
    return look.exitCode?.(report) ?? ExitCode.ok;
  } catch (thrown) {
    progress.end();
    const error = withInputHint(failureAfter(thrown, interruption.signal), request.input);
    // Who closed the pager has seen enough.
    if (isClosedPipe(error)) return ExitCode.ok;
    // A line of its own for the failure.
    if (begun && display.json) host.stdout.write('\n');
    reportFailure(error, observer.warnings, display, host);
    return error.exitCode;
  }
}

/** The answer bit by bit: of a hostile dump it may be more than one string holds. */
function* answer<Request extends InputRequest, Name extends keyof Reports & LookName>(
  look: Look<Request, Name>,
  report: Reports[Name],
  screen: Screen,
  { json }: DisplayOptions,
): Generator<string> {
  if (json) yield* jsonTexts(look.name, report);
  else for (const line of look.text(report, screen) ?? []) yield `${line}\n`;
}

/** What is passed on at once. */
const PIECE_CHARACTERS = 1024 * 1024;

function* pieces(texts: Iterable<string>): Generator<string> {
  let held: string[] = [];
  let characters = 0;
  for (const text of texts) {
    held.push(text);
    characters += text.length;
    if (characters < PIECE_CHARACTERS) continue;
    yield held.join('');
    held = [];
    characters = 0;
  }
  if (held.length > 0) yield held.join('');
}

function isClosedPipe({ code, cause }: SmeltError): boolean {
  return code === 'WRITE' && errnoName(cause) === 'EPIPE';
}

export function screenOf({ stdout, env }: Pick<Host, 'stdout' | 'env'>): Screen {
  return { width: widthOf(stdout), isTerminal: stdout.isTTY, coloured: hasColours(stdout, env) };
}
