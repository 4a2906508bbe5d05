/** image/fallback behind the launcher: what is made of a dump where smelt itself cannot run. In a shell of each kind there is here. */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeEach, describe, expect, test } from 'vitest';
import { optionsOf } from '../../src/cli/options.ts';
import { parseKdump } from '../program/parse-kdump.ts';
import { type ProgramResult, run, scratch } from '../program/smelt.ts';

const project = fileURLToPath(new URL('../..', import.meta.url));
/** In the place of /proc/vmcore. */
const vmcore = join(project, 'samples/x86_64-6.1-small.kdump');
const dir = scratch();
const out = join(dir, 'out');
const bin = join(dir, 'bin');
const dump = join(out, 'vmcore');
const log = join(out, 'log');

const there = (tool: string): boolean => spawnSync('sh', ['-c', `command -v ${tool}`]).status === 0;
const peer = spawnSync('sh', ['-c', 'command -v makedumpfile'], { encoding: 'utf8' }).stdout.trim();
const noPeer = peer === '' ? ' (skipped: there is no makedumpfile)' : '';
const SHELLS = [['dash'], ['bash', '--posix'], ['busybox', 'sh']].filter(([shell]) => there(shell!));

beforeEach(() => {
  for (const folder of [out, bin]) {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder);
  }
});

/** A program that is found by its name alone. */
function program(name: string, text: string): void {
  writeFileSync(join(bin, name), `#!/bin/sh\n${text}\n`);
  chmodSync(join(bin, name), 0o755);
}

/** The launcher where there is no image. */
function launch(shell: readonly string[], ...args: string[]): ProgramResult {
  return run([
    'env',
    '-i',
    // The system's makedumpfile is none of those that are found by name.
    `PATH=${bin}:${coreutils}`,
    `SMELT_IMAGE=${dir}/no-image`,
    `SMELT_MOUNT=${dir}/no-mount`,
    `SMELT_FALLBACK=${project}/image/fallback`,
    `SMELT_VMCORE=${vmcore}`,
    `SMELT_MAKEDUMPFILE=${dir}/none`,
    'SMELT_LOG_SECONDS=1',
    ...shell,
    join(project, 'image/smelt'),
    ...args,
  ]);
}
const coreutils = join(dir, 'coreutils');
mkdirSync(coreutils);
for (const tool of [
  'cat',
  'dd',
  'dirname',
  'head',
  'mkdir',
  'mv',
  'readlink',
  'sleep',
  'rm',
  'sh',
  'sync',
  'modprobe',
  'mount',
  'dash',
  'bash',
  'busybox',
  'env',
]) {
  run(['sh', '-c', `at=$(command -v ${tool}) && ln -s "$at" ${coreutils}/${tool} || true`]);
}

