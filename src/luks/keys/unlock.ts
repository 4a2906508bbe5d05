/** In the crash kernel: opens the encrypted volume that the dump goes to by the key that was handed over, and mounts it. */

import { SmeltError } from '../../errors.ts';
import { resolvePath } from '../target/paths.ts';
import { checkDescription, customaryDescriptions } from './description.ts';
import { findMapping, isUuid } from './device.ts';
import { KeyItems } from './items.ts';
import { dropKey, type Key } from './keyring.ts';
import { mountStep } from './mount.ts';
import { findOrRestore } from './restore.ts';
import { type Step, Steps } from './steps.ts';
import { type System, THIS_MACHINE } from './system.ts';
import { checkName, checkPath, closeVolume, openByFile, openByKeyring, readUuid } from './volume.ts';

export interface UnlockOptions {
  /** Made where it is not there; undefined: nothing is mounted, because what is in the volume is no file system (LVM). */
  readonly mountPoint?: string;
  /** Of the dm-crypt device; otherwise luks-UUID, as systemd and kdump-utils name it. */
  readonly name?: string;
  /** The key's; otherwise the customary one under which there is a key. */
  readonly description?: string;
  /** What opens the volume where no key arrived or it does not fit. */
  readonly keyFile?: string;
  /** Told of each step as it is done, also of those before a failure. */
  readonly onStep?: (step: Step) => void;
  /** Aborted, it stops behind the step at work and undoes all. */
  readonly signal?: AbortSignal;
}

export interface UnlockReport {
  readonly device: string;
  readonly uuid: string;
  /** The dm-crypt device is /dev/mapper/NAME. */
  readonly name: string;
  readonly mountPoint: string | undefined;
  /** 'before': it was open already. */
  readonly openedBy: 'volume key' | 'key file' | 'before';
  /** Of the key that opened it. */
  readonly description: string | undefined;
  readonly steps: readonly Step[];
  /** Sentences. */
  readonly warnings: readonly string[];
}

/**
 * Restores the keys, opens the volume, mounts it if that is asked for, and revokes the key that was restored. What is done already is left as it is. If
 * a step fails, those before it are undone.
 *
 * @param device of the LUKS volume: a path, or UUID=…
 * @throws SmeltError KEY, COMMAND, UNSUPPORTED, USAGE
 */
export async function unlock(
  device: string,
  options: UnlockOptions,
  system: System = THIS_MACHINE,
): Promise<UnlockReport> {
  const { mountPoint, keyFile, onStep, signal } = options;
  if (!isUuid(device.replace(/^UUID=/, ''))) checkPath('the device', device);
  if (mountPoint !== undefined) checkPath('the mount point', mountPoint);
  if (keyFile !== undefined) checkPath('the key file', keyFile);
  if (options.description !== undefined) checkDescription(options.description);
  const steps = new Steps(onStep, signal);
  try {
    const report = await new Unlocking(device, options, system, steps).run();
    steps.stopIfAborted();
    return report;
  } catch (error) {
    await steps.undo();
    throw error;
  }
}

interface Opened {
  readonly by: 'volume key' | 'key file';
  /** The one that was found, whether it opened the volume or not. */
  readonly key: Key | undefined;
}

class Unlocking {
  private readonly device: string;
  private readonly options: UnlockOptions;
  private readonly system: System;
  private readonly steps: Steps;
  private readonly items: KeyItems;
  private readonly warnings: string[] = [];

  constructor(device: string, options: UnlockOptions, system: System, steps: Steps) {
    // cryptsetup takes UUID=…, but not the UUID alone.
    this.device = isUuid(device) ? `UUID=${device}` : device;
    this.options = options;
    this.system = system;
    this.steps = steps;
    this.items = new KeyItems(system);
  }

