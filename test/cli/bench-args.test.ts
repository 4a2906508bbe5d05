import { tmpdir } from 'node:os';
import { describe, expect, test } from 'vitest';
import { parseBench } from '../../src/cli/bench-args.ts';
import { chooseCommand } from '../../src/cli/commands.ts';
import { tokenise } from '../../src/cli/tokens.ts';
import { SmeltError } from '../../src/errors.ts';

function parse(line: string) {
  const { command, rest } = chooseCommand(tokenise(line.split(' ')));
  expect(command.name).toBe('bench');
  return parseBench(rest, ['smelt']);
}

function failure(line: string): string {
  try {
    parse(line);
  } catch (error) {
    if (!(error instanceof SmeltError)) throw error;
    expect(error.code).toBe('USAGE');
    return `${error.message}\n${error.hint}`;
  }
  throw new Error(`${line} was understood`);
}

const PLAIN = {
  program: ['smelt'],
  input: 'vmcore',
  synthetic: undefined,
  peer: undefined,
  dryRun: false,
  dumpLevel: 31,
  codec: 'zstd',
  compressionLevel: undefined,
  threads: undefined,
  rounds: 5,
  workDir: tmpdir(),
  smeMask: undefined,
  vmcoreinfoFile: undefined,
};

describe('smelt bench', () => {
  test.each([
    ['bench vmcore', {}],
    ['bench -l -d 1 vmcore --rounds 3', { codec: 'lzo', dumpLevel: 1, rounds: 3 }],
    ['-z --compression-level 19 bench vmcore', { compressionLevel: 19 }],
    ['bench --num-threads 4 --work-dir /scratch vmcore', { threads: 4, workDir: '/scratch' }],
    ['bench --synthetic 64G', { input: undefined, synthetic: { ramBytes: 2 ** 36, seed: undefined } }],
    ['bench --synthetic 16T --seed 7 vmcore', { synthetic: { ramBytes: 2 ** 44, seed: 7 } }],
    ['bench --synthetic 1024m', { input: undefined, synthetic: { ramBytes: 2 ** 30, seed: undefined } }],
    [
      'bench vmcore --peer makedumpfile -c',
      { codec: 'zlib', peer: { program: 'makedumpfile', threads: undefined } },
    ],
    [
      'bench vmcore --peer ./mdf --peer-threads 0 --dry-run',
      { peer: { program: './mdf', threads: 0 }, dryRun: true },
    ],
    ['bench -i info --sme-mask 0x800000000000 vmcore', { vmcoreinfoFile: 'info', smeMask: 1n << 47n }],
  ])('reads `smelt %s`', (line, expected) => {
    expect(parse(line)).toEqual({ request: { ...PLAIN, ...expected }, chart: undefined });
  });

  test('draws where it is told to', () => {
    expect(parse('bench vmcore --chart a.svg').chart).toEqual({ path: 'a.svg', overwrite: false });
    expect(parse('bench vmcore --chart a.svg -f').chart).toEqual({ path: 'a.svg', overwrite: true });
  });

  test.each([
    'bench',
    'bench a b',
    'bench -',
    'bench --synthetic 63 vmcore',
    'bench --synthetic 512M vmcore',
    'bench --synthetic 17T vmcore',
    'bench --synthetic G vmcore',
    'bench --rounds 0 vmcore',
    'bench --rounds 0 --synthetic 1G vmcore --peer makedumpfile',
    'bench --rounds 0 --synthetic 1G vmcore --chart a.svg',
    'bench --chart costs.png vmcore',
    'bench --seed 1 vmcore',
    'bench --peer-threads 1 vmcore',
    'bench --dry-run vmcore',
    'bench -f vmcore',
    'bench --chart a.svg --peer makedumpfile vmcore',
    'bench -l --compression-level 3 vmcore',
    'bench --strict vmcore',
    'bench --mmap vmcore',
    'bench --ruonds 3 vmcore',
    'bench --chart= vmcore',
  ])('refuses `smelt %s`', (line) => {
    expect(failure(line)).toMatchSnapshot();
  });
});

describe('smelt dump', () => {
  test('says whose an option is that it does not take', async () => {
    const { parseDump } = await import('../../src/cli/args.ts');
    const told = (line: string) => {
      try {
        parseDump(tokenise(line.split(' ')));
        return 'understood';
      } catch (error) {
        return (error as Error).message;
      }
    };
    expect(told('--rounds 3 in out')).toBe('--rounds is no option of smelt dump but of smelt bench');
    expect(told('--work-dir x in out')).toBe('understood');
  });
});
