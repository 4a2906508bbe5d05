/** Options of `smelt bench` alone. */

import type { Option } from './option.ts';
import { readName, readSize, readThreads, wholeNumber } from './values.ts';

const MAX_ROUNDS = 1000;
const MAX_SEED = 999_999_999;
const MIN_SYNTHETIC = '1G';
const MAX_SYNTHETIC = '16T';

export const BENCH_OPTIONS = [
  {
    key: 'synthetic',
    long: 'synthetic',
    valueName: 'SIZE',
    category: 'measure',
    of: ['bench'],
    doc: 'measure a made-up dump of 1G to 16T of RAM',
    longDoc:
      'Writes a sparse vmcore of a machine with this much memory (K, M, G, T: powers of 1024) into the work directory, measures it and removes it. With VMCORE it is written there and stays.',
    read: readSize('--synthetic', MIN_SYNTHETIC, MAX_SYNTHETIC),
  },
  {
    key: 'seed',
    long: 'seed',
    valueName: 'N',
    category: 'measure',
    of: ['bench'],
    doc: 'of the content that --synthetic makes up',
    longDoc: 'The same seed makes the same dump.',
    read: wholeNumber('--seed', 'a seed', 0, MAX_SEED, 'bench'),
  },
  {
    key: 'peer',
    long: 'peer',
    valueName: 'PROGRAM',
    category: 'measure',
    of: ['bench'],
    doc: 'run makedumpfile in turns with smelt, and compare',
    longDoc:
      'Both run as whole processes on the same dump, by turns, with the same codec and level. The kept pages of both are compared once.',
    read: readName('--peer', 'PROGRAM'),
  },
  {
    key: 'peer-threads',
    long: 'peer-threads',
    valueName: 'N',
    category: 'measure',
    of: ['bench'],
    doc: 'threads of PROGRAM (default: its best is found)',
    longDoc:
      'With 0 PROGRAM is run without --num-threads. By default it is run once without, with one, and with as many as smelt or one fewer, and then with the number that was quickest: threads of makedumpfile wait by spinning, and where CPUs are few it is often faster without.',
    read: readThreads('--peer-threads', 'bench'),
  },
  {
    key: 'rounds',
    long: 'rounds',
    valueName: 'N',
    category: 'measure',
    of: ['bench'],
    doc: 'times to measure (default 5); 0: make a dump only',
    longDoc:
      'After a warm-up. The median is shown, and the least and the most in parentheses. With 0 nothing is measured: --synthetic only makes VMCORE.',
    read: wholeNumber('--rounds', 'the number of rounds', 0, MAX_ROUNDS, 'bench'),
  },
  {
    key: 'chart',
    long: 'chart',
    valueName: 'FILE.svg',
    category: 'write',
    of: ['bench'],
    doc: 'draw time against size, by codec, level and maker',
    longDoc: 'A picture in SVG, of one page of the dump on average.',
    read: readName('--chart', 'FILE.svg'),
  },
] as const satisfies readonly Option[];
