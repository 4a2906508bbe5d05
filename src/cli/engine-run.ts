/** An engine that writes one file, run between a person's terminal and its signals: what every such command does around it. */

import { ExitCode } from '../errors.ts';
import type { DumpObserver } from '../workers/report.ts';
import { type DisplayOptions, MessageLevel } from './display.ts';
import { exitCodeOf, reportFailure, reportWarnings } from './errors-out.ts';
import { withInputHint } from './hints.ts';
import type { Host } from './host.ts';
import { jsonReport, type Reports } from './json.ts';
import { TerminalObserver } from './observer.ts';
import { NO_PROGRESS, progressView } from './progress.ts';
import { failureAfter, interruptible } from './signals.ts';
import { printable } from './text.ts';

export interface EngineRun<C extends keyof Reports> {
  readonly command: C;
  readonly input: string;
  /** Undefined: nothing is written. */
  readonly output: string | undefined;
  readonly work: (observer: DumpObserver, signal: AbortSignal) => Promise<Reports[C]>;
  readonly summary: (report: Reports[C]) => string;
}

/** Tells what came of it, good or bad; gives the exit code. */
export async function runEngine<C extends keyof Reports>(
  { command, input, output, work, summary }: EngineRun<C>,
  display: DisplayOptions,
  host: Host,
): Promise<number> {
  const progress = display.level & MessageLevel.progress ? await progressView(host) : NO_PROGRESS;
  const observer = new TerminalObserver(progress, display, host);
  using interruption = interruptible(host, () => {
    progress.end();
    const left = output === undefined ? '' : `; ${printable(output)}.incomplete may be left behind`;
    host.stderr.write(`smelt: stopped at once${left}\n`);
  });
  const { signal } = interruption;
  try {
    const report = await work(observer, signal);
    progress.end();
    if (display.level & (MessageLevel.common | MessageLevel.report))
      host.stderr.write(`${summary(report)}\n`);
    reportWarnings(observer.warnings, display, host);
    if (display.json) host.stdout.write(jsonReport(command, report));
    return ExitCode.ok;
  } catch (thrown) {
    progress.end();
    const error = withInputHint(failureAfter(thrown, signal), input);
    reportFailure(error, observer.warnings, display, host);
    return exitCodeOf(error, host);
  }
}
