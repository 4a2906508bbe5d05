/** `smelt --check-params`: the command line was understood, and that is all. */

import { ExitCode } from '../errors.ts';
import type { DisplayOptions } from './display.ts';
import type { Host } from './host.ts';
import { jsonReport } from './json.ts';

export function checked(display: DisplayOptions, host: Pick<Host, 'stdout'>): number {
  if (display.json) host.stdout.write(jsonReport('check-params', { understood: true }));
  return ExitCode.ok;
}
