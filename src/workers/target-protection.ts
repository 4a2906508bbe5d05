/** Whether what a dump or a log is written to protects it: memory that was encrypted must not lie in the clear on a disk. */

import { fstatSync } from 'node:fs';
import { asSmeltError, SmeltError } from '../errors.ts';
import type { TargetProtection } from './report.ts';

/** Looks at the layers below the path; of what is not there yet, below its directory. */
export function protectionOf(path: string): Promise<TargetProtection> {
  return look(path, async ({ luksStatus }) => (await luksStatus(path)).target);
}

/** The same of what is open for writing: between the first look and the opening something may have been mounted there. */
export function protectionOfFile(path: string, fd: number): Promise<TargetProtection> {
  if (!isOnDisk(fd)) {
    const why = `${path} is a pipe or a socket, and where its reader brings the dump is not known`;
    return Promise.resolve({ encrypted: 'unknown', why });
  }
  return look(path, ({ openFileStatus }) => openFileStatus(fd, path));
}

function isOnDisk(fd: number): boolean {
  const stat = fstatSync(fd);
  return !stat.isFIFO() && !stat.isSocket();
}

async function look(
  path: string,
  find: (module: typeof import('../luks/status.ts')) => Promise<TargetProtection>,
): Promise<TargetProtection> {
  try {
    // Hardly any dump needs it.
    const { encrypted, why } = await find(await import('../luks/status.ts'));
    return { encrypted, why };
  } catch (error) {
    // A dump is not to fail for that.
    return {
      encrypted: 'unknown',
      why: `what ${path} is on cannot be found out: ${asSmeltError(error).message}`,
    };
  }
}

/** @param path undefined: a stream @throws SmeltError UNENCRYPTED unless all that is written there is encrypted. */
export function requireEncrypted(
  path: string | undefined,
  { encrypted, why }: TargetProtection,
  what = 'dump',
): void {
  if (encrypted === 'all legs') return;
  const how = {
    'some legs': 'would be encrypted only in part',
    none: 'would not be encrypted',
    unknown: 'might not be encrypted',
  }[encrypted];
  throw new SmeltError('UNENCRYPTED', `the ${what} ${how}: ${why}`, {
    hint:
      path === undefined
        ? 'Write to a file on an encrypted volume: `smelt luks status DIR` shows which ones are.'
        : `\`smelt luks status ${path}\` shows what it is on; if its volume is not mounted, \`smelt luks unlock DEVICE --mount DIR\` does that.`,
  });
}

/** For a dump of memory that was encrypted while the machine ran; undefined where its protection goes on. */
export function protectionWarning({ encrypted, why }: TargetProtection, what = 'dump'): string | undefined {
  if (encrypted === 'all legs') return undefined;
  const how = { 'some legs': 'will be only in part', none: 'will not be', unknown: 'may not be' }[encrypted];
  return `the memory was encrypted while the machine ran, and its ${what} ${how}: ${why}; --require-encrypted-target would have refused that`;
}
