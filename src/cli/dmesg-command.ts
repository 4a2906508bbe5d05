/** `smelt --dump-dmesg`: the kernel log, and what is said of it. */

import { ExitCode } from '../errors.ts';
import { checked } from './check-params.ts';
import { type DisplayOptions, MessageLevel } from './display.ts';
import { parseDmesg } from './dmesg-args.ts';
import { exitCodeOf, reportFailure, reportWarnings } from './errors-out.ts';
import { duration, logSize } from './format.ts';
import { withInputHint } from './hints.ts';
import type { Host } from './host.ts';
import { jsonReport } from './json.ts';
import { TerminalObserver } from './observer.ts';
import { NO_PROGRESS, progressView } from './progress.ts';
import { failureAfter, interruptible } from './signals.ts';
import { printable } from './text.ts';
import { given, type Token } from './tokens.ts';

/** @throws SmeltError USAGE; what fails later is reported here, with the warnings that came before. */
export async function runDmesg(tokens: readonly Token[], asked: DisplayOptions, host: Host): Promise<number> {
  const request = parseDmesg(tokens);
  if (given(tokens, 'check-params')) return checked(asked, host);
  const { input, output } = request;
  // On standard output there is the log, perhaps in a pager: nothing but what goes wrong is said beside it.
  const display = output === undefined ? { ...asked, level: asked.level & ~MessageLevel.common } : asked;
  const progress = display.level & MessageLevel.progress ? await progressView(host) : NO_PROGRESS;
  const observer = new TerminalObserver(progress, display, host);
  using interruption = interruptible(host, () => {
    progress.end();
    const left = output === undefined ? '' : `; ${printable(output)}.incomplete may be left behind`;
    host.stderr.write(`smelt: stopped at once${left}\n`);
  });
  try {
    const engine = await host.loadDmesg();
    const report = await engine(request, observer, interruption.signal, (text) => host.stdout.pass(text));
    progress.end();
    if (display.level & (MessageLevel.common | MessageLevel.report)) {
      const { log, totalMs } = report;
      const state = log.lostRecords > 0 ? 'incomplete' : 'complete';
      const where = log.path === undefined ? 'on standard output' : printable(log.path);
      host.stderr.write(`kernel log ${state}: ${where}\n  ${logSize(log)}, ${duration(totalMs)}\n`);
    }
    reportWarnings(report.warnings, display, host);
    if (display.json) host.stdout.write(jsonReport('dmesg', report));
    return ExitCode.ok;
  } catch (thrown) {
    progress.end();
    const error = withInputHint(failureAfter(thrown, interruption.signal), input);
    reportFailure(error, observer.warnings, display, host);
    return exitCodeOf(error, host);
  }
}
