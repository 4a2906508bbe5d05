/** The manual page and the completions, by the programs that they are for: bash always, the others where they are installed. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { COMMANDS } from '../../src/cli/commands.ts';
import { ALL_OPTIONS } from '../../src/cli/options.ts';
import { GENERATED } from '../../src/cli/tell-options.ts';
import { checkFailure, run, SMELT, scratch, smelt } from './smelt.ts';

const dir = scratch();
const fileOf = (kind: string): string => join(dir, kind);
const unless = (program: string): string => {
  const { error } = spawnSync(program, ['--version']);
  return error === undefined ? '' : ` (skipped: ${program} is not installed)`;
};
const [noZsh, noFish, noMandoc, noMan] = ['zsh', 'fish', 'mandoc', 'man'].map(unless);

/** Folders with a makedumpfile that is smelt, and with another one. */
const linked = join(dir, 'linked');
const other = join(dir, 'other');

beforeAll(() => {
  for (const folder of [linked, other]) mkdirSync(folder);
  symlinkSync(SMELT, join(linked, 'makedumpfile'));
  writeFileSync(join(other, 'makedumpfile'), '#!/bin/sh\n', { mode: 0o755 });
  for (const kind of GENERATED) {
    const { status, stdout, stderr } = smelt('--generate', kind);
    expect({ kind, status, stderr }).toEqual({ kind, status: 0, stderr: '' });
    writeFileSync(fileOf(kind), stdout);
  }
  mkdirSync(join(dir, 'cwd/a directory'), { recursive: true });
  writeFileSync(join(dir, 'cwd/vmcore'), '');
});

test.each([
  ['man', 'man/man1/smelt.1'],
  ['complete-bash', 'bash-completion/completions/smelt'],
  ['complete-zsh', 'zsh/site-functions/_smelt'],
  ['complete-fish', 'fish/vendor_completions.d/smelt.fish'],
])('the build has made %s, by the path below /usr/share', (kind, path) => {
  const built = fileURLToPath(new URL(`../../dist/share/${path}`, import.meta.url));
  expect(readFileSync(built, 'utf8')).toBe(readFileSync(fileOf(kind), 'utf8'));
});

test('what nobody knows how to make is refused', () => {
  expect(checkFailure(smelt('--generate', 'complete-csh'))).toContain('it is one of man, complete-bash');
});

describe('bash', () => {
  /** What is offered behind the words, the last of which is begun. */
  function offered(...words: readonly string[]): string[] {
    const script = `cd "$1" && source "$2" && shift 2 && COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) && _smelt && printf '%s\\n' "\${COMPREPLY[@]}"`;
    const { status, stdout, stderr } = run([
      ...['bash', '--norc', '-c', script, 'bash', join(dir, 'cwd'), fileOf('complete-bash'), 'smelt'],
      ...words,
    ]);
    // 1: nothing is offered.
    expect({ status: (status ?? 2) < 2, stderr }).toEqual({ status: true, stderr: '' });
    return stdout.split('\n').filter((line) => line !== '');
  }

  test('has a completion for smelt', () => {
    const script = `source "$1" && complete -p smelt`;
    expect(run(['bash', '--norc', '-c', script, 'bash', fileOf('complete-bash')]).stdout).toBe(
      'complete -F _smelt smelt\n',
    );
  });

  test.each<[string, string[], string[]]>([
    ['an option', ['--dump-d'], ['--dump-dmesg']],
    ['an option behind files', ['vmcore', 'out', '--keep'], ['--keep-incomplete']],
    ['a command', ['be'], ['bench']],
    ['a command or a file', ['v'], ['verify', 'vmcore', 'vtop']],
    ['help', ['he'], ['help']],
    ['what there is help for', ['help', ''], COMMANDS.map(({ name }) => name)],
    ['an option of a command', ['sme', '--l'], ['--live']],
    ['no option of another command', ['luks', '--dump'], []],
    ['what a command does', ['luks', 'un'], ['unlock']],
    ['a value', ['--codec-maker', 'p'], ['portable']],
    ['a value behind =', ['--codec-maker', '=', 'na'], ['native']],
    ['a value behind = of which nothing is typed', ['--codec-maker', '='], ['native', 'portable']],
    ['a file', ['-i', 'vm'], ['vmcore']],
    ['a file whose option is spelled with =', ['--save-dmesg', '=', 'v'], ['vmcore']],
    ['a directory, with blanks in its name', ['bench', '--work-dir', ''], ['a directory']],
    ['nothing for a number', ['-d', ''], []],
    [
      'an option behind one whose value is like a command',
      ['--save-dmesg', 'luks', '--dump-d'],
      ['--dump-dmesg'],
    ],
  ])('is offered %s', (_, words, expected) => {
    expect(offered(...words).sort()).toEqual([...expected].sort());
  });

  test('is there for a makedumpfile that is a link to smelt, and for no other', () => {
    const script = `PATH="$2:$PATH" && source "$1" && complete -p makedumpfile 2> /dev/null || echo none`;
    const completed = (path: string) =>
      run(['bash', '--norc', '-c', script, 'bash', fileOf('complete-bash'), path]).stdout;
    expect(completed(linked)).toBe('complete -F _smelt makedumpfile\n');
    expect(completed(other)).toBe('none\n');
  });

  test('is offered each option of the default command', () => {
    const all = ALL_OPTIONS.filter(({ of }) => of === undefined || of.includes('dump'));
    const names = all.flatMap(({ long, short }) => [
      ...(long ? [`--${long}`] : []),
      ...(short ? [`-${short}`] : []),
    ]);
    expect(offered('-').sort()).toEqual(names.sort());
  });
});

