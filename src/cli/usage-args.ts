/** From tokens to the dump, or machine, whose pages `smelt --mem-usage` counts. */

import { SmeltError } from '../errors.ts';
import type { DumpRequest, InputRequest } from '../workers/report.ts';
import { accessOf, foreignTo, inputsOf, OF_COLLECTORS, parseRaw, readValues } from './args.ts';
import type { OptionKey } from './options.ts';
import type { Token } from './tokens.ts';

/** -f is makedumpfile's for kernels that smelt refuses; nothing is written, as with --dry-run. */
const OF_THE_COUNT: readonly OptionKey[] = [
  ...OF_COLLECTORS,
  'mem-usage',
  'dry-run',
  'E',
  'F',
  'sme-mask',
  'i',
  'x',
  'f',
];

/** @throws SmeltError USAGE */
export function parseUsage(tokens: readonly Token[]): InputRequest & Pick<DumpRequest, 'workDir'> {
  const raw = parseRaw(tokens, 'dump');
  const values = readValues(raw);
  const foreign = foreignTo(raw, OF_THE_COUNT);
  if (foreign !== undefined) throw usage(`${foreign} means nothing with --mem-usage, which writes no dump`);
  const { operands } = raw;
  if (operands.length === 0) throw usage('--mem-usage looks at VMCORE, and that is missing');
  if (operands.includes('')) throw usage('the name of VMCORE is empty');
  return { ...inputsOf(operands), ...accessOf(values), workDir: values['work-dir'] };
}

function usage(message: string): SmeltError {
  return new SmeltError('USAGE', message, {
    hint: '`smelt --mem-usage VMCORE`, or /proc/kcore, or all parts of a split dump.',
  });
}
