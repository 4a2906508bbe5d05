import { describe, expect, test } from 'vitest';
import { lastWords } from '../../src/bench/child.ts';
import { lackedCodecs, stepsOf, versionLine } from '../../src/bench/peer-output.ts';

/** makedumpfile 1.7.2 -v, and what 1.7.2 prints with --message-level 20. */
const VERSION =
  'makedumpfile: version 1.7.2 (released on 20 Oct 2022)\nlzo\tenabled\nsnappy\tdisabled\nzstd\tdisabled\n\n';
const OUTPUT = `STEP [Checking for memory holes  ] : 0.000028 seconds
STEP [Excluding unnecessary pages] : 0.030155 seconds
STEP [Checking for memory holes  ] : 0.000019 seconds
STEP [Excluding unnecessary pages] : 0.001877 seconds
STEP [Copying data               ] : 0.823226 seconds
STEP [Copying data               ] : 0.000013 seconds
Writing erase info...

Original pages  : 0x00000000000233a8
`;

describe('what makedumpfile prints', () => {
  test('has a line with its version', () => {
    expect(versionLine(VERSION)).toBe('makedumpfile: version 1.7.2 (released on 20 Oct 2022)');
    expect(versionLine('\n\nmakedumpfile: version 1.7.9++\n')).toBe('makedumpfile: version 1.7.9++');
    expect(versionLine('hello\nworld')).toBe('hello');
    expect(versionLine(' \n')).toBeUndefined();
  });

  test('tells the codecs that it was built without', () => {
    expect(lackedCodecs(VERSION)).toEqual(['snappy', 'zstd']);
    const refusal =
      "'-z' option is disabled, because this binary doesn't support zstd compression.\nTry `make USEZSTD=on` when building.\n";
    expect(lackedCodecs(refusal)).toEqual(['zstd']);
    expect(lackedCodecs('lzo\tenabled\nsnappy\tenabled\nzstd\tenabled\n')).toEqual([]);
  });

  test('has steps, which are added up by name', () => {
    const steps = stepsOf(OUTPUT);
    expect(steps.map(({ name }) => name)).toEqual([
      'Checking for memory holes',
      'Excluding unnecessary pages',
      'Copying data',
    ]);
    expect(steps.map(({ ms }) => ms)).toEqual([0.047, 32.032, 823.239].map((ms) => expect.closeTo(ms, 6)));
    expect(stepsOf('The dumpfile is saved to /tmp/out.\n')).toEqual([]);
  });

  test('ends with the reason of a failure, not with the failure itself', () => {
    const stderr =
      "\rCopying data   : [ 19.9 %] \\   eta: 0s\rget_elf_info: Can't get the number of PT_LOAD.\n\nmakedumpfile Failed.\n";
    expect(lastWords({ stdout: 'version', stderr })).toBe("get_elf_info: Can't get the number of PT_LOAD.");
    expect(lastWords({ stdout: 'only here\n', stderr: 'makedumpfile Failed.\n' })).toBe('only here');
    expect(lastWords({ stdout: '', stderr: '\n' })).toBeUndefined();
  });
});