describe.each(SHELLS.map((shell) => [shell.join(' '), shell] as const))('in %s', (_name, shell) => {
  test.skipIf(noPeer !== '')(
    `makedumpfile makes the dump, with the codec and the level asked for${noPeer}`,
    () => {
      program('makedumpfile', `echo "$@" >> ${dir}/asked; exec ${peer} "$@"`);
      rmSync(join(dir, 'asked'), { force: true });
      const result = launch(shell, '-ld31', '--num-threads', '3', '--vtop', '0x0', '--quiet', vmcore, dump);
      expect(result.status, result.stderr).toBe(0);
      expect(readFileSync(join(dir, 'asked'), 'utf8')).toBe(
        `--message-level 4 -l -d 31 ${vmcore} ./vmcore.fallback.incomplete\n`,
      );
      expect(result.stderr).toContain('no-image is not there');
      expect(result.stderr).toContain('the dump is whole, by makedumpfile');
      expect(readdirSync(out)).toEqual(['vmcore']);
      expect(parseKdump(dump).descriptors.size).toBe(13_357);
    },
  );

  test('without makedumpfile all memory is copied, and only then the remains of the other dump go', () => {
    writeFileSync(`${dump}.incomplete`, 'what smelt left');
    const result = launch(shell, '-z', '-d', '31', '--save-dmesg', log, vmcore, dump);
    expect(result.status, result.stderr).toBe(0);
    expect(readFileSync(dump).equals(readFileSync(vmcore))).toBe(true);
    expect(statSync(dump).mode & 0o777).toBe(0o600);
    expect(readdirSync(out)).toEqual(['vmcore']);
    expect(result.stderr).toContain('a copy of all memory');
    expect(result.stderr).toContain(`${log}: there is no kernel log`);
  });

  test('a makedumpfile that cannot do the codec does zlib, and one that can do nothing is followed by the copy', () => {
    program('makedumpfile', `echo "$3" >> ${dir}/codecs; [ "$3" != -z ]`);
    rmSync(join(dir, 'codecs'), { force: true });
    const result = launch(shell, '-z', '-d', '31', vmcore, dump);
    expect(result.status, result.stderr).toBe(0);
    expect(readFileSync(join(dir, 'codecs'), 'utf8')).toBe('-z\n-c\n');
    expect(readFileSync(dump).length).toBe(statSync(vmcore).size);
  });

  test('the log is saved first, by vmcore-dmesg; one that smelt saved before it ended stays', () => {
    program('vmcore-dmesg', 'echo "[ 0.0] log of $1"');
    const asked = ['--save-dmesg', log, vmcore, dump];
    expect(launch(shell, ...asked).status).toBe(0);
    expect(readFileSync(log, 'utf8')).toBe(`[ 0.0] log of ${vmcore}\n`);
    rmSync(dump);
    writeFileSync(log, 'by smelt\n');
    expect(launch(shell, ...asked).status).toBe(0);
    expect(readFileSync(log, 'utf8')).toBe('by smelt\n');
  });

  test('--dump-dmesg is done by others, too', () => {
    program('vmcore-dmesg', 'echo log');
    expect(launch(shell, '--dump-dmesg', vmcore, log).status).toBe(0);
    expect(readFileSync(log, 'utf8')).toBe('log\n');
    expect(launch(shell, '--dump-dmesg', vmcore, '-')).toMatchObject({ status: 0, stdout: 'log\n' });
    const asSuse = ['-F', '--message-level', '8', '--dump-dmesg', vmcore];
    expect(launch(shell, ...asSuse)).toMatchObject({ status: 0, stdout: 'log\n' });
    program('vmcore-dmesg', 'echo half; exit 1');
    expect(launch(shell, '--dump-dmesg', '-f', vmcore, log).status).toBe(1);
    expect(readFileSync(log, 'utf8')).toBe('log\n');
    expect(readdirSync(out)).toEqual(['log']);
  });

  test('nothing is written where it has to be encrypted and is not', () => {
    program('vmcore-dmesg', 'echo log');
    const result = launch(shell, '--require-encrypted-target', '--save-dmesg', log, vmcore, dump);
    expect(result.status).toBe(1);
    expect(result.stderr).toContain('not known to be encrypted');
    expect(readdirSync(out)).toEqual([]);
    expect(launch(shell, '--dump-dmesg', '--require-encrypted-target', vmcore, log).status).toBe(1);
    expect(readdirSync(out)).toEqual([]);
  });

  test('a dump that exists is not written over without -f', () => {
    writeFileSync(dump, 'older');
    const result = launch(shell, vmcore, dump);
    expect(result).toMatchObject({ status: 1 });
    expect(result.stderr).toContain('already exists; -f overwrites it');
    expect(readFileSync(dump, 'utf8')).toBe('older');
    expect(launch(shell, '-zf', vmcore, dump).status).toBe(0);
    expect(statSync(dump).size).toBe(statSync(vmcore).size);
  });

  test('a copy that fails has not the name of the dump, and the exit code says so', () => {
    const result = launch(shell, vmcore, join(out, 'nowhere/vmcore'));
    expect(result.status).toBe(1);
    expect(result.stderr).toContain('there is no such directory');
    expect(existsSync(join(out, 'nowhere'))).toBe(false);
  });

  test.each([
    ['another file than /proc/vmcore', ['-z', '/dev/null', dump]],
    ['no output', ['-z', vmcore]],
    ['another command', ['luks', 'status', '/var/crash']],
    ['a dry run', ['--dry-run', vmcore, dump]],
    ['a question', ['--version']],
  ])('there is nothing to do for %s', (_what, args) => {
    const result = launch(shell, ...args);
    expect(result).toMatchObject({ status: 127, stdout: '' });
    expect(readdirSync(out)).toEqual([]);
  });

  test('--partial-dmesg is makedumpfile’s, and where only others are there it is said that the log is whole', () => {
    program('vmcore-dmesg', 'echo whole');
    program(
      'makedumpfile',
      '[ "$3" = --partial-dmesg ] && [ "$4 $5" = "--dump-dmesg $SMELT_VMCORE" ] && echo part > "$6"',
    );
    const asked = ['--dump-dmesg', '--partial-dmesg', '-f', vmcore, log];
    const part = launch(shell, ...asked);
    expect(part.status, part.stderr).toBe(0);
    expect(readFileSync(log, 'utf8')).toBe('part\n');
    expect(part.stderr).not.toContain('the whole log');
    rmSync(join(bin, 'makedumpfile'));
    const whole = launch(shell, ...asked);
    expect(whole.status, whole.stderr).toBe(0);
    expect(readFileSync(log, 'utf8')).toBe('whole\n');
    expect(whole.stderr).toContain('the whole log is written: --partial-dmesg');
    expect(launch(shell, '--dump-dmesg', vmcore, '-').stderr).not.toContain('the whole log');
  });

  test('a log that does not come to its end keeps nobody from dumping', () => {
    program('vmcore-dmesg', 'echo half; exec sleep 100');
    const result = launch(shell, '--save-dmesg', log, vmcore, dump);
    expect(result.status, result.stderr).toBe(0);
    expect(readdirSync(out)).toEqual(['vmcore']);
  });

  test('an older log is not taken for this one, and nothing is written through a link', () => {
    program('vmcore-dmesg', 'echo new');
    writeFileSync(log, 'older\n');
    expect(launch(shell, '--dump-dmesg', vmcore, log).status).toBe(1);
    expect(readFileSync(log, 'utf8')).toBe('older\n');
    symlinkSync(log, `${join(out, 'other')}.incomplete`);
    expect(launch(shell, '--dump-dmesg', vmcore, join(out, 'other')).status).toBe(0);
    expect(readFileSync(join(out, 'other'), 'utf8')).toBe('new\n');
    expect(readFileSync(log, 'utf8')).toBe('older\n');
    symlinkSync(log, join(out, 'link'));
    for (const output of [join(out, 'link'), out]) {
      expect(launch(shell, '-f', vmcore, output).status).toBe(1);
      expect(readFileSync(log, 'utf8')).toBe('older\n');
    }
    expect(readdirSync(out).sort()).toEqual(['link', 'log', 'other']);
  });

  test('a value is not taken for letters, nor the wish for encryption for a value', () => {
    writeFileSync(dump, 'older');
    expect(launch(shell, '-i/root/vmcoreinfo', vmcore, dump).status).toBe(1);
    expect(readFileSync(dump, 'utf8')).toBe('older');
    const asked = ['-z', '-d', '--require-encrypted-target', vmcore, join(out, 'plain')];
    const result = launch(shell, ...asked);
    expect(result.status).toBe(1);
    expect(result.stderr).toContain('not known to be encrypted');
    expect(readdirSync(out)).toEqual(['vmcore']);
  });

  test('-F is for stdout alone, and --save-dmesg makes it a dump', () => {
    program('vmcore-dmesg', 'echo log');
    expect(launch(shell, '-F', '-c', '-d', '31', vmcore, dump).status).toBe(0);
    expect(statSync(dump).size).toBe(statSync(vmcore).size);
    rmSync(dump);
    expect(launch(shell, '--dump-dmesg', '--save-dmesg', log, vmcore, dump).status).toBe(0);
    expect(statSync(dump).size).toBe(statSync(vmcore).size);
  });

  test('a makedumpfile that calls smelt does not come back here', () => {
    program(
      'makedumpfile',
      `echo called >> ${dir}/calls; exec ${shell.join(' ')} ${project}/image/smelt "$@"`,
    );
    rmSync(join(dir, 'calls'), { force: true });
    const result = launch(shell, vmcore, dump);
    expect(result.status, result.stderr).toBe(0);
    expect(readFileSync(join(dir, 'calls'), 'utf8')).toBe('called\n');
    expect(result.stderr).toContain('a copy of all memory (ELF) is whole');
  });
});

