/** The step that mounts the volume: where it is mounted already it stays, and no other mount is hidden below it. */

import { mkdirSync, rmdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { SmeltError, systemReason } from '../../errors.ts';
import { findMapping, mountAt, mountsOf } from './device.ts';
import type { Steps } from './steps.ts';
import type { System } from './system.ts';
import { mountVolume, unmountVolume } from './volume.ts';

/**
 * Mounts an open dm-crypt device, once.
 *
 * @throws SmeltError COMMAND, USAGE
 */
export async function mountStep(
  name: string,
  mountPoint: string,
  steps: Steps,
  system: System,
): Promise<void> {
  const mapping = findMapping(system, name);
  const there = mountAt(system, mountPoint);
  if (there !== undefined && there.number === mapping?.number) {
    await steps.run('mount', async () => ({ done: false, what: `${name} is at ${mountPoint} already` }));
    return;
  }
  if (there !== undefined) {
    throw new SmeltError('USAGE', `something else is mounted at ${mountPoint} already`, {
      hint: 'Give another mount point.',
    });
  }
  const [elsewhere] = mapping === undefined ? [] : mountsOf(system, mapping);
  if (elsewhere !== undefined) {
    throw new SmeltError('COMMAND', `${name} is mounted already, at ${elsewhere.point}`, {
      hint: 'Dump there, or lock it first.',
    });
  }
  const isMade = makeDirectory(system, mountPoint);
  const removeMade = () => {
    if (isMade) rmdirSync(join(system.root, mountPoint));
  };
  try {
    await steps.run(
      'mount',
      async () => {
        await mountVolume(name, mountPoint, system);
        return { done: true, what: `/dev/mapper/${name} at ${mountPoint}` };
      },
      async () => {
        await unmountVolume(mountPoint, system);
        removeMade();
      },
    );
  } catch (error) {
    removeMade();
    throw error;
  }
}

/** Whether it was not there. */
function makeDirectory({ root }: System, path: string): boolean {
  const at = join(root, path);
  try {
    const made = mkdirSync(at, { recursive: true, mode: 0o700 });
    if (!statSync(at).isDirectory()) throw new Error('is no directory');
    return made !== undefined;
  } catch (error) {
    throw new SmeltError('USAGE', `${path} cannot be the mount point: ${systemReason(error)}`, {
      cause: error,
    });
  }
}
