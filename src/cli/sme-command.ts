/** `smelt sme`: the census of a dump, or a look at this machine. */

import { statSync } from 'node:fs';
import { join } from 'node:path';
import { ExitCode, SmeltError } from '../errors.ts';
import type { SmeRequest } from '../workers/report.ts';
import { type DisplayOptions, MessageLevel } from './display.ts';
import { reportFailure, reportWarnings } from './errors-out.ts';
import { withInputHint } from './hints.ts';
import type { Host } from './host.ts';
import { jsonReport } from './json.ts';
import { TerminalObserver } from './observer.ts';
import { NO_PROGRESS, progressView } from './progress.ts';
import { failureAfter, interruptible } from './signals.ts';
import { parseSme } from './sme-args.ts';
import { liveText } from './sme-live-text.ts';
import { smeText } from './sme-text.ts';
import { printable, widthOf } from './text.ts';
import type { Token } from './tokens.ts';

/** @throws SmeltError USAGE; what fails later is reported here, with the warnings that came before. */
export async function runSme(tokens: readonly Token[], display: DisplayOptions, host: Host): Promise<number> {
  const args = parseSme(tokens);
  return 'live' in args ? live(args.live, display, host) : census(args.request, display, host);
}

async function live(root: string, display: DisplayOptions, host: Host): Promise<number> {
  if (!isDirectory(join(root, 'proc'))) {
    const what = isDirectory(root) ? 'has no directory proc' : 'is no directory';
    throw new SmeltError('INPUT_OPEN', `${root}: ${what}, so it is no copy of a machine's files`, {
      hint: 'docs/sme.md lists what to copy.',
    });
  }
  const lookAtMachine = await host.loadLive();
  const report = lookAtMachine(root);
  host.stdout.write(
    display.json ? jsonReport('sme', report) : `${liveText(report, widthOf(host.stdout)).join('\n')}\n`,
  );
  return report.readable ? ExitCode.ok : ExitCode.failed;
}

function isDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    // It is not there, or nobody may look: either way there is nothing to be read below it.
    return false;
  }
}

async function census(request: SmeRequest, display: DisplayOptions, host: Host): Promise<number> {
  const progress = display.level & MessageLevel.progress ? await progressView(host) : NO_PROGRESS;
  const observer = new TerminalObserver(progress, display, host);
  using interruption = interruptible(host, () => {
    progress.end();
    const left =
      request.pagesFile === undefined
        ? ''
        : `; ${printable(request.pagesFile)}.incomplete may be left behind`;
    host.stderr.write(`smelt: stopped at once${left}\n`);
  });
  try {
    const survey = await host.loadSme();
    const report = await survey(request, observer, interruption.signal);
    progress.end();
    host.stdout.write(display.json ? jsonReport('sme', report) : `${smeText(report).join('\n')}\n`);
    reportWarnings(report.warnings, display, host);
    const { outcome } = report.verdict;
    const isRead = outcome !== 'ciphertext' && outcome !== 'private memory missing';
    return isRead && report.census !== undefined ? ExitCode.ok : ExitCode.failed;
  } catch (thrown) {
    progress.end();
    const error = withInputHint(failureAfter(thrown, interruption.signal), request.input);
    reportFailure(error, observer.warnings, display, host);
    return error.exitCode;
  }
}
