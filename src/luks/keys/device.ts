/** Open dm-crypt devices as sysfs shows them: which LUKS volume each is of, and where it is mounted. */

import { basename } from 'node:path';
import { SmeltError } from '../../errors.ts';
import { readText } from '../../sme/live/files.ts';
import { entries, numberOfPath, unmangled } from '../target/block.ts';
import { dmKindOf } from '../target/crypt-kind.ts';
import { type Mount, parseMountinfo } from '../target/mounts.ts';
import { resolvePath } from '../target/paths.ts';
import type { System } from './system.ts';

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** An open dm-crypt device. */
export interface Mapping {
  /** The name below /dev/mapper. */
  readonly name: string;
  /** As /proc/self/mountinfo has it: "253:0". */
  readonly number: string;
  /** Of the LUKS volume; undefined for a dm-crypt device without LUKS. */
  readonly uuid: string | undefined;
}

export const isUuid = (text: string): boolean => UUID.test(text);

export function mappings(system: System): Mapping[] {
  return entries(system.root, '/sys/class/block').flatMap((block) => mappingOf(system, block) ?? []);
}

function mappingOf(system: System, block: string): Mapping | undefined {
  const directory = `/sys/class/block/${block}`;
  const kind = dmKindOf(line(system, `${directory}/dm/uuid`) ?? '');
  const name = line(system, `${directory}/dm/name`);
  const number = line(system, `${directory}/dev`);
  if (kind.crypt === undefined || name === undefined || number === undefined) return undefined;
  return { name: unmangled(name), number, uuid: kind.uuid };
}

/** The open dm-crypt device that is meant: by its name, its path, the path of the volume below it, or the UUID of that. */
export function findMapping(system: System, device: string): Mapping | undefined {
  const all = mappings(system);
  const uuid = device.replace(/^UUID=/, '').toLowerCase();
  if (isUuid(uuid)) return all.find((each) => each.uuid === uuid);
  if (!device.startsWith('/')) return all.find((each) => each.name === device);
  if (device.startsWith('/dev/mapper/')) {
    const named = all.find((each) => each.name === basename(device));
    if (named !== undefined) return named;
  }
  const block = basename(resolvePath(system.root, device).full);
  const above = entries(system.root, `/sys/class/block/${block}/holders`);
  for (const each of [block, ...above]) {
    const mapping = mappingOf(system, each);
    if (mapping !== undefined) return mapping;
  }
  return undefined;
}

/** The UUID of the LUKS volume that is meant, whether it is open (then by any of its names) or not (then by the UUID itself). */
export function uuidOf(system: System, device: string): string {
  const uuid = device.replace(/^UUID=/, '').toLowerCase();
  if (isUuid(uuid)) return uuid;
  const mapping = findMapping(system, device);
  if (mapping?.uuid !== undefined) return mapping.uuid;
  throw new SmeltError(
    'USAGE',
    mapping === undefined
      ? `${device} is no open dm-crypt device, and holds none`
      : `${device} is a dm-crypt device without LUKS, and has no UUID`,
    { hint: 'Name the device by its UUID, or give the item a name and the key a description.' },
  );
}

/** What is mounted there now: of several mounts the last covers the others. `mountPoint` is without links. */
export function mountAt(system: System, mountPoint: string): Mount | undefined {
  return mounts(system).findLast(({ point }) => point === mountPoint);
}

export function mountsOf(system: System, mapping: Mapping): Mount[] {
  return mounts(system).filter((mount) => isMountOf(system, mount, mapping));
}

/** Also of a file system that has a number of its own, as btrfs does: then what was mounted is named. */
export function isMountOf({ root }: System, { number, source }: Mount, mapping: Mapping): boolean {
  if (number === mapping.number || source === `/dev/mapper/${mapping.name}`) return true;
  return source.startsWith('/dev/') && numberOfPath(root, source) === mapping.number;
}

function mounts(system: System): Mount[] {
  const content = readText(system.root, '/proc/self/mountinfo');
  if ('value' in content) return parseMountinfo(content.value);
  throw new SmeltError('COMMAND', content.reason, { hint: 'Mount /proc: it says what is mounted.' });
}

function line(system: System, path: string): string | undefined {
  const content = readText(system.root, path);
  const text = 'value' in content ? content.value.trim() : '';
  return text === '' ? undefined : text;
}
