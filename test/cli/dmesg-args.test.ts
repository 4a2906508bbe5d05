import { describe, expect, test } from 'vitest';
import { OF_THE_LOG, parseDmesg } from '../../src/cli/dmesg-args.ts';
import { optionsOf } from '../../src/cli/options.ts';
import { tokenise } from '../../src/cli/tokens.ts';
import type { DmesgRequest } from '../../src/workers/report.ts';
import { expectSmeltError } from '../read/temp-files.ts';

const parse = (line: string): DmesgRequest => parseDmesg(tokenise(`--dump-dmesg ${line}`.split(' ')));

const PLAIN: DmesgRequest = {
  input: 'in',
  output: 'log',
  threads: undefined,
  mmap: undefined,
  smeMask: undefined,
  vmcoreinfoFile: undefined,
  overwrite: false,
  requireEncryptedTarget: false,
  partialDmesg: false,
};

describe('--dump-dmesg', () => {
  test.each<[string, Partial<DmesgRequest>]>([
    ['in log', {}],
    ['-f in log', { overwrite: true }],
    ['in -', { output: undefined }],
    ['-F in', { output: undefined }],
    ['-F -f in', { output: undefined, overwrite: true }],
    ['--partial-dmesg --check-params --work-dir x --cyclic-buffer 1 in log', { partialDmesg: true }],
    ['in ./-', { output: './-' }],
    ['--mmap -i info in log', { mmap: true, vmcoreinfoFile: 'info' }],
    ['--non-mmap --sme-mask 0x800000000000 in log', { mmap: false, smeMask: 1n << 47n }],
    ['--require-encrypted-target in log', { requireEncryptedTarget: true }],
    ['--quiet --json --debug -D --show-stats --message-level 3 in log', {}],
    ['--quiet in -', { output: undefined }],
    ['-d 31 -l in log', {}],
    ['-F -c -d 31 --compression-level 3 -L 10M in', { output: undefined }],
    ['--num-threads 2 -d 1,31 -E --vtop 0x1000 --splitblock-size 4 in log', { threads: 2 }],
    ['-z --dedup --strict --exclude-shared --to elf in log', {}],
  ])('reads %s', (line, expected) => {
    expect(parse(line)).toEqual({ ...PLAIN, ...expected });
  });

  test('reads the parts of a split dump', () => {
    expect(parse('a b c log')).toMatchObject({ input: 'a', moreParts: ['b', 'c'], output: 'log' });
  });

  test.each([
    ['', 'VMCORE and LOGFILE are missing'],
    ['in', 'LOGFILE is missing'],
    ['-F', 'VMCORE is missing'],
    ['- log', 'not read from standard input'],
    ['in - log', 'not read from standard input'],
    ['--json in -', 'cannot both go to standard output'],
    ['-f in -', '-f is for files'],
    ['--require-encrypted-target in -', '--require-encrypted-target is for files'],
    [' log', 'the name of VMCORE is empty'],
    ['in ', 'the name of LOGFILE is empty'],
  ])('refuses "%s"', (line, why) => {
    const words = line === '' ? ['--dump-dmesg'] : `--dump-dmesg ${line}`.split(' ');
    const error = expectSmeltError(() => parseDmesg(tokenise(words)), 'USAGE', why);
    expect(error.hint).toContain('smelt --dump-dmesg VMCORE LOGFILE');
  });

  test('refuses every option that asks for something else than the log', () => {
    const values: Record<string, string> = {
      generate: 'man',
    };
    const foreign = optionsOf('dump').filter(({ of, key }) => of !== undefined && !OF_THE_LOG.includes(key));
    const keys = foreign.map(({ key }) => key).sort();
    expect(keys).toEqual(
      ['R', 'config', 'dry-run', 'g', 'generate', 'mem-usage', 'reassemble', 'save-dmesg', 'split'].sort(),
    );
    for (const { key, long, short, valueName } of foreign) {
      const name = long === undefined ? `-${short}` : `--${long}`;
      const value = valueName === undefined ? '' : ` ${values[key] ?? '1'}`;
      expectSmeltError(
        () => parse(`${name}${value} in log`),
        'USAGE',
        `${name} means nothing with --dump-dmesg`,
      );
    }
  });
});
