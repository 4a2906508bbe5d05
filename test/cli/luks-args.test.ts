/** What `smelt luks` understands, and what it refuses with one sentence and a way out. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseDump } from '../../src/cli/args.ts';
import { parseBench } from '../../src/cli/bench-args.ts';
import { chooseCommand } from '../../src/cli/commands.ts';
import { type LuksArgs, parseLuks } from '../../src/cli/luks-args.ts';
import { parseSme } from '../../src/cli/sme-args.ts';
import { tokenise } from '../../src/cli/tokens.ts';
import { SmeltError } from '../../src/errors.ts';

const UUID = '3f0c2a1b-7d5e-4c69-9a80-1b2c3d4e5f60';

/** The way that the program goes; an empty word is written ''. */
function parse(line: string): LuksArgs {
  const words = `luks ${line}`.trim().split(' ');
  const { command, rest } = chooseCommand(tokenise(words.map((word) => (word === "''" ? '' : word))));
  expect(command.name).toBe('luks');
  return parseLuks(rest);
}

function failure(line: string): { message: string; hint: string | undefined } {
  try {
    parse(line);
  } catch (error) {
    if (!(error instanceof SmeltError)) throw error;
    expect({ code: error.code, exitCode: error.exitCode }).toEqual({ code: 'USAGE', exitCode: 1 });
    return { message: error.message, hint: error.hint };
  }
  throw new Error(`smelt luks ${line} was understood`);
}

describe('smelt luks status', () => {
  test.each<[string, string]>([
    ['status', '/var/crash'],
    ['status /mnt/usb/vmcore', '/mnt/usb/vmcore'],
    ['status crash', 'crash'],
    ['status luks', 'luks'],
    ['status status', 'status'],
    ['status --json /dev/vdb', '/dev/vdb'],
    ['status -- --odd', '--odd'],
    [`status UUID=${UUID}`, `/dev/disk/by-uuid/${UUID}`],
  ])('%s looks at %s', (line, path) => {
    expect(parse(line)).toEqual({ action: 'status', path });
  });
});

describe('smelt luks register', () => {
  test.each<[string, LuksArgs]>([
    ['register luks-data', { action: 'register', requests: [{ device: 'luks-data' }] }],
    [
      `register /dev/vdb UUID=${UUID}`,
      { action: 'register', requests: [{ device: '/dev/vdb' }, { device: `UUID=${UUID}` }] },
    ],
    [
      'register /dev/vdb --name data --description cryptsetup:data',
      {
        action: 'register',
        requests: [{ device: '/dev/vdb', name: 'data', description: 'cryptsetup:data' }],
      },
    ],
    ['register --unregister', { action: 'unregister', devices: undefined }],
    ['--unregister register luks-data x', { action: 'unregister', devices: ['luks-data', 'x'] }],
    ['register --reuse on', { action: 'reuse', isOn: true }],
    ['register --reuse=off', { action: 'reuse', isOn: false }],
  ])('%s', (line, args) => {
    expect(parse(line)).toEqual(args);
  });
});

describe('smelt luks unlock and lock', () => {
  test.each<[string, LuksArgs]>([
    [
      'unlock /dev/vdb --mount /crash',
      { action: 'unlock', device: '/dev/vdb', options: { mountPoint: '/crash' } },
    ],
    [
      `unlock --mount=/crash UUID=${UUID} --key-file /etc/key --name crash --description a:b`,
      {
        action: 'unlock',
        device: `UUID=${UUID}`,
        options: { mountPoint: '/crash', keyFile: '/etc/key', name: 'crash', description: 'a:b' },
      },
    ],
    ['unlock /dev/vdb', { action: 'unlock', device: '/dev/vdb', options: {} }],
    ['lock --mount /crash', { action: 'lock', target: { mountPoint: '/crash' } }],
    ['lock luks-data', { action: 'lock', target: { device: 'luks-data' } }],
    [
      'lock /dev/vdb --mount /crash',
      { action: 'lock', target: { mountPoint: '/crash', device: '/dev/vdb' } },
    ],
  ])('%s', (line, args) => {
    expect(parse(line)).toEqual(args);
  });
});

