/** From tokens to what `smelt --dump-dmesg` is to write: the kernel log, to a file or to standard output. */

import { SmeltError } from '../errors.ts';
import type { DmesgRequest } from '../workers/report.ts';
import { accessOf, foreignTo, inputsOf, OF_COLLECTORS, parseRaw, readValues } from './args.ts';
import type { OptionKey } from './options.ts';
import type { Token } from './tokens.ts';

/** Options of a dump that mean something for its log too, and those that only say how the dump would be made. */
export const OF_THE_LOG: readonly OptionKey[] = [
  ...OF_COLLECTORS,
  'dump-dmesg',
  'partial-dmesg',
  'F',
  'f',
  'i',
  'x',
  'require-encrypted-target',
  'sme-mask',
  'E',
  'to',
  'dedup',
  'compression-level',
  'codec-maker',
  'keep-incomplete',
  'strict',
  'exclude-shared',
  'allow-ciphertext',
];

const STDOUT = '-';

/** @throws SmeltError USAGE */
export function parseDmesg(tokens: readonly Token[]): DmesgRequest {
  const raw = parseRaw(tokens, 'dump');
  const values = readValues(raw);
  const foreign = foreignTo(raw, OF_THE_LOG);
  if (foreign !== undefined)
    throw usage(`${foreign} means nothing with --dump-dmesg, which writes the kernel log and no dump`);
  const [input] = raw.operands;
  // With -F all that is named is read.
  const inputs = values.F ? raw.operands : raw.operands.slice(0, -1);
  const logFile = values.F ? STDOUT : raw.operands.length < 2 ? undefined : raw.operands.at(-1);
  if (input === undefined || logFile === undefined) {
    const missing = input !== undefined ? 'LOGFILE is' : values.F ? 'VMCORE is' : 'VMCORE and LOGFILE are';
    throw usage(`--dump-dmesg reads VMCORE and writes LOGFILE, and ${missing} missing`);
  }
  if (raw.operands.includes(''))
    throw usage(`the name of ${inputs.includes('') ? 'VMCORE' : 'LOGFILE'} is empty`);
  if (inputs.includes(STDOUT)) throw usage('a dump is not read from standard input');
  if (logFile === STDOUT) {
    const inTheWay = (['json', 'f', 'require-encrypted-target'] as const).find(
      // Scripts pass -f along with -F.
      (key) => values[key] && !(key === 'f' && values.F),
    );
    if (inTheWay === 'json') throw usage('--json and the log cannot both go to standard output');
    if (inTheWay !== undefined)
      throw usage(
        `${inTheWay === 'f' ? '-f' : `--${inTheWay}`} is for files, and the log goes to standard output`,
      );
  }
  return {
    ...inputsOf(inputs),
    ...accessOf(values),
    output: logFile === STDOUT ? undefined : logFile,
    overwrite: values.f ?? false,
    requireEncryptedTarget: values['require-encrypted-target'] ?? false,
    partialDmesg: values['partial-dmesg'] ?? false,
  };
}

function usage(message: string): SmeltError {
  return new SmeltError('USAGE', message, {
    hint: '`smelt --dump-dmesg VMCORE LOGFILE`, or - for standard output.',
  });
}