  async run(): Promise<UnlockReport> {
    const { device, system, steps, warnings } = this;
    const asked = this.options.mountPoint;
    const mountPoint = asked === undefined ? undefined : resolvePath(system.root, asked).full;
    const mount = async () => {
      if (mountPoint !== undefined) await mountStep(name, mountPoint, steps, system);
    };
    const open = findMapping(system, device);
    const uuid = open?.uuid ?? (await readUuid(device, system));
    const name = open?.name ?? this.options.name ?? `luks-${uuid}`;
    checkName(name);
    const report = { device, uuid, name, mountPoint, steps: steps.all, warnings };
    if (open !== undefined) {
      await steps.run('open', async () => ({ done: false, what: `${device} is open already, as ${name}` }));
      await mount();
      return { ...report, openedBy: 'before', description: undefined };
    }
    const { by, key } = await this.open(uuid, name);
    await mount();
    if (key !== undefined) await this.drop(key);
    return { ...report, openedBy: by, description: by === 'volume key' ? key?.description : undefined };
  }

  private async open(uuid: string, name: string): Promise<Opened> {
    const { device, system, steps, items, warnings } = this;
    const { keyFile, description } = this.options;
    if (findMapping(system, name) !== undefined) {
      throw new SmeltError('COMMAND', `there is a dm-crypt device ${name} already, of another volume`, {
        hint: 'Give this one another name.',
      });
    }
    const descriptions = description === undefined ? customaryDescriptions(uuid) : [description];
    const found = await findOrRestore(descriptions, steps, items, system);
    const key = 'key' in found ? found.key : undefined;
    const reasons = 'reason' in found ? [found.reason] : [];
    if (key !== undefined) {
      const failure = await this.attempt('volume key', name, () =>
        openByKeyring(device, name, key.description, system),
      );
      if (failure === undefined) return { by: 'volume key', key };
      reasons.push(`the volume key does not open it: ${failure}`);
    }
    if (keyFile !== undefined) {
      const failure = await this.attempt('key file', name, () => openByFile(device, name, keyFile, system));
      if (failure === undefined) {
        warnings.push(...reasons.map((reason) => `${reason}; the key file was taken`));
        return { by: 'key file', key };
      }
      // What was asked for comes first.
      reasons.unshift(`the key file does not open it: ${failure}`);
    }
    throw new SmeltError('KEY', `${device} cannot be opened: ${reasons.join('; ')}`, {
      hint:
        keyFile === undefined
          ? 'Give a key file, or dump to another volume; for the next crash register the key, then load the crash kernel with `kexec -s -p`.'
          : `\`smelt luks status ${device}\` shows its keyslots; or dump to another volume.`,
    });
  }

  private async attempt(
    how: Opened['by'],
    name: string,
    open: () => Promise<string | undefined>,
  ): Promise<string | undefined> {
    let failure: string | undefined;
    await this.steps.run(
      'open',
      async () => {
        failure = await open();
        const what = `${this.device} as ${name} by the ${how}`;
        return { done: failure === undefined, what: failure === undefined ? what : `${what}: ${failure}` };
      },
      () => closeVolume(name, this.system),
    );
    // It may have been opened all the same, by a command that was ended too late.
    if (failure !== undefined && findMapping(this.system, name) !== undefined)
      await closeVolume(name, this.system).catch(() => {});
    return failure;
  }

  /**
   * The dm-crypt device has its own copy, so that this one is of use only to those whom it is not for. The kernel keeps what it
   * restored from (keys_header) and the place it was handed over in; only the end of the crash kernel ends those.
   */
  private async drop(key: Key): Promise<void> {
    const { system, steps, items } = this;
    // Elsewhere it was somebody who put it there, and who may still need it.
    if (!items.isCrashKernel()) return;
    await steps.run('drop key', async () => {
      const failure = await dropKey(key, system);
      if (failure === undefined) return { done: true, what: `${key.description} is revoked` };
      this.warnings.push(
        `the key ${key.description} stays in the keyring until the machine starts anew, readable for root: ${failure}`,
      );
      return { done: false, what: `${key.description} stays in the keyring: ${failure}` };
    });
  }
}
