/** integration/save where no volume is needed: what it refuses, and what it does without a target. `test/kdump/run` does the rest, in guests. */
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { run, SMELT, scratch } from '../program/smelt.ts';

const project = fileURLToPath(new URL('../..', import.meta.url));
const dir = scratch();
const settings = join(dir, 'kdump.conf');
const bin = join(dir, 'bin');
mkdirSync(bin);
writeFileSync(join(bin, 'smelt'), `#!/bin/sh\nexec '${process.execPath}' '${SMELT}' "$@"\n`);
chmodSync(join(bin, 'smelt'), 0o755);

const SHELLS = [['busybox', 'sh'], ['dash'], ['bash']].map((words) => {
  const isThere = spawnSync('/bin/sh', ['-c', `command -v ${words[0]}`]).status === 0;
  return { words, name: words.join(' '), isThere };
});

describe.each(SHELLS)('save in $name', ({ words, isThere }) => {
  const there = test.skipIf(!isThere);
  /** As the crash kernel does, with a dump of another machine for /proc/vmcore. */
  const save = (lines: string | undefined, vmcore = join(project, 'samples/x86_64-6.1-small.kdump')) => {
    if (lines !== undefined) writeFileSync(settings, lines);
    const path = lines === undefined ? join(dir, 'nowhere.conf') : settings;
    return run(['env', `PATH=${bin}:${process.env.PATH}`, `SMELT_VMCORE=${vmcore}`, ...words, SAVE, path]);
  };
  const SAVE = join(project, 'integration/save');
  const LOG = /^\[ {4}0\.000000\] .*Linux version 6\.1\.0-56-cloud-amd64/m;

  there('does nothing where there is no /proc/vmcore', () => {
    const result = save('TARGET=/dev/nowhere\n', join(dir, 'no-vmcore'));
    expect(result).toMatchObject({ status: 1, stderr: '' });
    expect(result.stdout).toMatch(/^save: .*no-vmcore is not there: this is no crash kernel/);
  });

  there(
    'gives the log to the console when the settings are not there, or are no shell, or name no device',
    () => {
      for (const [lines, why] of [
        [undefined, /^save: there is no dump: .*nowhere\.conf is not there; give it TARGET= or LUKS=$/m],
        ['TARGET=(\n', /^save: there is no dump: .*kdump\.conf is no shell; it has lines of KEY=value$/m],
        [
          'DIRECTORY=/dumps\n',
          /^save: there is no dump: .*kdump\.conf names no device; give it TARGET= or LUKS=$/m,
        ],
      ] as const) {
        const { status, stdout } = save(lines);
        expect(status).toBe(1);
        expect(stdout).toMatch(why);
        expect(stdout).toMatch(LOG);
      }
    },
  );

  there.each(['TARGET', 'LUKS'])('waits for the device of %s as long as it is told, and names it', (key) => {
    const { status, stdout } = save(`${key}=/dev/no-such-device\nWAIT=1\nAFTER=none\n`);
    expect(status).toBe(1);
    expect(stdout).toMatch(
      new RegExp(`^save: the .*device /dev/no-such-device did not come up in 1 s; ${key}= in `, 'm'),
    );
    expect(stdout).toMatch(LOG);
  });

  there('takes settings that end a shell, or a time to wait that is no number, for what they are', () => {
    const ended = save('TARGET=/dev/no-such-device\nreadonly X=1\nX=2\n');
    expect(ended.status).toBe(1);
    expect(ended.stdout).toMatch(/is no shell; it has lines of KEY=value$/m);
    expect(ended.stdout).toMatch(LOG);
    expect(save('TARGET=/dev/no-such-device\nWAIT=01\n').stdout).toContain('did not come up in 1 s');
  });

  there('says when it does not know what to do after the dump', () => {
    const { status, stdout } = save('TARGET=/dev/no-such-device\nWAIT=0\nAFTER=restart\n');
    expect(status).toBe(1);
    expect(stdout).toMatch(/^save: AFTER=restart in .* is not known; it is reboot, poweroff, halt or none$/m);
  });
});
