/** Where a path of a machine leads, links followed below the root that the machine is looked at from. */

import { lstatSync, readlinkSync, type Stats } from 'node:fs';
import { join } from 'node:path';

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
}

export function resolvePath(root: string, path: string): Resolved {
  const todo = path.split('/').reverse();
  let at = '/';
  let stat = lstat(root, at);
  let links = 0;
  for (let step = 0; todo.length > 0 && step < MAX_STEPS; step++) {
    const name = todo.pop()!;
    if (name === '' || name === '.') continue;
    const next = join(at, name);
    const found = lstat(root, next);
    if (found === undefined) return { existing: at, full: join(next, ...todo.reverse()), stat };
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
      stat = lstat(root, at);
    }
  }
  return { existing: at, full: join(at, ...todo.reverse()), stat };
}

function lstat(root: string, path: string): Stats | undefined {
  try {
    return lstatSync(join(root, path));
  } catch {
    // Not there, or not for us to see: both end the way.
    return undefined;
  }
}

function readlink(root: string, path: string): string | undefined {
  try {
    return readlinkSync(join(root, path));
  } catch {
    return undefined;
  }
}