describe('refused are', () => {
  const EXAMPLES = '`smelt luks --help` has examples.';
  test.each<[string, string, string]>([
    ['', 'what is to be done is missing: status, register, unlock or lock', EXAMPLES],
    ['unluck /dev/vdb', 'smelt luks has no unluck', 'Did you mean unlock?'],
    ['/var/crash', 'smelt luks has no /var/crash', 'Did you mean `smelt luks status /var/crash`?'],
    ['nonsense', 'smelt luks has no nonsense', 'It has status, register, unlock or lock.'],
    ['status a b', 'one PATH is looked at, and there are 2', EXAMPLES],
    ["status ''", 'the name of a PATH or DEVICE is empty', EXAMPLES],
    ['status --mount /crash', '--mount means nothing to smelt luks status', EXAMPLES],
    ['status --name x', '--name means nothing to smelt luks status', EXAMPLES],
    ['status --unregister', '--unregister means nothing to smelt luks status', EXAMPLES],
    ['register', 'DEVICE is missing: whose key the crash kernel is to get', EXAMPLES],
    ["register a ''", 'the name of a PATH or DEVICE is empty', EXAMPLES],
    ['register a b --name x', '--name is of one DEVICE, and there are 2', EXAMPLES],
    ['register a b c --description x:y', '--description is of one DEVICE, and there are 3', EXAMPLES],
    ['register a --mount /crash', '--mount means nothing to smelt luks register', EXAMPLES],
    ['register a --key-file k', '--key-file means nothing to smelt luks register', EXAMPLES],
    [
      'register --unregister --name x',
      '--unregister takes DEVICEs or names of key items, and no --name or --description',
      EXAMPLES,
    ],
    [
      'register --unregister a --description x:y',
      '--unregister takes DEVICEs or names of key items, and no --name or --description',
      EXAMPLES,
    ],
    ['register --reuse on a', '--reuse stands alone: it is for all keys that were saved', EXAMPLES],
    [
      'register --reuse on --unregister',
      '--reuse stands alone: it is for all keys that were saved',
      EXAMPLES,
    ],
    ['register --reuse off --name x', '--reuse stands alone: it is for all keys that were saved', EXAMPLES],
    ['register --reuse 1', '--reuse 1: it is on or off', '--reuse on, or --reuse off.'],
    ["register --reuse ''", "--reuse '': it is on or off", '--reuse on, or --reuse off.'],
    ['register --reuse', '--reuse needs a value', 'Write it behind the option: --reuse on|off.'],
    ['register --unregister=all', '--unregister takes no value', 'Write --unregister alone.'],
    ['unlock --mount /crash', 'DEVICE is missing', EXAMPLES],
    ['unlock a b --mount /crash', 'one DEVICE is unlocked, and there are 2', EXAMPLES],
    ['unlock a --mount /crash --reuse on', '--reuse means nothing to smelt luks unlock', EXAMPLES],
    [
      "unlock a --mount ''",
      '--mount: the name of the DIR directory is empty',
      'Give a directory: --mount DIR.',
    ],
    [
      "unlock a --mount /b --key-file ''",
      '--key-file: the name of the FILE file is empty',
      'Give a file: --key-file FILE.',
    ],
    ['unlock a --mount', '--mount needs a value', 'Write it behind the option: --mount DIR.'],
    ['lock', 'DEVICE or --mount is missing', EXAMPLES],
    ['lock a b', 'one DEVICE is locked, and there are 2', EXAMPLES],
    ['lock a --name x', '--name means nothing to smelt luks lock', EXAMPLES],
    ['lock a --key-file k', '--key-file means nothing to smelt luks lock', EXAMPLES],
    [
      'status -d 31 /var/crash',
      '--dump-level is no option of smelt luks but of smelt dump, convert and bench',
      '`smelt luks --help` lists the options.',
    ],
    [
      'lock --mout /crash',
      'there is no option --mout',
      'Did you mean --mount? `smelt luks --help` lists the options.',
    ],
  ])('%s', (line, message, hint) => {
    expect(failure(line)).toEqual({ message, hint });
  });

  test.each(['--mount /x', '--key-file k', '--name n', '--description a:b', '--reuse on', '--unregister'])(
    '%s by other commands',
    (option) => {
      const tokens = tokenise(['vmcore', ...option.split(' ')]);
      const parsers = [parseSme, parseDump, (bench: typeof tokens) => parseBench(bench, ['smelt'])];
      for (const parseOther of parsers)
        expect(() => parseOther(tokens)).toThrow(/^--\S+ is no option of smelt \S+ but of smelt luks$/);
    },
  );
});

test('whatever is typed is understood or refused, and a sentence is one line without a full stop', () => {
  const word = fc.oneof(
    fc.constantFrom('status', 'register', 'unlock', 'lock', 'a', '/b', ''),
    fc.constantFrom(
      '--mount',
      '--mount=/m',
      '--name',
      '--reuse',
      '--reuse=on',
      '--unregister',
      '--json',
      '--',
    ),
    fc.string({ maxLength: 8 }),
  );
  fc.assert(
    fc.property(fc.array(word, { maxLength: 6 }), (words) => {
      try {
        parseLuks(tokenise(words));
      } catch (error) {
        expect(error).toBeInstanceOf(SmeltError);
        const { code, message, hint } = error as SmeltError;
        expect(code).toBe('USAGE');
        expect(hint).toMatch(/[.?]$/);
        if (words.every((each) => !each.includes('.'))) expect(message).not.toMatch(/\.$/);
      }
    }),
    { numRuns: 500 },
  );
});
