/** `smelt bench`: measurements on their way to a table, a picture, or a program. */

import { lstatSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import type { BenchObserver, BenchReport } from '../bench/report.ts';
import { ExitCode, SmeltError, systemReason } from '../errors.ts';
import { type BenchArgs, parseBench } from './bench-args.ts';
import { drawChart } from './bench-chart.ts';
import { stepLine } from './bench-progress.ts';
import { benchTable } from './bench-table.ts';
import { type DisplayOptions, MessageLevel } from './display.ts';
import { reportFailure, reportWarnings } from './errors-out.ts';
import { withInputHint } from './hints.ts';
import type { Host } from './host.ts';
import { jsonReport } from './json.ts';
import { NO_TEXT, textView } from './line-view.ts';
import { failureAfter, interruptible } from './signals.ts';
import { inputLine } from './summary.ts';
import { printable, widthOf } from './text.ts';
import type { Token } from './tokens.ts';

/** @throws SmeltError USAGE and TARGET, before anything is measured; what fails later is reported here. */
export async function runBench(
  tokens: readonly Token[],
  display: DisplayOptions,
  host: Host,
): Promise<number> {
  const { request, chart } = parseBench(tokens, host.program);
  if (chart !== undefined) checkChart(chart);
  const steps = display.level & MessageLevel.progress ? textView(host.stderr) : NO_TEXT;
  const warnings: string[] = [];
  // Where both end on one terminal, the table need not say again what stands above it, and has the warnings.
  const together = host.stdout.isTTY && host.stderr.isTTY && !display.json;
  let inputShown = false;
  let workDir = request.workDir;
  const observer: BenchObserver = {
    onInput: (input) => {
      steps.end();
      if (!(display.level & MessageLevel.common)) return;
      host.stderr.write(`${inputLine(input, widthOf(host.stderr))}\n`);
      inputShown = together;
    },
    onStep: (step) => steps.show(() => stepLine(step)),
    onWarning: (sentence) => warnings.push(sentence),
    onWorkDir: (path) => {
      workDir = path;
    },
  };
  using interruption = interruptible(host, () => {
    steps.end();
    host.stderr.write(`smelt: stopped at once; ${printable(workDir)} may be left behind\n`);
  });
  try {
    const bench = await host.loadBench();
    const report = await bench(request, observer, interruption.signal);
    steps.end();
    // What was measured is told before anything that can still fail.
    const table = () => benchTable(report, { inputShown });
    host.stdout.write(display.json ? jsonReport('bench', report) : `${table()}\n`);
    if (chart !== undefined) writeChart(chart, report);
    if (!together) reportWarnings(report.warnings, display, host);
    return ExitCode.ok;
  } catch (thrown) {
    steps.end();
    const error = withInputHint(failureAfter(thrown, interruption.signal), request.input);
    reportFailure(error, warnings, display, host);
    return error.exitCode;
  }
}

type Chart = NonNullable<BenchArgs['chart']>;

/** Hours of measuring must not end at a name that was taken from the beginning. */
function checkChart({ path, overwrite }: Chart): void {
  const directory = dirname(path);
  if (!statSync(directory, { throwIfNoEntry: false })?.isDirectory()) {
    throw new SmeltError('TARGET', `${path}: there is no directory ${directory}`, {
      hint: 'Make it first, or give another place.',
    });
  }
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined || (overwrite && stat.isFile())) return;
  throw new SmeltError('TARGET', `${path}: ${stat.isFile() ? 'already exists' : 'is not a regular file'}`, {
    hint: stat.isFile() ? '-f overwrites it.' : 'Give the name of a file to be made.',
  });
}

function writeChart({ path, overwrite }: Chart, report: BenchReport): void {
  const picture = drawChart(report.parts!, {
    dump: basename(report.input.path),
    dumpLevel: report.dumpLevel,
    cpu: report.machine.cpu,
    node: report.machine.node,
  });
  try {
    writeFileSync(path, picture, { flag: overwrite ? 'w' : 'wx' });
  } catch (cause) {
    throw new SmeltError('WRITE', `${path}: cannot be written: ${systemReason(cause)}`, {
      hint: 'Write it to another place.',
      cause,
    });
  }
}
