/** -x, -g and --config through the real program: what is written, what is refused, and the exit codes. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { JsonReport } from '../../src/cli/json.ts';
import { buildVmcore } from '../build/vmcore.ts';
import { buildVmlinux, noCompiler } from '../build/vmlinux.ts';
import { checkFailure, failureOf, namesIn, scratch, smelt } from './smelt.ts';

const dir = scratch();
const here = (name: string) => join(dir, name);

describe.skipIf(noCompiler !== undefined)(`a vmlinux${noCompiler ? ` (${noCompiler})` : ''}`, () => {
  const vmlinux = noCompiler === undefined ? buildVmlinux(here('vmlinux')) : '';

  test('becomes a file for -i, which is left alone without -f', () => {
    const path = here('vmcoreinfo');
    const done = smelt('-g', path, '-x', vmlinux);
    expect(done).toMatchObject({ status: 0, stdout: '' });
    expect(done.stderr).toMatch(/^VMCOREINFO complete: .*vmcoreinfo\n {2}\d+ values of Linux 6\.1\.0-tiny, /);
    const text = readFileSync(path, 'utf8');
    expect(text).toMatch(/^OSRELEASE=6\.1\.0-tiny\nPAGESIZE=4096\nSYMBOL/);
    // As makedumpfile does: scripts make it anew.
    writeFileSync(path, 'that of yesterday');
    const { stdout, status } = smelt('-g', path, '-x', vmlinux, '--json', '--quiet');
    expect(status).toBe(0);
    const { command, report } = JSON.parse(stdout) as JsonReport<'vmcoreinfo'>;
    expect(command).toBe('vmcoreinfo');
    expect(report).toMatchObject({ release: '6.1.0-tiny', path, values: text.trimEnd().split('\n').length });
    expect(readFileSync(path, 'utf8')).toBe(text);
  });

  test.each([
    [['-g', 'out'], '-x is missing'],
    [['-g', 'out', '-x', vmlinux, 'vmcore'], 'reads no dump'],
    [['-g', 'out', '-x', vmlinux, '-z'], '-z means nothing with -g'],
    [['-g', '-', '-x', vmlinux], 'a file that has a name'],
    [['-g', vmlinux, '-x', vmlinux, '-f'], 'is the input itself'],
    [['-g', 'out', '-x', dir], 'is a directory'],
  ])('is not written where the command line is wrong: %j', (args, words) => {
    expect(checkFailure(smelt(...args))).toContain(words);
  });

  test('of another kernel than the dump ends with exit code 2, and so does a file made of it', () => {
    const input = here('core');
    buildVmcore({ path: input, release: '6.1.0-other' });
    smelt('-g', here('info'), '-x', vmlinux, '-f');
    for (const option of [
      ['-x', vmlinux],
      ['-i', here('info')],
    ]) {
      const done = smelt('-d', '31', ...option, '--json', input, here('wrong'));
      expect(done.status).toBe(2);
      expect(failureOf(done).error).toMatchObject({ code: 'WRONG_RELEASE', exitCode: 2 });
      expect(failureOf(done).error.message).toContain('6.1.0-tiny');
    }
    expect(namesIn(dir).filter((name) => name.startsWith('wrong'))).toEqual([]);
  });

  test('of another build of the same kernel ends with exit code 2, where both say which build they are', () => {
    const input = here('build');
    const buildId = '00112233445566778899aabbccddeeff00112233';
    buildVmcore({ path: input, release: '6.1.0-tiny', overrides: { 'BUILD-ID': buildId } });
    const built = (id: string) =>
      buildVmlinux(here(`vmlinux-${id.slice(0, 6)}`), { flags: [`-Wl,--build-id=0x${id}`] });
    const [own, other] = [built(buildId), built(buildId.replace('00', '99'))];
    for (const [option, path] of [
      ['-x', other],
      ['-i', here('other')],
    ] as const) {
      if (option === '-i') expect(smelt('-g', path, '-x', other).status).toBe(0);
      const done = smelt('-d', '31', option, path, '--json', input, here('wrong'));
      expect(done.status).toBe(2);
      const { code, message } = failureOf(done).error;
      expect(code).toBe('WRONG_RELEASE');
      expect(message).toBe(
        `${path}: is of another build of Linux 6.1.0-tiny than ${input}: BUILD-ID ${buildId.replace('00', '99')}, not ${buildId}`,
      );
    }
    for (const same of [own, vmlinux])
      expect(smelt('--quiet', '--dry-run', '-x', same, input)).toMatchObject({ status: 0 });
  });

  test('names what rules erase: one that cannot be followed stops the dump before anything is written', () => {
    const input = here('same');
    buildVmcore({ path: input, release: '6.1.0-tiny' });
    const rules = here('rules');
    for (const [text, words] of [
      ['erase no_such_thing\n', 'line 1: the kernel has no symbol no_such_thing'],
      ['wipe all\n', 'line 1: expected "erase" or "for", saw "wipe"'],
      ['[ext4]\nerase a\n', 'line 1: the symbols of modules (ext4) cannot be had'],
    ] as const) {
      writeFileSync(rules, text);
      expect(checkFailure(smelt('-d', '31', '-x', vmlinux, '--config', rules, input, here('out')))).toContain(
        words,
      );
    }
    expect(checkFailure(smelt('-x', vmlinux, '--config', here('nowhere'), input, here('out')))).toContain(
      'no such file',
    );
    expect(existsSync(here('out')) || existsSync(here('out.incomplete'))).toBe(false);
  });
});
