/** What is written, and where to: the options that say it, and which of them go together. */

import { existsSync } from 'node:fs';
import { SmeltError } from '../errors.ts';
import { saysItIsPart } from '../read/part-header.ts';
import type { DumpRequest } from '../workers/report.ts';
import type { OutputFormat } from '../write/formats.ts';
import type { RawArgs } from './args.ts';
import type { OptionValues } from './options.ts';

/** Of the process. */
const STDOUT_FD = 1;
export const STDOUT_NAME = 'standard output';

export type Outputs = Pick<
  DumpRequest,
  'output' | 'moreOutputs' | 'stream' | 'format' | 'mostBytes' | 'otherLevels' | 'dumpLevel'
>;

/** With --split several files to write stand there, and one to read. */
export function splitOperands(
  values: OptionValues,
  { operands, line }: RawArgs,
): { readonly operands: readonly string[]; readonly moreOutputs: readonly string[] } {
  const last = operands.at(-1);
  if (values.F && !values.split && operands.length > 1 && last !== undefined && !existsSync(last)) {
    const isLast = line.endsWith(` ${last}`);
    const redirected = isLast ? `${line.slice(0, -last.length)}> ${last}` : 'smelt -F VMCORE > DUMPFILE';
    throw usage(
      `-F writes the dump to standard output, and ${last} is not there to be read`,
      `Leave out -F, or redirect the output: ${redirected}`,
    );
  }
  if (!values.split) return { operands, moreOutputs: [] };
  if (operands.length < 3) {
    const missing = ['VMCORE', 'DUMPFILE1', 'DUMPFILE2'].slice(operands.length).join(' ');
    throw usage(
      `--split writes two files or more, and ${operands.length < 2 ? 'none' : 'one'} is named behind VMCORE`,
      `Name them all: ${line} ${missing}`,
    );
  }
  const moreOutputs = operands.slice(2);
  if (moreOutputs.includes('')) throw usage('the name of a DUMPFILE is empty', 'Give each part a name.');
  return { operands: operands.slice(0, 2), moreOutputs };
}

/**
 * Whether the last operand is no DUMPFILE but one more part of the dump. A dry run needs no DUMPFILE, and a file that is there is
 * written over with -f alone.
 */
export function isLastAPart(operands: readonly string[], values: OptionValues): boolean {
  if (!values['dry-run'] || values.f || values.split || operands.length < 2) return false;
  return saysItIsPart(operands.at(-1)!);
}

/** @throws SmeltError USAGE for what cannot be had together */
export function outputsOf(
  values: OptionValues,
  output: string | undefined,
  moreOutputs: readonly string[],
): Outputs {
  const format = formatOf(values);
  const [dumpLevel, ...otherLevels] = values['dump-level'] ?? [];
  const letter = (['z', 'c', 'l', 'p'] as const).find((known) => values[known]);
  if (format !== 'kdump') {
    const asked = values.E ? '-E' : `--to ${format}`;
    if (letter !== undefined)
      throw usage(`${asked} stores pages as they are, and -${letter} compresses them`, 'Leave out one.');
    if (values.dedup)
      throw usage(`${asked} gives each page its place, and --dedup does not`, 'Leave out one.');
    if (values.split)
      throw usage(`--split is for kdump-compressed dumps, and ${asked} is another format`, 'Leave out one.');
  }
  if (values.F && values.split)
    throw usage('-F writes one stream, and --split several files', 'Leave out one.');
  return {
    output: values.F ? undefined : output,
    moreOutputs,
    stream: values.F ? { fd: STDOUT_FD, path: STDOUT_NAME } : undefined,
    format,
    mostBytes: values.L,
    dumpLevel,
    otherLevels,
  };
}

function formatOf({ E, to = 'kdump' }: OptionValues): OutputFormat {
  if (!E) return to;
  if (to !== 'kdump' && to !== 'elf')
    throw usage(`-E writes ELF, and --to ${to} something else`, 'Leave out one.');
  return 'elf';
}

function usage(message: string, hint: string): SmeltError {
  return new SmeltError('USAGE', message, { hint });
}
