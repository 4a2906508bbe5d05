/** From tokens to what `smelt -R` is to write: the dump that a flattened one on standard input is put together to. */

import { SmeltError } from '../errors.ts';
import type { RearrangeRequest } from '../workers/report.ts';
import { foreignTo, OF_COLLECTORS, parseRaw, readValues, unheeded } from './args.ts';
import type { OptionKey } from './options.ts';
import type { Token } from './tokens.ts';

const OF_REARRANGING: readonly OptionKey[] = [
  ...OF_COLLECTORS,
  'R',
  'f',
  'keep-incomplete',
  'require-encrypted-target',
];

/** @throws SmeltError USAGE */
export function parseRearrange(
  tokens: readonly Token[],
): RearrangeRequest & { readonly unheeded: readonly string[] } {
  const raw = parseRaw(tokens, 'dump');
  const values = readValues(raw);
  const foreign = foreignTo(raw, OF_REARRANGING);
  if (foreign !== undefined)
    throw usage(`${foreign} means nothing with -R, which writes every page as it is`);
  const [output, ...more] = raw.operands;
  if (output === undefined) throw usage('-R writes DUMPFILE, and that is missing');
  if (more.length > 0)
    throw usage(`-R reads standard input and writes DUMPFILE, and ${raw.operands.length} files are given`);
  if (output === '') throw usage('the name of DUMPFILE is empty');
  if (output === '-') throw usage('-R writes a file that has a name, and not to standard output');
  return {
    output,
    overwrite: values.f ?? false,
    keepIncomplete: values['keep-incomplete'] ?? false,
    requireEncryptedTarget: values['require-encrypted-target'] ?? false,
    unheeded: unheeded(raw, '-R'),
  };
}

function usage(message: string): SmeltError {
  return new SmeltError('USAGE', message, { hint: '`smelt -R DUMPFILE < FLATTENED`.' });
}
