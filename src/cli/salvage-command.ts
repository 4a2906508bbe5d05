/** `smelt salvage`: what is whole of a broken dump is saved, and what was lost is told. */

import type { DisplayOptions } from './display.ts';
import { runEngine } from './engine-run.ts';
import type { Host } from './host.ts';
import { parseSalvage } from './salvage-args.ts';
import { salvageText } from './salvage-text.ts';
import type { Token } from './tokens.ts';

/** @throws SmeltError USAGE; what fails later is reported here. */
export async function runSalvage(
  tokens: readonly Token[],
  display: DisplayOptions,
  host: Host,
): Promise<number> {
  const request = parseSalvage(tokens);
  const { input, output, dryRun } = request;
  const engine = await host.loadSalvage();
  return runEngine(
    {
      command: 'salvage',
      input,
      output: dryRun ? undefined : output,
      work: (observer, signal) => engine(request, observer, signal),
      summary: (report) => salvageText(report, output).join('\n'),
    },
    display,
    host,
  );
}
