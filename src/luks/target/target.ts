/** What a path really sits on, and whether all of that is encrypted. */

import { SmeltError, systemReason } from '../../errors.ts';
import { readText } from '../../sme/live/files.ts';
import { readLuksHeader } from '../header/header.ts';
import type { LuksHeader } from '../header/report.ts';
import type { CryptTargets } from './dm-table.ts';
import { parseMountinfo } from './mounts.ts';
import { type Resolved, resolvePath } from './paths.ts';
import type { Layer, TargetReport } from './report.ts';
import { legsOf, verdictOf } from './verdict.ts';
import { Walk } from './walk.ts';

const MOUNTINFO = '/proc/self/mountinfo';

/**
 * `path` need not exist: what it would be made on counts. `root` is "/", or a directory with copies of the /proc, /sys and /dev of a
 * machine; `targets` are that machine's, where dmsetup could be asked. Nothing that a file says makes it throw.
 */
export function lookAtTarget(path: string, root = '/', targets?: CryptTargets): TargetReport {
  const resolved = resolvePath(root, path.startsWith('/') ? path : `${workingDirectory()}/${path}`);
  const mountinfo = readText(root, MOUNTINFO);
  const mounts = 'value' in mountinfo ? parseMountinfo(mountinfo.value) : [];
  const layers = new Walk({ root, mounts, targets }).path(resolved);
  // A mount that cannot be seen may hide below what can.
  if (resolved.denied !== undefined) {
    const { existing, full } = resolved;
    const problem = `${full} cannot be looked at: ${resolved.denied}`;
    const hidden: Layer = { kind: 'unknown', name: full, encrypts: 'unknown', problem, below: [] };
    return {
      path,
      existing,
      exists: false,
      layers: hidden,
      legs: legsOf(hidden),
      encrypted: 'unknown',
      why: problem,
      header: undefined,
    };
  }
  const legs = legsOf(layers);
  const header = ownHeader(root, resolved);
  const verdict = verdictOf(path, legs);
  const past = `what is written to ${path} itself goes past the encryption of the LUKS volume in it`;
  const why = header !== undefined && verdict.encrypted === 'none' ? past : verdict.why;
  const { existing, full } = resolved;
  return {
    path,
    existing,
    exists: existing === full || layers.device !== undefined,
    layers,
    legs,
    encrypted: verdict.encrypted,
    why,
    header,
  };
}

/** Of a file that is open what it really lies on, whatever its name leads to by now. */
export function lookAtOpenFile(fd: number, path: string, targets?: CryptTargets): TargetReport {
  const [info, mountinfo] = [`/proc/self/fdinfo/${fd}`, MOUNTINFO].map((each) => readText('/', each));
  const mountId = 'value' in info! ? /^mnt_id:\s*(\d+)$/m.exec(info.value)?.[1] : undefined;
  const mounts = 'value' in mountinfo! ? parseMountinfo(mountinfo.value) : [];
  const layers = new Walk({ root: '/', mounts, targets }).openFile(mountId ?? '', path);
  const legs = legsOf(layers);
  return { path, existing: path, exists: true, layers, legs, ...verdictOf(path, legs), header: undefined };
}

function ownHeader(root: string, { existing, full, stat }: Resolved): LuksHeader | undefined {
  if (existing !== full || !(stat?.isBlockDevice() || stat?.isFile())) return undefined;
  const header = readLuksHeader(existing, root);
  return 'notLuks' in header ? undefined : header;
}

/** @throws SmeltError USAGE */
function workingDirectory(): string {
  try {
    return process.cwd();
  } catch (cause) {
    throw new SmeltError('USAGE', `the working directory is not there any more: ${systemReason(cause)}`, {
      hint: 'Give a path from / on.',
      cause,
    });
  }
}
