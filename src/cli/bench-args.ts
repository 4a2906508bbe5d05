/** From tokens to what `smelt bench` is to measure, and where its picture goes. */

import { tmpdir } from 'node:os';
import type { BenchRequest } from '../bench/report.ts';
import { SmeltError } from '../errors.ts';
import { checkCompression, codecOf, parseRaw, readValues } from './args.ts';
import type { OptionKey, OptionValues } from './options.ts';
import type { Token } from './tokens.ts';

export interface BenchArgs {
  readonly request: BenchRequest;
  /** --chart, and whether a file of that name may be replaced. */
  readonly chart: { readonly path: string; readonly overwrite: boolean } | undefined;
}

/** What a kdump is made with most often. */
const DEFAULT_CODEC = 'zstd';
const DEFAULT_DUMP_LEVEL = 31;
const DEFAULT_ROUNDS = 5;

/** Options that mean nothing without, or beside, another one. */
const NEEDS: readonly (readonly [option: OptionKey, needed: OptionKey])[] = [
  ['seed', 'synthetic'],
  ['peer-threads', 'peer'],
  ['dry-run', 'peer'],
  ['f', 'chart'],
];

/** `program` starts smelt. @throws SmeltError USAGE */
export function parseBench(tokens: readonly Token[], program: readonly string[]): BenchArgs {
  const raw = parseRaw(tokens, 'bench');
  const values = readValues(raw);
  const input = operandOf(raw.operands, values);
  for (const [option, needed] of NEEDS) {
    if (values[option] === undefined || values[needed] !== undefined) continue;
    throw new SmeltError('USAGE', `${spelt(option)} means nothing without ${spelt(needed)}`, {
      hint: `Add ${spelt(needed)}, or leave it out.`,
    });
  }
  if (values.chart !== undefined && values.peer !== undefined) {
    throw new SmeltError('USAGE', '--chart draws what codecs cost, and --peer does not measure them', {
      hint: 'Leave one of both out.',
    });
  }
  const measures = values.chart ?? values.peer;
  if (values.rounds === 0 && (values.synthetic === undefined || input === undefined || measures)) {
    throw new SmeltError('USAGE', '--rounds 0 measures nothing', {
      hint: 'It only makes a dump that is kept: smelt bench --rounds 0 --synthetic 64G VMCORE.',
    });
  }
  if (values.chart !== undefined && !/\.svg$/i.test(values.chart)) {
    throw new SmeltError('USAGE', `--chart ${values.chart}: a chart is drawn as SVG, and nothing else`, {
      hint: 'Give a name that ends in .svg; browsers show it, and rsvg-convert makes a PNG of it.',
    });
  }
  const codec = codecOf(values) ?? DEFAULT_CODEC;
  checkCompression(codec, values);
  const { peer, synthetic, chart } = values;
  return {
    request: {
      program,
      input,
      synthetic: synthetic === undefined ? undefined : { ramBytes: synthetic, seed: values.seed },
      peer: peer === undefined ? undefined : { program: peer, threads: values['peer-threads'] },
      dryRun: values['dry-run'] ?? false,
      dumpLevel: oneLevel(values['dump-level']) ?? DEFAULT_DUMP_LEVEL,
      codec,
      compressionLevel: values['compression-level'],
      threads: values['num-threads'],
      rounds: values.rounds ?? DEFAULT_ROUNDS,
      workDir: values['work-dir'] ?? tmpdir(),
      smeMask: values['sme-mask'],
      vmcoreinfoFile: values.i,
    },
    chart: chart === undefined ? undefined : { path: chart, overwrite: values.f ?? false },
  };
}

function spelt(key: OptionKey): string {
  return key.length === 1 ? `-${key}` : `--${key}`;
}

function operandOf(operands: readonly string[], values: OptionValues): string | undefined {
  if (operands.length > 1) {
    throw new SmeltError('USAGE', `more than one file is given: ${operands.slice(0, 4).join(', ')}`, {
      hint: 'Give one dump to measure; its outputs go to --work-dir. Parts of a split dump are joined first: `smelt --reassemble PART1 PART2 … DUMPFILE`.',
    });
  }
  const [input] = operands;
  if (input === undefined && values.synthetic === undefined) {
    throw new SmeltError('USAGE', 'there is nothing to measure: give VMCORE, a dump', {
      hint: 'Where there is none, `smelt bench --synthetic 64G` makes one.',
    });
  }
  if (input === '' || input === '-') {
    throw new SmeltError(
      'USAGE',
      input === '' ? 'the name of VMCORE is empty' : 'a dump is not read from stdin',
      { hint: 'Name a file; one that is called - is ./-.' },
    );
  }
  return input;
}

function oneLevel(levels: readonly number[] | undefined): number | undefined {
  if (levels === undefined || levels.length === 1) return levels?.[0];
  throw new SmeltError('USAGE', `-d ${levels.join(',')}: a benchmark is of one dump level`, {
    hint: `Give one of them alone: -d ${levels[0]}.`,
  });
}
