/** From tokens to what `smelt --dump-dmesg` is to write: the kernel log, to a file or to standard output. */

import { SmeltError } from '../errors.ts';
import type { DmesgRequest } from '../workers/report.ts';
import { accessOf, foreignTo, parseRaw, readValues } from './args.ts';
import type { OptionKey } from './options.ts';
import type { Token } from './tokens.ts';

/** Options of a dump that mean something for its log too. */
const OF_THE_LOG: readonly OptionKey[] = [
  'check-params',
  'dump-dmesg',
  'partial-dmesg',
  'F',
  'f',
  'i',
  'x',
  'mmap',
  'non-mmap',
  'require-encrypted-target',
  'sme-mask',
  // Of no effect with a dump either.
  'b',
  'cyclic-buffer',
  'non-cyclic',
  'work-dir',
];

const STDOUT = '-';

/** @throws SmeltError USAGE */
export function parseDmesg(tokens: readonly Token[]): DmesgRequest {
  const raw = parseRaw(tokens, 'dump');
  const values = readValues(raw);
  const foreign = foreignTo(raw, OF_THE_LOG);
  if (foreign !== undefined)
    throw usage(`${foreign} means nothing with --dump-dmesg, which writes the kernel log and no dump`);
  const { operands } = raw;
  if (values.F && operands.length > 1) throw usage('-F writes to standard output, and LOGFILE is given too');
  const [input, logFile, ...more] = values.F && operands.length > 0 ? [...operands, STDOUT] : operands;
  if (input === undefined || logFile === undefined) {
    const missing = input === undefined ? 'VMCORE and LOGFILE are' : 'LOGFILE is';
    throw usage(`--dump-dmesg reads VMCORE and writes LOGFILE, and ${missing} missing`);
  }
  if (more.length > 0) throw usage(`--dump-dmesg takes two files, and there are ${raw.operands.length}`);
  if (input === '' || logFile === '')
    throw usage(`the name of ${input === '' ? 'VMCORE' : 'LOGFILE'} is empty`);
  if (input === STDOUT) throw usage('a dump is not read from standard input');
  if (logFile === STDOUT) {
    const inTheWay = (['json', 'f', 'require-encrypted-target'] as const).find((key) => values[key]);
    if (inTheWay === 'json') throw usage('--json and the log cannot both go to standard output');
    if (inTheWay !== undefined)
      throw usage(
        `${inTheWay === 'f' ? '-f' : `--${inTheWay}`} is for files, and the log goes to standard output`,
      );
  }
  return {
    input,
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
