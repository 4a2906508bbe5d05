/** From tokens to what `smelt salvage` is to save: a broken dump, or parts of one, and the file that gets what is whole. */

import { SmeltError } from '../errors.ts';
import type { SalvageRequest } from '../workers/report.ts';
import { accessOf, checkCompression, codecOf, inputsOf, parseRaw, readValues } from './args.ts';
import { isLastAPart } from './output-args.ts';
import type { Token } from './tokens.ts';

/** @throws SmeltError USAGE */
export function parseSalvage(tokens: readonly Token[]): SalvageRequest {
  const raw = parseRaw(tokens, 'salvage');
  const values = readValues(raw);
  const { operands } = raw;
  const dryRun = values['dry-run'] ?? false;
  if (operands.length === 0) throw usage('smelt salvage reads a broken dump, and none is given');
  if (operands.length === 1 && !dryRun)
    throw usage('smelt salvage writes DUMPFILE, and that is missing; --dry-run does without');
  if (operands.includes('')) throw usage('the name of a file is empty');
  if (operands.includes('-')) throw usage('a dump is read at many places at once, and not from a stream');
  const inputsAlone = operands.length === 1 || isLastAPart(operands, values);
  const output = inputsAlone ? undefined : operands.at(-1);
  const inputs = inputsAlone ? operands : operands.slice(0, -1);
  const twice = inputs.find((input, i) => inputs.indexOf(input) < i);
  if (twice !== undefined) throw usage(`${twice} is named twice`);
  if (values['require-encrypted-target'] && output === undefined)
    throw usage('--require-encrypted-target needs DUMPFILE, to look at what that is on');
  const codec = codecOf(values);
  checkCompression(codec, values);
  return {
    ...inputsOf(inputs),
    ...accessOf(values),
    output,
    dryRun,
    codec,
    compressionLevel: values['compression-level'],
    codecMaker: values['codec-maker'],
    overwrite: values.f ?? false,
    keepIncomplete: values['keep-incomplete'] ?? false,
    requireEncryptedTarget: values['require-encrypted-target'] ?? false,
    workDir: values['work-dir'],
  };
}

function usage(message: string): SmeltError {
  return new SmeltError('USAGE', message, {
    hint: '`smelt salvage BROKEN DUMPFILE`, or `smelt salvage --dry-run BROKEN`.',
  });
}
