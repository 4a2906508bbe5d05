/** Opens, mounts, unmounts and closes a LUKS volume, by cryptsetup and mount. */

import { SmeltError } from '../../errors.ts';
import { failureOf, run } from '../run.ts';
import { resolvePath } from '../target/paths.ts';
import type { System } from './system.ts';

/** By the volume key nothing is derived; by a key file Argon2 may take its time. */
const OPEN_LIMIT_MS = 180_000;
/** A journal may have to be replayed. */
const MOUNT_LIMIT_MS = 120_000;
/** All that is not on the disk yet is written first. */
const UNMOUNT_LIMIT_MS = 900_000;
const SHORT_LIMIT_MS = 30_000;

/** device-mapper lets a name have other characters, too, but then writes it in another way. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}$/;

/** @throws SmeltError USAGE */
export function checkPath(what: string, path: string): void {
  if (path.startsWith('/') && !path.includes('\0')) return;
  throw new SmeltError('USAGE', `${what} has to be a path from / on, and is "${path.slice(0, 80)}"`, {
    hint: what === 'the device' ? 'Or UUID= and all 36 characters of the UUID.' : 'Write it in full.',
  });
}

/** @throws SmeltError USAGE where there is nothing at the path */
export function checkExists(path: string, { root }: System): void {
  const { existing, full } = resolvePath(root, path);
  if (existing !== full)
    throw new SmeltError('USAGE', `${path}: does not exist`, { hint: 'Check the path.' });
}

/** @throws SmeltError USAGE */
export function checkName(name: string): void {
  if (NAME.test(name)) return;
  throw new SmeltError('USAGE', `"${name.slice(0, 80)}" cannot be the name of a dm-crypt device`, {
    hint: 'Up to 100 letters, digits, _ . : and - make a name.',
  });
}

/** The UUID in the LUKS header of a volume that is closed. */
export async function readUuid(device: string, system: System): Promise<string> {
  const ran = await command(['cryptsetup', 'luksUUID', device], SHORT_LIMIT_MS, system);
  if (ran.failure !== undefined) {
    if (/does not exist/.test(ran.failure)) checkExists(device, system);
    throw new SmeltError('COMMAND', `${device}: cryptsetup finds no LUKS header in it (${ran.failure})`, {
      hint: 'Give the device or partition that holds the LUKS volume, not what is within it.',
    });
  }
  return ran.stdout.trim().toLowerCase();
}

/** @returns why it did not open, for the end of a sentence; undefined where it did */
export async function openByKeyring(
  device: string,
  name: string,
  description: string,
  system: System,
): Promise<string | undefined> {
  const key = `%user:${description}`;
  const argv = ['cryptsetup', 'open', '--volume-key-keyring', key, device, name];
  const { failure } = await command(argv, OPEN_LIMIT_MS, system);
  return failure !== undefined && /unknown option/.test(failure)
    ? `${failure}: --volume-key-keyring takes cryptsetup 2.7 or later`
    : failure;
}

/** @returns why it did not open, for the end of a sentence; undefined where it did */
export async function openByFile(
  device: string,
  name: string,
  keyFile: string,
  system: System,
): Promise<string | undefined> {
  const argv = ['cryptsetup', 'open', '--key-file', keyFile, device, name];
  const { failure } = await command(argv, OPEN_LIMIT_MS, system);
  const { existing, full } = resolvePath(system.root, keyFile);
  return failure !== undefined && existing !== full ? `${keyFile} does not exist` : failure;
}

/** @throws SmeltError COMMAND */
export async function closeVolume(name: string, system: System): Promise<void> {
  const { failure } = await command(['cryptsetup', 'close', name], SHORT_LIMIT_MS, system);
  if (failure === undefined) return;
  throw new SmeltError('COMMAND', `${name} cannot be closed: ${failure}`, {
    hint: 'Something still uses the device; /sys/class/block/dm-*/holders and /proc/mounts show what.',
  });
}

/** @throws SmeltError COMMAND */
export async function mountVolume(name: string, mountPoint: string, system: System): Promise<void> {
  const argv = ['mount', `/dev/mapper/${name}`, mountPoint];
  const { failure } = await command(argv, MOUNT_LIMIT_MS, system);
  if (failure === undefined) return;
  throw new SmeltError('COMMAND', `/dev/mapper/${name} cannot be mounted at ${mountPoint}: ${failure}`, {
    hint: 'The volume opened, so the key is right: has it a file system that this kernel knows?',
  });
}

/** @throws SmeltError COMMAND */
export async function unmountVolume(mountPoint: string, system: System): Promise<void> {
  const { failure } = await command(['umount', mountPoint], UNMOUNT_LIMIT_MS, system);
  if (failure === undefined) return;
  throw new SmeltError('COMMAND', `${mountPoint} cannot be unmounted: ${failure}`, {
    hint: 'Something still has a file open on it.',
  });
}

async function command(
  argv: readonly string[],
  timeLimitMs: number,
  { commandPath }: System,
): Promise<{ readonly stdout: string; readonly failure: string | undefined }> {
  const ran = await run(argv, { commandPath, timeLimitMs });
  return { stdout: ran.stdout, failure: failureOf(ran) };
}
