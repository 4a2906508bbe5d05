/** `smelt dump`: the engine run between a person's terminal and its signals. */

import { ExitCode, SmeltError } from '../errors.ts';
import { type DumpReport, type DumpRequest, outputPaths } from '../workers/report.ts';
import { parseConvert, parseDump } from './args.ts';
import { checked } from './check-params.ts';
import { type DisplayOptions, MessageLevel } from './display.ts';
import { finalCode, reportFailure, reportWarnings } from './errors-out.ts';
import { withInputHint, withSpaceHint } from './hints.ts';
import type { Host } from './host.ts';
import { jsonReport } from './json.ts';
import { TerminalObserver } from './observer.ts';
import { NO_PROGRESS, progressView } from './progress.ts';
import { failureAfter, interruptible } from './signals.ts';
import { statsText } from './stats-text.ts';
import { summary } from './summary.ts';
import { printable } from './text.ts';
import { given, type Token } from './tokens.ts';

/** @throws SmeltError USAGE; what fails later is reported here, with the warnings that came before. */
export async function runDump(
  tokens: readonly Token[],
  display: DisplayOptions,
  host: Host,
): Promise<number> {
  if (given(tokens, 'dump-dmesg'))
    return (await import('./dmesg-command.ts')).runDmesg(tokens, display, host);
  if (given(tokens, 'g'))
    return (await import('./vmcoreinfo-command.ts')).runVmcoreinfo(tokens, display, host);
  if (given(tokens, 'mem-usage')) return (await import('./usage-command.ts')).runUsage(tokens, display, host);
  if (given(tokens, 'R')) return (await import('./rearrange-command.ts')).runRearrange(tokens, display, host);
  if (given(tokens, 'reassemble'))
    return (await import('./reassemble-command.ts')).runReassemble(tokens, display, host);
  return runRequest('dump', parseDump(tokens), tokens, display, host);
}

/** `smelt convert`: a dump of everything, in the format that is asked for. @throws SmeltError USAGE */
export async function runConvert(
  tokens: readonly Token[],
  display: DisplayOptions,
  host: Host,
): Promise<number> {
  return runRequest('convert', parseConvert(tokens), tokens, display, host);
}

async function runRequest(
  command: 'dump' | 'convert',
  request: DumpRequest,
  tokens: readonly Token[],
  display: DisplayOptions,
  host: Host,
): Promise<number> {
  if (given(tokens, 'check-params')) return checked(display, host);
  if (request.stream !== undefined && host.isStdoutClosed()) {
    throw new SmeltError('USAGE', '-F writes the dump to standard output, and that is closed', {
      hint: 'Redirect it to a file or a pipe: smelt -F VMCORE > DUMPFILE.',
    });
  }
  if (request.stream !== undefined && !request.dryRun && host.stdout.isTTY) {
    throw new SmeltError('USAGE', '-F would write the dump to this terminal', {
      hint: 'Redirect it to a file or a pipe: smelt -F VMCORE > DUMPFILE.',
    });
  }
  const debug = debugWriter(display, host);
  debug(
    `request ${JSON.stringify(request, (_key, value) => (typeof value === 'bigint' ? `0x${value.toString(16)}` : value))}`,
  );

  const progress = display.level & MessageLevel.progress ? await progressView(host) : NO_PROGRESS;
  const observer = new TerminalObserver(progress, display, host);
  using interruption = interruptible(host, () => {
    progress.end();
    const [first, ...others] = request.dryRun ? [] : outputPaths(request);
    const more = others.length === 0 ? '' : ` and the other parts`;
    const left = first === undefined ? '' : `; ${printable(first)}.incomplete${more} may be left behind`;
    host.stderr.write(`smelt: stopped at once${left}\n`);
  });
  try {
    const engine = await host.loadEngine();
    const report = await engine(request, observer, interruption.signal);
    progress.end();
    tell(command, report, request, display, host);
    return ExitCode.ok;
  } catch (thrown) {
    progress.end();
    const failure = failureAfter(thrown, interruption.signal);
    const error = withSpaceHint(withInputHint(failure, request.input), request);
    reportFailure(error, observer.warnings, display, host);
    // Another program must not go on where this one stopped.
    return observer.streamBegan ? error.exitCode : finalCode(error, tokens, host);
  }
}

function tell(
  command: 'dump' | 'convert',
  report: DumpReport,
  request: DumpRequest,
  display: DisplayOptions,
  host: Host,
): void {
  if (display.level & (MessageLevel.common | MessageLevel.report))
    host.stderr.write(`${summary(report, request.threads)}\n`);
  // makedumpfile's report is on standard output, where scripts look for it.
  if (display.level & MessageLevel.report) {
    const on = display.json ? 'stderr' : display.jsonOn;
    host[on].write(`\n${statsText(report).join('\n')}\n\n`);
  }
  reportWarnings(report.warnings, display, host);
  if (display.json) host[display.jsonOn].write(jsonReport(command, report));
}

function debugWriter(display: DisplayOptions, host: Host): (text: string) => void {
  if (!(display.level & MessageLevel.debug)) return () => {};
  return (text) => host.stderr.write(`debug: ${printable(text)}\n`);
}
