/** The real cryptsetup as the oracle; tests that need it are skipped visibly where it is not. */
import { spawnSync } from 'node:child_process';
import { copyFileSync } from 'node:fs';

const PATH = `${process.env.PATH}:/usr/sbin:/sbin`;
const asked = spawnSync('cryptsetup', ['--version'], { env: { PATH }, encoding: 'utf8' });

/** Why it cannot be asked; undefined where it can. */
export const noCryptsetup: string | undefined =
  asked.status === 0 ? undefined : 'cryptsetup is not installed (apt install cryptsetup-bin)';
/** For the name of a test that is skipped with `noCryptsetup`. */
export const needsCryptsetup = noCryptsetup === undefined ? '' : ` (skipped: ${noCryptsetup})`;

export interface Said {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export function cryptsetup(...args: string[]): Said {
  // Locks are for volumes that others may have open; these are files of a test.
  const all = ['--batch-mode', '--disable-locks', ...args];
  const { status, stdout, stderr } = spawnSync('cryptsetup', all, {
    env: { PATH, LC_ALL: 'C' },
    encoding: 'utf8',
  });
  return { status, stdout, stderr };
}

/** luksDump repairs what it can repair: it works on a copy. */
export function luksDump(image: string, ...args: string[]): Said {
  const copy = `${image}.for-cryptsetup`;
  copyFileSync(image, copy);
  return cryptsetup('luksDump', ...args, copy);
}
