/** A block device as /sys shows it. Source: Linux Documentation/ABI/testing/sysfs-block*, sysfs-class-dm, admin-guide/md.rst. */

import { readdirSync, readlinkSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { errnoName, systemReason } from '../../errors.ts';
import { readText } from '../../sme/live/files.ts';
import { resolvePath } from './paths.ts';

/** More legs than any machine's device has. */
const MAX_SLAVES = 128;
const SECTOR_BYTES = 512;

export interface BlockDevice {
  readonly number: string;
  /** The kernel's name: "dm-0", "nvme0n1p3"; below /dev a "!" in it is a "/". */
  readonly name: string;
  /** Below /sys/devices. */
  readonly directory: string;
  readonly sizeBytes: number | undefined;
  readonly dm: { readonly name: string; readonly uuid: string } | undefined;
  readonly mdLevel: string | undefined;
  readonly backingFile: string | undefined;
  /** The number of the disk that this is a partition of. */
  readonly wholeDisk: string | undefined;
  /** Numbers of the devices that this one is made of. */
  readonly slaves: readonly string[];
  /** Why the list of them is not whole. */
  readonly problem: string | undefined;
}

export const isNumber = (text: string): boolean => /^\d{1,10}:\d{1,10}$/.test(text);
export const deviceOf = ({ name }: Pick<BlockDevice, 'name'>): string => `/dev/${name.replaceAll('!', '/')}`;

/** Undefined where /sys does not know it, or is not there. */
export function readBlock(root: string, number: string): BlockDevice | undefined {
  const link = `/sys/dev/block/${number}`;
  let directory: string;
  try {
    directory = resolve(dirname(link), readlinkSync(join(root, link)));
  } catch {
    return undefined;
  }
  const text = (file: string): string | undefined => {
    const content = readText(root, `${directory}/${file}`);
    return 'value' in content ? content.value.replace(/\n$/, '') : undefined;
  };
  const sectors = /^\d{1,13}$/.exec(text('size') ?? '')?.[0];
  const dmName = text('dm/name');
  const wholeDisk = text('partition') === undefined ? undefined : numberIn(root, dirname(directory));
  const isLost = text('partition') !== undefined && wholeDisk === undefined;
  const { slaves, problem } = isLost
    ? { slaves: [], problem: `/sys does not show the disk that ${basename(directory)} is a partition of` }
    : readSlaves(root, directory);
  return {
    number,
    name: basename(directory),
    directory,
    sizeBytes: sectors === undefined ? undefined : Number(sectors) * SECTOR_BYTES,
    dm: dmName === undefined ? undefined : { name: unmangled(dmName), uuid: text('dm/uuid') ?? '' },
    mdLevel: text('md/level'),
    backingFile: text('loop/backing_file'),
    wholeDisk,
    slaves,
    problem,
  };
}

/** Characters that udev would not like in a name are "\x20" in the kernel. Source: libdevmapper.h, DM_STRING_MANGLING_HEX. */
export function unmangled(name: string): string {
  return name.replace(/\\x([0-9a-f]{2})/g, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)));
}

function readSlaves(root: string, directory: string): Pick<BlockDevice, 'slaves' | 'problem'> {
  let names: string[];
  try {
    names = readdirSync(join(root, directory, 'slaves')).sort();
  } catch (error) {
    // Partitions have no such directory.
    const problem = errnoName(error) === 'ENOENT' ? undefined : `${directory}/slaves: ${systemReason(error)}`;
    return { slaves: [], problem };
  }
  const numbers = names
    .slice(0, MAX_SLAVES)
    .map((name) => ({ name, number: numberIn(root, `${directory}/slaves/${name}`) }));
  const lost = numbers.find(({ number }) => number === undefined);
  const problem =
    names.length > MAX_SLAVES
      ? `${directory}/slaves has more than ${MAX_SLAVES} entries`
      : lost && `${directory}/slaves/${lost.name} has no device number`;
  return { slaves: numbers.flatMap(({ number }) => number ?? []), problem };
}

function numberIn(root: string, directory: string): string | undefined {
  const content = readText(root, `${directory}/dev`);
  const number = 'value' in content ? content.value.trim() : '';
  return isNumber(number) ? number : undefined;
}

/** The number of the block device that a path below /dev names. */
export function numberOfPath(root: string, path: string): string | undefined {
  const { full, existing, stat } = resolvePath(root, path);
  if (stat?.isBlockDevice() && existing === full) return numberText(stat.rdev);
  // A copy of a machine has no device nodes, only names. Here what has the name and is no node is something else.
  if (!full.startsWith('/dev/') || (root === '/' && existing === full)) return undefined;
  const name = full.slice('/dev/'.length);
  return (
    numberIn(root, `/sys/class/block/${name.replaceAll('/', '!')}`) ??
    (name.startsWith('mapper/') ? numberOfMapper(root, name.slice('mapper/'.length)) : undefined)
  );
}

function numberOfMapper(root: string, dmName: string): string | undefined {
  const blocks = entries(root, '/sys/class/block').filter((name) => name.startsWith('dm-'));
  const found = blocks.find((name) => {
    const content = readText(root, `/sys/class/block/${name}/dm/name`);
    return 'value' in content && unmangled(content.value.trim()) === unmangled(dmName);
  });
  return found === undefined ? undefined : numberIn(root, `/sys/class/block/${found}`);
}

/** Names in a directory, or none where it cannot be read. */
export function entries(root: string, directory: string): string[] {
  try {
    return readdirSync(join(root, directory)).sort();
  } catch {
    return [];
  }
}

/** A dev_t of stat(2) as the kernel writes it. Source: gnu_dev_major() and gnu_dev_minor() of glibc. */
export function numberText(device: number): string {
  const value = BigInt(device);
  const major = ((value >> 8n) & 0xfffn) | ((value >> 32n) & 0xfffff000n);
  const minor = (value & 0xffn) | ((value >> 12n) & 0xffffff00n);
  return `${major}:${minor}`;
}
