/** Undoes what unlock did: unmounts the volume, which brings all that was written to the disk, and closes it. */

import { SmeltError } from '../../errors.ts';
import { resolvePath } from '../target/paths.ts';
import { findMapping, isMountOf, mappings, mountAt, mountsOf } from './device.ts';
import { type Step, Steps } from './steps.ts';
import { type System, THIS_MACHINE } from './system.ts';
import { checkExists, checkPath, closeVolume, unmountVolume } from './volume.ts';

export interface LockReport {
  /** The dm-crypt device that was closed, or undefined where none was open. */
  readonly name: string | undefined;
  readonly steps: readonly Step[];
}

/**
 * What is unmounted or closed already is left at that. A volume that is mounted elsewhere, too, is not closed.
 *
 * @param target where the volume is mounted, or what `findMapping` knows it by: name, path, UUID
 * @throws SmeltError COMMAND where something still uses it; USAGE where the mount point is of something else
 */
export async function lock(
  target: { readonly mountPoint?: string; readonly device?: string },
  onStep?: (step: Step) => void,
  signal?: AbortSignal,
  system: System = THIS_MACHINE,
): Promise<LockReport> {
  const { device } = target;
  if (device?.startsWith('/') && findMapping(system, device) === undefined) {
    // Who names the mount point means what is mounted there.
    const point = resolvePath(system.root, device).full;
    if (mountAt(system, point) !== undefined) return lock({ mountPoint: device }, onStep, signal, system);
  }
  if (target.mountPoint !== undefined) {
    checkPath('the mount point', target.mountPoint);
    checkExists(target.mountPoint, system);
  }
  const mountPoint =
    target.mountPoint === undefined ? undefined : resolvePath(system.root, target.mountPoint).full;
  const steps = new Steps(onStep, signal);
  const mount = mountPoint === undefined ? undefined : mountAt(system, mountPoint);
  const mapping =
    device === undefined
      ? mappings(system).find((each) => mount !== undefined && isMountOf(system, mount, each))
      : findMapping(system, device);
  if (mount !== undefined && !(mapping !== undefined && isMountOf(system, mount, mapping))) {
    throw new SmeltError(
      'USAGE',
      `what is mounted at ${mountPoint} is not ${device ?? 'a dm-crypt device'}`,
      {
        hint: 'Only an encrypted volume can be locked.',
      },
    );
  }
  const where = mount !== undefined ? [mount] : mapping === undefined ? [] : mountsOf(system, mapping);
  for (const each of where.toReversed()) {
    await steps.run('unmount', async () => {
      await unmountVolume(each.point, system);
      return { done: true, what: each.point };
    });
  }
  if (where.length === 0) {
    const what = `nothing is mounted ${mountPoint === undefined ? `of ${device}` : `at ${mountPoint}`}`;
    await steps.run('unmount', async () => ({ done: false, what }));
  }
  await steps.run('close', async () => {
    if (mapping === undefined)
      return { done: false, what: `no dm-crypt device ${device ?? `of ${mountPoint}`} is open` };
    await closeVolume(mapping.name, system);
    return { done: true, what: mapping.name };
  });
  return { name: mapping?.name, steps: steps.all };
}
