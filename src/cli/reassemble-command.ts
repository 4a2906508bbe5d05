/** `smelt --reassemble`: the parts of a split dump joined, and what is said of it. */

import { fileSize } from '../units.ts';
import type { ReassembleReport } from '../workers/report.ts';
import { checked } from './check-params.ts';
import type { DisplayOptions } from './display.ts';
import { runEngine } from './engine-run.ts';
import { reportWarnings } from './errors-out.ts';
import { duration, pages, speed } from './format.ts';
import type { Host } from './host.ts';
import { parseReassemble } from './reassemble-args.ts';
import { printable } from './text.ts';
import { given, type Token } from './tokens.ts';

/** @throws SmeltError USAGE; what fails later is reported here. */
export async function runReassemble(
  tokens: readonly Token[],
  display: DisplayOptions,
  host: Host,
): Promise<number> {
  const { unheeded, ...request } = parseReassemble(tokens);
  if (given(tokens, 'check-params')) return checked(display, host);
  reportWarnings(unheeded, display, host);
  const { input, output } = request;
  const engine = await host.loadReassemble();
  return runEngine(
    {
      command: 'reassemble',
      input,
      output,
      work: (observer, signal) => engine(request, observer, signal),
      summary,
    },
    display,
    host,
  );
}

function summary({ output, input, pages: all, missingPages, totalMs }: ReassembleReport): string {
  const rate = speed(output.sizeBytes, totalMs);
  return [
    `dump ${missingPages > 0 ? 'incomplete' : 'complete'}: ${printable(output.path)}`,
    `  ${fileSize(output.sizeBytes)} out of ${input.moreParts.length + 1} parts, ${pages(all)}, ${duration(totalMs)}${rate === undefined ? '' : `, ${rate}`}`,
  ].join('\n');
}
