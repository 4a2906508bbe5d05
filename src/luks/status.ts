/** What `smelt luks status` finds out: what a path sits on, and what unlocking that would cost the crash kernel. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { readMemory } from '../sme/live/memory.ts';
import { type Fact, known, unknown } from '../sme/live/report.ts';
import { askDmsetup } from './target/dm-table.ts';
import type { TargetReport } from './target/report.ts';
import { lookAtOpenFile, lookAtTarget } from './target/target.ts';

export interface LuksStatus {
  readonly target: TargetReport;
  /** Memory that the crash kernel has, in bytes: what is reserved for it, or where this is one all that there is. */
  readonly crashKernelMemory: Fact<number>;
  readonly isCrashKernel: boolean;
}

/** Of another root than "/" there are no dm tables: device-mapper can be asked only about the machine it runs on. */
export async function luksStatus(path: string, root = '/'): Promise<LuksStatus> {
  const targets = root === '/' ? await askDmsetup() : undefined;
  const isCrashKernel = existsSync(join(root, 'proc/vmcore'));
  const target = lookAtTarget(path, root, targets);
  return { target, crashKernelMemory: crashKernelMemory(root, isCrashKernel), isCrashKernel };
}

/** Of a file that is open. */
export async function openFileStatus(fd: number, path: string): Promise<TargetReport> {
  return lookAtOpenFile(fd, path, await askDmsetup());
}

function crashKernelMemory(root: string, isCrashKernel: boolean): Fact<number> {
  const notAsked = unknown('not asked');
  const { ramBytes, reservedBytes } = readMemory(root, notAsked, notAsked, known('none', ''));
  return isCrashKernel ? ramBytes : reservedBytes;
}
