/** `smelt -R`: its command line, and what a person and a program are told. */
import { describe, expect, test } from 'vitest';
import type { RearrangeEngine } from '../../src/cli/host.ts';
import { run } from '../../src/cli/main.ts';
import { parseRearrange } from '../../src/cli/rearrange-args.ts';
import type { Stdin } from '../../src/cli/stdin.ts';
import { tokenise } from '../../src/cli/tokens.ts';
import { SmeltError } from '../../src/errors.ts';
import { expectSmeltError } from '../read/temp-files.ts';
import { fakeHost } from './fake-host.ts';

const parse = (line: string) => parseRearrange(tokenise(line.split(' ')));

describe('the command line of smelt -R', () => {
  test('has DUMPFILE anywhere, as makedumpfile has it', () => {
    const plain = {
      output: 'out',
      overwrite: false,
      keepIncomplete: false,
      requireEncryptedTarget: false,
      unheeded: [] as string[],
    };
    expect(parse('-R out')).toEqual(plain);
    expect(parse('out -R --message-level 7 --json')).toEqual(plain);
    for (const line of ['-R -f out', '-f -R out', '-Rf out', '-fR out'])
      expect(parse(line)).toEqual({ ...plain, overwrite: true });
    expect(parse('-R out --keep-incomplete --require-encrypted-target')).toEqual({
      ...plain,
      keepIncomplete: true,
      requireEncryptedTarget: true,
    });
  });

  test('may have the options of a dump, and says which would have changed it', () => {
    expect(parse('-R -L 1G --num-threads 2 --check-params out').unheeded).toEqual([]);
    expect(parse('-R -z -d 31 out').unheeded).toEqual([
      '-d changes nothing: -R writes every page as it is',
      '-z changes nothing: -R writes every page as it is',
    ]);
  });

  test.each([
    ['-R', '-R writes DUMPFILE, and that is missing'],
    ['-R a b', '2 files are given'],
    ['-R ', 'the name of DUMPFILE is empty'],
    ['-R -', 'not to standard output'],
    ['-R -E out', '-E means nothing with -R'],
    ['-R --config rules out', '--config means nothing with -R'],
    ['-R --dump-dmesg out', '--dump-dmesg means nothing with -R'],
  ])('%j is refused', (line, why) => {
    const error = expectSmeltError(() => parse(line), 'USAGE', why);
    expect(error.hint).toBe('`smelt -R DUMPFILE < FLATTENED`.');
  });
});

describe('smelt -R', () => {
  const stdin = (sizeBytes?: number): Stdin & { closed: boolean } => ({
    name: 'standard input',
    isFile: () => false,
    sizeBytes,
    closed: false,
    read: async () => new Uint8Array(0),
    close() {
      this.closed = true;
    },
  });
  const done: RearrangeEngine = async ({ output }, _stream, onProgress) => {
    onProgress(500_000_000);
    return {
      output: { path: output, sizeBytes: 1_234_567 },
      input: { records: 1234, sizeBytes: 2_000_000_000 },
      targetProtection: undefined,
      totalMs: 3400,
      peakRssBytes: 1,
      warnings: [],
    };
  };

  test('tells what it wrote', async () => {
    const input = stdin();
    const host = fakeHost({ stdin: input, rearrange: done });
    expect(await run(['-R', 'out'], host)).toBe(0);
    expect(host.stderr.text).toBe('dump complete: out\n  1.2 MB out of 1,234 records, 3.4 s\n');
    expect(host.stdout.text).toBe('');
    expect(input.closed).toBe(true);
    const quiet = fakeHost({ stdin: stdin(), rearrange: done });
    expect(await run(['-R', 'out', '--quiet', '--json'], quiet)).toBe(0);
    expect(quiet.stderr.text).toBe('');
    expect(JSON.parse(quiet.stdout.text)).toMatchObject({
      command: 'rearrange',
      report: { output: { path: 'out', sizeBytes: 1_234_567 }, input: { records: 1234 } },
    });
  });

  test.each([
    [2_000_000_000, /^ {2}rearrange {2}25 % {2}500\.0 MB of 2\.0 GB .*eta 0:/],
    [undefined, /^ {2}rearrange {2}500\.0 MB/],
    // It grew since it was looked at.
    [100, /^ {2}rearrange {2}500\.0 MB/],
  ])('shows how far it is on a terminal, of %s bytes', async (size, line) => {
    const host = fakeHost({ stdin: stdin(size), rearrange: done, columns: 80 });
    expect(await run(['-R', 'out'], host)).toBe(0);
    expect(host.stderr.text.split('\r')[1]).toMatch(line);
    expect(host.stderr.screen[0]).toBe('dump complete: out');
  });

  test('does not wait for a person to type a dump', async () => {
    const host = fakeHost({ rearrange: done });
    expect(await run(['-R', 'out'], host)).toBe(1);
    expect(host.stderr.text).toContain('and that is a terminal');
  });

  test('tells a failure, and lets go of its input', async () => {
    const input = stdin();
    const host = fakeHost({
      stdin: input,
      rearrange: async () => {
        throw new SmeltError('TRUNCATED', 'it ends', { hint: 'Copy it again.' });
      },
    });
    expect(await run(['-R', 'out', '--json'], host)).toBe(1);
    expect(host.stderr.text).toBe('smelt: it ends\n       Copy it again.\n');
    expect(JSON.parse(host.stdout.text)).toMatchObject({ error: { code: 'TRUNCATED', exitCode: 1 } });
    expect(input.closed).toBe(true);
  });
});
