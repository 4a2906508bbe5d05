/** What a mounted file system keeps its files on. */

import { readText } from '../../sme/live/files.ts';
import { entries, numberOfPath, readBlock } from './block.ts';
import { type Mount, optionOf } from './mounts.ts';
import { resolvePath } from './paths.ts';
import type { LayerKind } from './report.ts';

const MEMORY = ['tmpfs', 'ramfs', 'rootfs', 'devtmpfs', 'hugetlbfs'];
const NETWORK = [
  'nfs',
  'nfs4',
  'cifs',
  'smb3',
  'smbfs',
  'ceph',
  '9p',
  'virtiofs',
  'afs',
  'glusterfs',
  'lustre',
];
/** What can encrypt by itself, and where only its own tools tell whether it does. */
const BY_ITSELF = ['zfs', 'bcachefs', 'ecryptfs'];

export interface FileSystemKind {
  readonly kind: LayerKind;
  /** Why there is nothing to follow. */
  readonly problem?: string;
}

export const inMemory = (name: string): string =>
  `${name} is memory: nothing of it is on a disk, unless it is swapped out`;
export const atOtherEnd = (name: string): string =>
  `${name}: how the other end keeps what it gets cannot be seen from here`;

export function kindOf({ type, number }: Mount): FileSystemKind {
  if (MEMORY.includes(type)) return { kind: 'memory', problem: inMemory(type) };
  if (NETWORK.includes(type)) return { kind: 'network', problem: atOtherEnd(type) };
  if (type === 'fuse' || type.startsWith('fuse.'))
    return {
      kind: 'unknown',
      problem: `${type}: a program serves the files, and where it keeps them is not known`,
    };
  if (BY_ITSELF.includes(type))
    return { kind: 'unknown', problem: `${type} may encrypt by itself, which smelt cannot see` };
  if (type === 'overlay' || type === 'btrfs' || !number.startsWith('0:')) return { kind: 'file system' };
  return { kind: 'unknown', problem: `${type}: what it keeps files on is not known` };
}

export type Below =
  | { readonly number: string }
  /** Something that lies in a file system itself; `what` it is, for a sentence. */
  | { readonly path: string; readonly what: string }
  | { readonly problem: string };

/** Never empty. */
export function devicesOf(root: string, mount: Mount): Below[] {
  switch (mount.type) {
    case 'overlay': {
      // Source: Linux Documentation/filesystems/overlayfs.rst: only the upper directory is written to.
      const path = optionOf(mount, 'upperdir');
      if (path === undefined)
        return [{ problem: 'the overlay has no upperdir: nothing can be written to it' }];
      // Until Linux 6.8 it shows what it was given, with a backslash before each comma and colon.
      const isAsItStands = resolvePath(root, path).full === resolvePath(root, path).existing;
      return [{ path: isAsItStands ? path : path.replace(/\\(.)/g, '$1'), what: 'upperdir' }];
    }
    case 'btrfs':
      return btrfsDevices(root, mount);
    case 'xfs':
      return [
        { number: mount.number },
        ...['logdev', 'rtdev'].flatMap((name) => optionDevice(root, mount, name)),
      ];
    case 'ext3':
    case 'ext4':
      return [{ number: mount.number }, ...journalElsewhere(root, mount)];
    case 'f2fs':
    case 'jfs':
    case 'reiserfs':
      return [
        { number: mount.number },
        { problem: `${mount.type} may have a second device, which nothing shows` },
      ];
    default:
      return [{ number: mount.number }];
  }
}

const JBD2 = '/proc/fs/jbd2';

/**
 * With `data=journal`, which need not show among the options, all data go through the journal. One of the file system's own is called
 * DEVICE-INODE, one on a device of its own by that device, and nothing says whose it is. Source: jbd2_journal_init_dev() and
 * jbd2_journal_init_inode() of fs/jbd2/journal.c.
 */
function journalElsewhere(root: string, { number }: Mount): Below[] {
  const name = readBlock(root, number)?.name;
  const journals = entries(root, JBD2);
  const isOwn = journals.some(
    (each) => name !== undefined && /^-\d+$/.test(each.slice(name.length)) && each.startsWith(name),
  );
  const devices = entries(root, '/sys/class/block');
  const elsewhere = journals.filter((each) => devices.includes(each));
  if (isOwn || elsewhere.length === 0) return [];
  return [{ problem: `the journal may lie on ${elsewhere.join(' or ')}, which nothing shows` }];
}

/** XFS may keep its log and the data of some files on devices of their own. Source: Linux Documentation/admin-guide/xfs.rst. */
function optionDevice(root: string, mount: Mount, name: string): Below[] {
  const path = optionOf(mount, name);
  if (path === undefined) return [];
  const number = numberOfPath(root, path);
  return [number === undefined ? { problem: `${name} ${path} cannot be seen from here` } : { number }];
}

const BTRFS = '/sys/fs/btrfs';

/** The mount names one of the devices; /sys/fs/btrfs has all of them. */
function btrfsDevices(root: string, { source }: Mount): Below[] {
  const named = numberOfPath(root, source);
  const all = entries(root, BTRFS)
    .filter((name) => /^[0-9a-f-]{36}$/.test(name))
    .map((uuid) =>
      entries(root, `${BTRFS}/${uuid}/devices`).map((name) => ({ name, number: numberOf(root, uuid, name) })),
    );
  // A source like /dev/root names no device; then it is clear only where there is one file system.
  const own =
    named === undefined && all.length === 1
      ? all[0]
      : all.find((each) => each.some(({ number }) => number === named));
  if (own === undefined || (named === undefined && all.length !== 1)) {
    return [{ problem: `${BTRFS} does not tell which devices are those of ${source}` }];
  }
  return own.map(({ name, number }) =>
    number === undefined ? { problem: `/sys does not show ${name}` } : { number },
  );
}

function numberOf(root: string, uuid: string, name: string): string | undefined {
  const content = readText(root, `${BTRFS}/${uuid}/devices/${name}/dev`);
  const number = 'value' in content ? content.value.trim() : '';
  return /^\d{1,10}:\d{1,10}$/.test(number) ? number : undefined;
}
