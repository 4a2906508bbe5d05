/** `smelt -R`: a flattened dump from standard input is put in order, and what is said of it. */

import { ExitCode, SmeltError } from '../errors.ts';
import { count, fileSize } from '../units.ts';
import type { RearrangeReport } from '../workers/report.ts';
import { checked } from './check-params.ts';
import { type DisplayOptions, MessageLevel } from './display.ts';
import { exitCodeOf, reportFailure, reportWarnings } from './errors-out.ts';
import { clock, duration, speed } from './format.ts';
import type { Host } from './host.ts';
import { jsonReport } from './json.ts';
import { NO_TEXT, textView } from './line-view.ts';
import { parseRearrange } from './rearrange-args.ts';
import { failureAfter, interruptible } from './signals.ts';
import { printable } from './text.ts';
import { given, type Token } from './tokens.ts';

/** A serial console takes its time for a line. */
const REDRAW_MS = 1000;

/** @throws SmeltError USAGE; what fails later is reported here. */
export async function runRearrange(
  tokens: readonly Token[],
  display: DisplayOptions,
  host: Host,
): Promise<number> {
  const { unheeded, ...request } = parseRearrange(tokens);
  if (given(tokens, 'check-params')) return checked(display, host);
  reportWarnings(unheeded, display, host);
  const progress = display.level & MessageLevel.progress ? textView(host.stderr, REDRAW_MS) : NO_TEXT;
  using interruption = interruptible(host, () => {
    progress.end();
    host.stderr.write(`smelt: stopped at once; ${printable(request.output)}.incomplete may be left behind\n`);
  });
  const { signal } = interruption;
  try {
    const stdin = host.openStdin(signal);
    try {
      if (stdin === 'terminal') {
        throw new SmeltError(
          'USAGE',
          '-R reads a flattened dump from standard input, and that is a terminal',
          {
            hint: '`smelt -R DUMPFILE < FLATTENED`.',
          },
        );
      }
      const began = performance.now();
      const engine = await host.loadRearrange();
      const tell = (done: number) =>
        progress.show(() => line(done, stdin.sizeBytes, performance.now() - began));
      const report = await engine(request, stdin, tell, signal);
      progress.end();
      if (display.level & (MessageLevel.common | MessageLevel.report))
        host.stderr.write(`${summary(report)}\n`);
      if (display.json) host.stdout.write(jsonReport('rearrange', report));
      return ExitCode.ok;
    } finally {
      if (stdin !== 'terminal') stdin.close();
    }
  } catch (thrown) {
    progress.end();
    const error = failureAfter(thrown, signal);
    reportFailure(error, [], display, host);
    return exitCodeOf(error, host);
  }
}

/** "  rearrange    61 %  1.2 GB of 2.0 GB  412 MB/s  eta 0:03"; of a pipe nobody knows the end. */
function line(done: number, total: number | undefined, ms: number): string {
  const rate = speed(done, ms);
  const parts =
    total === undefined || total < done
      ? [fileSize(done)]
      : [`${Math.floor((done / total) * 100)} %`, `${fileSize(done)} of ${fileSize(total)}`];
  const left = total === undefined || total < done ? [] : [`eta ${clock((ms / done) * (total - done))}`];
  return `  rearrange  ${[...parts, ...(rate === undefined ? [] : [rate]), ...left].join('  ')}`;
}

function summary({ output, input, totalMs }: RearrangeReport): string {
  const records = input.records === 1 ? '1 record' : `${count(input.records)} records`;
  return `dump complete: ${printable(output.path)}\n  ${fileSize(output.sizeBytes)} out of ${records}, ${duration(totalMs)}`;
}