describe('the options of smelt', () => {
  const options = optionsOf('dump');
  const lines = readFileSync(join(project, 'image/fallback'), 'utf8').split('\n');
  const parser = lines.slice(lines.indexOf('while [ $# -gt 0 ]; do'), lines.indexOf('done'));
  const patterns = parser.filter((line) => /^ +[^#()]+\)/.test(line)).map((line) => line.split(')')[0]!);

  test('are all known to the fallback, and no others', () => {
    const long = patterns.flatMap((pattern) => pattern.match(/--[a-z-]+/g) ?? []);
    expect([...new Set(long)].sort()).toEqual(
      options.flatMap(({ long }) => (long ? [`--${long}`] : [])).sort(),
    );
    const letters = patterns.flatMap((pattern) =>
      /^ +\w( \| \w)*$/.test(pattern) ? pattern.match(/\w/g)! : [],
    );
    expect(letters.sort()).toEqual(options.flatMap(({ short }) => short ?? []).sort());
  });

  test('are known to it when they are shortened', () => {
    const list = lines.find((line) => line.startsWith('longs='))!;
    expect(list.slice("longs='".length, -1).split(' ')).toEqual(
      options.flatMap(({ long }) => long ?? []).sort(),
    );
    const refused = launch(SHELLS[0]!, '--conf', 'rules', vmcore, dump);
    expect(refused.status).toBe(127);
    expect(refused.stderr).toContain('nobody else erases what --config says');
    const encrypted = launch(
      SHELLS[0]!,
      '--require-enc',
      '--save-d',
      '/dev/shm/smelt-no-log',
      vmcore,
      '/dev/shm/smelt-none',
    );
    expect(encrypted.status).toBe(1);
    expect(readdirSync('/dev/shm').filter((name) => name.startsWith('smelt-no'))).toEqual([]);
  });

  /** What only smelt can do, or what is no dump: nobody else is asked. */
  const NOT_HERE = [
    'config',
    'dry-run',
    'g',
    'R',
    'split',
    'reassemble',
    'mem-usage',
    'check-params',
    'help',
    'version',
    'generate',
  ];
  const VALUES: Readonly<Record<string, string>> = {
    to: 'kdump',
    'dump-level': '31',
    L: '500M',
    'save-dmesg': log,
  };

  test.each(options.filter(({ key }) => !['dump-dmesg', 'F', 'require-encrypted-target'].includes(key)))(
    '$key is taken with its value, if it has one, and the dump made or refused',
    ({ key, long, short, valueName }) => {
      const spellings = [...(long ? [`--${long}`] : []), ...(short ? [`-${short}`] : [])];
      for (const spelling of spellings) {
        const value = valueName === undefined ? [] : [VALUES[key] ?? '1'];
        const { status, stderr } = launch(['sh'], spelling, ...value, '-f', vmcore, dump);
        const done = NOT_HERE.includes(key) ? 127 : key === 'L' ? 1 : 0;
        expect({ spelling, status }, stderr).toEqual({ spelling, status: done });
        expect(existsSync(dump)).toBe(done === 0);
        rmSync(dump, { force: true });
      }
    },
  );
});
