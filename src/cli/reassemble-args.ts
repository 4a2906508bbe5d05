/** From tokens to what `smelt --reassemble` joins: the parts of a split dump, and the file that they become. */

import { SmeltError } from '../errors.ts';
import type { GatherRequest } from '../workers/report.ts';
import { foreignTo, inputsOf, OF_COLLECTORS, parseRaw, readValues, unheeded } from './args.ts';
import type { OptionKey } from './options.ts';
import type { Token } from './tokens.ts';

const OF_JOINING: readonly OptionKey[] = [
  ...OF_COLLECTORS,
  'reassemble',
  'f',
  'keep-incomplete',
  'require-encrypted-target',
];

/** @throws SmeltError USAGE */
export function parseReassemble(
  tokens: readonly Token[],
): GatherRequest & { readonly output: string; readonly unheeded: readonly string[] } {
  const raw = parseRaw(tokens, 'dump');
  const values = readValues(raw);
  const foreign = foreignTo(raw, OF_JOINING);
  if (foreign !== undefined)
    throw usage(`${foreign} means nothing with --reassemble, which takes every page as it is stored`);
  const { operands } = raw;
  if (operands.length < 2)
    throw usage(
      `--reassemble reads the parts of a dump and writes DUMPFILE, and ${operands.length === 0 ? 'no files are' : 'one file is'} given`,
    );
  if (operands.includes('')) throw usage('the name of a file is empty');
  if (operands.includes('-'))
    throw usage('--reassemble reads and writes files that have names, and no streams');
  const parts = operands.slice(0, -1);
  const twice = parts.find((part, i) => parts.indexOf(part) < i);
  if (twice !== undefined) throw usage(`${twice} is named twice`);
  return {
    ...inputsOf(parts),
    output: operands.at(-1)!,
    threads: values['num-threads'],
    codec: undefined,
    compressionLevel: undefined,
    codecMaker: undefined,
    overwrite: values.f ?? false,
    keepIncomplete: values['keep-incomplete'] ?? false,
    requireEncryptedTarget: values['require-encrypted-target'] ?? false,
    workDir: undefined,
    unheeded: unheeded(raw, '--reassemble'),
  };
}

function usage(message: string): SmeltError {
  return new SmeltError('USAGE', message, { hint: '`smelt --reassemble PART1 PART2 … DUMPFILE`.' });
}
