/** What `smelt luks status` finds out: what a path sits on, and what unlocking that would cost the crash kernel. */

import { readMemory } from '../sme/live/memory.ts';
import { type Fact, known, unknown } from '../sme/live/report.ts';
import { askDmsetup } from './target/dm-table.ts';
import type { TargetReport } from './target/report.ts';
import { lookAtTarget } from './target/target.ts';

export interface LuksStatus {
  readonly target: TargetReport;
  /** Memory reserved for the crash kernel, in bytes. */
  readonly crashKernelReserved: Fact<number>;
}

/** Of another root than "/" there are no dm tables: device-mapper can be asked only about the machine it runs on. */
export async function luksStatus(path: string, root = '/'): Promise<LuksStatus> {
  const targets = root === '/' ? await askDmsetup() : undefined;
  return { target: lookAtTarget(path, root, targets), crashKernelReserved: crashKernelReserved(root) };
}

export function crashKernelReserved(root: string): Fact<number> {
  const notAsked = unknown('not asked');
  return readMemory(root, notAsked, notAsked, known('none', '')).reservedBytes;
}
