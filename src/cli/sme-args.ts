/** From tokens to what `smelt sme` is to look at: a dump, or a machine that runs. */

import { SmeltError } from '../errors.ts';
import type { SmeRequest } from '../workers/report.ts';
import { accessOf, inputsOf, parseRaw, readValues } from './args.ts';
import type { OptionKey } from './options.ts';
import type { Token } from './tokens.ts';

export type SmeArgs = { readonly live: string } | { readonly request: SmeRequest };

/** Options that say how a dump is looked at. */
const OF_DUMPS: readonly OptionKey[] = [
  'pages',
  'f',
  'sme-mask',
  'i',
  'x',
  'num-threads',
  'mmap',
  'non-mmap',
];

/** @throws SmeltError USAGE */
export function parseSme(tokens: readonly Token[]): SmeArgs {
  const raw = parseRaw(tokens, 'sme');
  const values = readValues(raw);
  const { operands } = raw;
  if (values.live) {
    if (operands.length > 0) throw usage('--live looks at this machine, and at no VMCORE');
    const foreign = OF_DUMPS.find((key) => values[key] !== undefined);
    if (foreign !== undefined)
      throw usage(`${foreign.length > 1 ? '--' : '-'}${foreign} means nothing with --live`);
    return { live: values.root ?? '/' };
  }
  if (values.root !== undefined) throw usage('--root means nothing without --live');
  if (values.f && values.pages === undefined) throw usage('-f means nothing without --pages');
  if (values.pages === '-') throw usage('--pages writes a file that has a name, and not to standard output');
  const [input] = operands;
  if (input === undefined) throw usage('VMCORE is missing');
  if (operands.includes('')) throw usage('the name of VMCORE is empty');
  return {
    request: {
      ...inputsOf(operands),
      ...accessOf(values),
      pagesFile: values.pages,
      overwrite: values.f ?? false,
    },
  };
}

function usage(message: string): SmeltError {
  return new SmeltError('USAGE', message, { hint: '`smelt sme VMCORE`, or `smelt sme --live`.' });
}
