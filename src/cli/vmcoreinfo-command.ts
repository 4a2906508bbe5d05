/** `smelt -g VMCOREINFO -x VMLINUX`: a file for -i, made of a vmlinux. */

import { ExitCode, SmeltError } from '../errors.ts';
import type { VmcoreinfoRequest } from '../workers/report.ts';
import { foreignTo, parseRaw, readValues } from './args.ts';
import { checked } from './check-params.ts';
import { type DisplayOptions, MessageLevel } from './display.ts';
import { exitCodeOf, reportFailure } from './errors-out.ts';
import { duration } from './format.ts';
import type { Host } from './host.ts';
import { jsonReport } from './json.ts';
import { failureAfter, interruptible } from './signals.ts';
import { printable } from './text.ts';
import { given, type Token } from './tokens.ts';

/** @throws SmeltError USAGE; what fails later is reported here. */
export async function runVmcoreinfo(
  tokens: readonly Token[],
  display: DisplayOptions,
  host: Host,
): Promise<number> {
  const request = parseVmcoreinfo(tokens);
  if (given(tokens, 'check-params')) return checked(display, host);
  using interruption = interruptible(host, () => {
    host.stderr.write(`smelt: stopped at once; ${printable(request.output)}.incomplete may be left behind\n`);
  });
  try {
    const engine = await host.loadVmcoreinfo();
    const report = await engine(request, interruption.signal);
    if (display.level & (MessageLevel.common | MessageLevel.report)) {
      const { path, release, values, totalMs } = report;
      host.stderr.write(
        `VMCOREINFO complete: ${printable(path)}\n  ${values} values of Linux ${printable(release)}, ${duration(totalMs)}\n`,
      );
    }
    if (display.json) host.stdout.write(jsonReport('vmcoreinfo', report));
    return ExitCode.ok;
  } catch (thrown) {
    const error = failureAfter(thrown, interruption.signal);
    reportFailure(error, [], display, host);
    return exitCodeOf(error, host);
  }
}

/** @throws SmeltError USAGE */
export function parseVmcoreinfo(tokens: readonly Token[]): VmcoreinfoRequest {
  const raw = parseRaw(tokens, 'dump');
  const values = readValues(raw);
  const foreign = foreignTo(raw, ['g', 'x', 'f', 'check-params']);
  if (foreign !== undefined) throw usage(`${foreign} means nothing with -g, which reads no dump`);
  if (raw.operands.length > 0)
    throw usage(`-g reads no dump, and ${printable(raw.operands[0]!)} is one too many`);
  const { g: output, x: vmlinuxFile } = values;
  if (output === undefined || vmlinuxFile === undefined)
    throw usage('-g is made of a vmlinux, and -x is missing');
  if (output === '-') throw usage('-g writes a file that has a name, and not to standard output');
  return { vmlinuxFile, output };
}

function usage(message: string): SmeltError {
  return new SmeltError('USAGE', message, { hint: '`smelt -g VMCOREINFO -x VMLINUX`.' });
}
