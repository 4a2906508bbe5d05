/** `smelt --mem-usage`: how many pages are of which kind. */

import { ExitCode } from '../errors.ts';
import { checked } from './check-params.ts';
import { type DisplayOptions, MessageLevel } from './display.ts';
import { exitCodeOf, reportFailure, reportWarnings } from './errors-out.ts';
import { withInputHint } from './hints.ts';
import type { Host } from './host.ts';
import { jsonReport } from './json.ts';
import { TerminalObserver } from './observer.ts';
import { NO_PROGRESS, progressView } from './progress.ts';
import { failureAfter, interruptible } from './signals.ts';
import { given, type Token } from './tokens.ts';
import { parseUsage } from './usage-args.ts';
import { usageText } from './usage-text.ts';

/** @throws SmeltError USAGE; what fails later is reported here, with the warnings that came before. */
export async function runUsage(
  tokens: readonly Token[],
  display: DisplayOptions,
  host: Host,
): Promise<number> {
  const request = parseUsage(tokens);
  if (given(tokens, 'check-params')) return checked(display, host);
  const progress = display.level & MessageLevel.progress ? await progressView(host) : NO_PROGRESS;
  const observer = new TerminalObserver(progress, display, host);
  using interruption = interruptible(host, () => {
    progress.end();
    host.stderr.write('smelt: stopped at once\n');
  });
  try {
    const engine = await host.loadUsage();
    const report = await engine(request, observer, interruption.signal);
    progress.end();
    host.stdout.write(display.json ? jsonReport('mem-usage', report) : `${usageText(report).join('\n')}\n`);
    reportWarnings(report.warnings, display, host);
    return ExitCode.ok;
  } catch (thrown) {
    progress.end();
    const error = withInputHint(failureAfter(thrown, interruption.signal), request.input);
    reportFailure(error, observer.warnings, display, host);
    return exitCodeOf(error, host);
  }
}
