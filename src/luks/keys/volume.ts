/** Opens, mounts, unmounts and closes a LUKS volume, by cryptsetup and mount. */

import { SmeltError } from '../../errors.ts';
import { readText } from '../../sme/live/files.ts';
import { memory } from '../../units.ts';
import { slotsByCost } from '../header/cost.ts';
import { readLuksHeader } from '../header/header.ts';
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

/**
 * Slot by slot, first what takes the least memory: cryptsetup by itself goes by number, and may begin with one that takes more than
 * there is. Without a header to go by, as cryptsetup does it.
 *
 * @returns why it did not open, for the end of a sentence; undefined where it did
 */
export async function openByFile(
  device: string,
  name: string,
  keyFile: string,
  system: System,
): Promise<string | undefined> {
  const header = readLuksHeader(device.replace(/^UUID=/i, '/dev/disk/by-uuid/'), system.root);
  const slots = 'notLuks' in header ? [] : slotsByCost(header);
  const available = memoryAvailable(system);
  let failure: string | undefined;
  for (const each of slots.length === 0 ? [undefined] : slots) {
    if (each !== undefined && each.memoryBytes > available) {
      const which = `slot ${each.slot} takes ${memory(each.memoryBytes)} of memory, and there are ${memory(available)}`;
      return failure === undefined ? which : `${failure}; ${which}`;
    }
    const slot = each === undefined ? [] : ['--key-slot', String(each.slot)];
    const argv = ['cryptsetup', 'open', '--key-file', keyFile, ...slot, device, name];
    const ran = await command(argv, OPEN_LIMIT_MS, system);
    if (ran.failure === undefined) return undefined;
    const { existing, full, denied } = resolvePath(system.root, keyFile);
    if (existing !== full) return `${keyFile}: ${denied ?? 'does not exist'}`;
    failure = ran.failure;
    if (ran.status !== WRONG_KEY && ran.status !== NO_MEMORY) return failure;
  }
  return failure;
}

/** Exit codes of cryptsetup(8). */
const WRONG_KEY = 2;
const NO_MEMORY = 3;

function memoryAvailable({ root }: System): number {
  const content = readText(root, '/proc/meminfo');
  const kib = 'value' in content ? /^MemAvailable:\s*(\d+) kB$/m.exec(content.value)?.[1] : undefined;
  return kib === undefined ? Infinity : Number(kib) * 1024;
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
): Promise<{
  readonly stdout: string;
  readonly status: number | undefined;
  readonly failure: string | undefined;
}> {
  const ran = await run(argv, { commandPath, timeLimitMs });
  return { stdout: ran.stdout, status: ran.status, failure: failureOf(ran) };
}
