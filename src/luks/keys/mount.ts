/** The step that mounts the volume: where it is mounted already it stays, and no other mount is hidden below it. */

import { mkdirSync, rmdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { SmeltError, systemReason } from '../../errors.ts';
import { findMapping, isMountOf, mountAt, mountsOf } from './device.ts';
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
  if (there !== undefined && mapping !== undefined && isMountOf(system, there, mapping)) {
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
  let made: string | undefined;
  await steps.run(
    'mount',
    async () => {
      made = makeDirectory(system, mountPoint);
      await mountVolume(name, mountPoint, system);
      return { done: true, what: `/dev/mapper/${name} at ${mountPoint}` };
    },
    async () => {
      if (mountAt(system, mountPoint) !== undefined) await unmountVolume(mountPoint, system);
      removeMade(join(system.root, mountPoint), made);
    },
  );
}

/** From the mount point up to the first directory that was made; what somebody put into one stays. */
function removeMade(mountPoint: string, made: string | undefined): void {
  if (made === undefined) return;
  for (let at = mountPoint; at.length >= made.length; at = dirname(at)) rmdirSync(at);
}

/** The first directory that was made on the way, if any. */
function makeDirectory({ root }: System, path: string): string | undefined {
  const at = join(root, path);
  try {
    const made = mkdirSync(at, { recursive: true, mode: 0o700 });
    if (!statSync(at).isDirectory()) throw new Error('is no directory');
    return made;
  } catch (error) {
    throw new SmeltError('USAGE', `${path} cannot be the mount point: ${systemReason(error)}`, {
      cause: error,
    });
  }
}
