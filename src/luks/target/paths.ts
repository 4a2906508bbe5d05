/** Where a path of a machine leads, links followed below the root that the machine is looked at from. */

import { lstatSync, readlinkSync, type Stats } from 'node:fs';
import { join } from 'node:path';
import { errnoName, systemReason } from '../../errors.ts';

/** As the kernel allows. Source: MAXSYMLINKS of include/linux/namei.h. */
const MAX_LINKS = 40;
/** Source: PATH_MAX; links may make more of it. */
const MAX_STEPS = 4096;

export interface Resolved {
  /** As much of the path as there is, without links. */
  readonly existing: string;
  /** All of it: what is not there yet as it stands. */
  readonly full: string;
  /** Of `existing`. */
  readonly stat: Stats | undefined;
  /** Why it cannot be seen what lies behind `existing`, for the end of a sentence; undefined where there is nothing. */
  readonly denied: string | undefined;
}

export function resolvePath(root: string, path: string): Resolved {
  const todo = path.split('/').reverse();
  let at = '/';
  let stat = known(lstat(root, at));
  let links = 0;
  for (let step = 0; todo.length > 0 && step < MAX_STEPS; step++) {
    const name = todo.pop()!;
    if (name === '' || name === '.') continue;
    const next = join(at, name);
    const found = lstat(root, next);
    if (found === undefined || 'denied' in found) {
      return { existing: at, full: join(next, ...todo.reverse()), stat, denied: found?.denied };
    }
    const target = found.isSymbolicLink() && links < MAX_LINKS ? readlink(root, next) : undefined;
    if (target === undefined) {
      at = next;
      stat = found;
      continue;
    }
    links++;
    todo.push(...target.split('/').reverse());
    if (target.startsWith('/')) {
      at = '/';
      stat = known(lstat(root, at));
    }
  }
  return { existing: at, full: join(at, ...todo.reverse()), stat, denied: undefined };
}

const known = (found: ReturnType<typeof lstat>): Stats | undefined =>
  found !== undefined && !('denied' in found) ? found : undefined;

function lstat(root: string, path: string): Stats | { readonly denied: string } | undefined {
  try {
    return lstatSync(join(root, path));
  } catch (error) {
    return ['ENOENT', 'ENOTDIR'].includes(errnoName(error) ?? '')
      ? undefined
      : { denied: systemReason(error) };
  }
}

function readlink(root: string, path: string): string | undefined {
  try {
    return readlinkSync(join(root, path));
  } catch {
    return undefined;
  }
}
