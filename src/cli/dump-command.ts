/** `smelt dump`: the engine run between a person's terminal and its signals. */

import { ExitCode } from '../errors.ts';
import type { DumpReport } from '../workers/report.ts';
import { parseDump } from './args.ts';
import { checked } from './check-params.ts';
import { type DisplayOptions, MessageLevel } from './display.ts';
import { exitCodeOf, reportFailure, reportWarnings } from './errors-out.ts';
import { withInputHint, withSpaceHint } from './hints.ts';
import type { Host } from './host.ts';
import { jsonReport } from './json.ts';
import { TerminalObserver } from './observer.ts';
import { NO_PROGRESS, progressView } from './progress.ts';
import { failureAfter, interruptible } from './signals.ts';
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
  const request = parseDump(tokens);
  if (given(tokens, 'check-params')) return checked(display, host);
  const debug = debugWriter(display, host);
  debug(
    `request ${JSON.stringify(request, (_key, value) => (typeof value === 'bigint' ? `0x${value.toString(16)}` : value))}`,
  );

  const progress = display.level & MessageLevel.progress ? await progressView(host) : NO_PROGRESS;
  const observer = new TerminalObserver(progress, display, host);
  using interruption = interruptible(host, () => {
    progress.end();
    const left =
      request.output === undefined || request.dryRun
        ? ''
        : `; ${printable(request.output)}.incomplete may be left behind`;
    host.stderr.write(`smelt: stopped at once${left}\n`);
  });
  try {
    const engine = await host.loadEngine();
    const report = await engine(request, observer, interruption.signal);
    progress.end();
    tell(report, request.threads, display, host);
    return ExitCode.ok;
  } catch (thrown) {
    progress.end();
    const failure = failureAfter(thrown, interruption.signal);
    const error = withSpaceHint(withInputHint(failure, request.input), request);
    reportFailure(error, observer.warnings, display, host);
    return exitCodeOf(error, host);
  }
}

function tell(
  report: DumpReport,
  askedThreads: number | undefined,
  display: DisplayOptions,
  host: Host,
): void {
  if (display.level & (MessageLevel.common | MessageLevel.report))
    host.stderr.write(`${summary(report, askedThreads)}\n`);
  reportWarnings(report.warnings, display, host);
  if (display.json) host.stdout.write(jsonReport('dump', report));
}

function debugWriter(display: DisplayOptions, host: Host): (text: string) => void {
  if (!(display.level & MessageLevel.debug)) return () => {};
  return (text) => host.stderr.write(`debug: ${printable(text)}\n`);
}