test.skipIf(noZsh !== '')(`zsh reads its completion${noZsh}`, () => {
  const kind = fileOf('complete-zsh');
  expect(run(['zsh', '-n', kind])).toMatchObject({ status: 0, stderr: '' });
});

describe.skipIf(noFish !== '')(`fish${noFish}`, () => {
  const offered = (line: string): string[] => {
    const script = `cd ${join(dir, 'cwd')}; source ${fileOf('complete-fish')}; complete -C '${line}'`;
    const { stdout, stderr } = run(['fish', '--no-config', '-c', script]);
    expect(stderr).toBe('');
    return stdout.split('\n').filter((each) => each !== '');
  };

  test('reads its completion', () => {
    expect(run(['fish', '-n', fileOf('complete-fish')])).toMatchObject({ status: 0, stderr: '' });
  });

  test.each([
    ['smelt --dump-d', '--dump-dmesg\twrite only the kernel log: VMCORE LOGFILE (or -)'],
    ['smelt sme --liv', '--live\tlook at this machine, before anything crashes'],
    ['smelt benc', 'bench\tmeasure codecs, levels and threads on a dump'],
    ['smelt --codec-maker port', 'portable\tnative (system library) or portable (in smelt)'],
    ['smelt luks unlo', 'unlock'],
    ['smelt hel', 'help\texplain a command'],
    ['smelt help salv', 'salvage'],
  ])('completes `%s`', (line, expected) => {
    expect(offered(line)).toEqual([expected]);
  });

  test('completes a makedumpfile that is a link to smelt, and no other', () => {
    const script = (path: string) =>
      `set -x PATH ${path} $PATH; source ${fileOf('complete-fish')}; complete -C 'makedumpfile --dump-d'`;
    const [own, others] = [linked, other].map(
      (path) => run(['fish', '--no-config', '-c', script(path)]).stdout,
    );
    expect(own).toContain('--dump-dmesg\twrite only the kernel log');
    expect(others).not.toContain('write only the kernel log');
  });

  test('offers no option of another command', () => {
    expect(offered('smelt luks --dump-')).toEqual([]);
  });
});

describe('the manual page', () => {
  test.skipIf(noMandoc !== '')(`is good mdoc${noMandoc}`, () => {
    const { stdout } = run(['mandoc', '-T', 'lint', '-W', 'style', fileOf('man')]);
    // Of pages that are not installed here.
    expect(
      stdout.split('\n').filter((line) => line !== '' && !/referenced manual not found/.test(line)),
    ).toEqual([]);
  });

  test.skipIf(noMan !== '')(`shows each option and command${noMan}`, () => {
    const { status, stdout, stderr } = run([
      'sh',
      '-c',
      `MANWIDTH=80 man -E ascii -l ${fileOf('man')} | col -bx`,
    ]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    for (const { long, short, valueName } of ALL_OPTIONS) {
      const name = long === undefined ? `-${short}` : `--${long}`;
      expect(stdout).toMatch(
        new RegExp(
          `^ .*${name}${valueName === undefined ? '' : ` ${valueName.replace('|', '\\|')}`}(\\s|$)`,
          'm',
        ),
      );
    }
    expect(stdout).toContain('smelt -l -d 31 /proc/vmcore /var/crash/vmcore');
    expect(stdout).toContain('makedumpfile(8)');
  });
});
