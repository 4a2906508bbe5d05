/** Goes down from a path to the disks, layer by layer, within bounds whatever the files of /proc and /sys say. */

import { type BlockDevice, deviceOf, numberOfPath, numberText, readBlock } from './block.ts';
import { dmKindOf } from './crypt-kind.ts';
import { cryptOf } from './crypt-layer.ts';
import type { CryptTargets } from './dm-table.ts';
import { atOtherEnd, devicesOf, inMemory, kindOf } from './file-systems.ts';
import { findMount, type Mount } from './mounts.ts';
import { type Resolved, resolvePath } from './paths.ts';
import type { Layer, LayerKind } from './report.ts';

/** Far above what machines have; a few lines of /sys could describe billions. */
const MAX_LAYERS = 256;
const MAX_DEPTH = 32;

interface Nature {
  readonly kind: LayerKind;
  readonly problem?: string;
}

export interface Machine {
  readonly root: string;
  readonly mounts: readonly Mount[];
  /** Undefined where dm tables cannot be read. */
  readonly targets: CryptTargets | undefined;
}

/** What was passed on the way down, so that no way goes in a circle. */
type Trail = readonly string[];

export class Walk {
  private readonly machine: Machine;
  private left = MAX_LAYERS;

  constructor(machine: Machine) {
    this.machine = machine;
  }

  /** A block device itself, or the file system that the path is on. */
  path(resolved: Resolved, trail: Trail = []): Layer {
    const { root, mounts } = this.machine;
    const number = numberOfPath(root, resolved.full);
    if (number !== undefined) return this.device(number, trail);
    // Of a copy of a machine stat(2) tells the device that the copy is on.
    const ownNumber = root === '/' && resolved.stat ? numberText(resolved.stat.dev) : undefined;
    const mount = findMount(mounts, resolved.full, ownNumber);
    if (mount !== undefined) return this.fileSystem(mount, trail);
    return unknownLayer(resolved.full, `no mount of /proc/self/mountinfo is for ${resolved.full}`);
  }

  /** A file that is open, by the mount that it was opened through. */
  openFile(mountId: string, path: string): Layer {
    const mount = this.machine.mounts.find(({ id }) => id === mountId);
    return mount === undefined
      ? unknownLayer(path, `the mount that ${path} lies on cannot be seen from here`)
      : this.fileSystem(mount, []);
  }

  private fileSystem(mount: Mount, trail: Trail): Layer {
    const stop = this.stop(`mount ${mount.id}`, trail);
    if (stop !== undefined) return stop;
    const further = [...trail, `mount ${mount.id}`];
    const { kind, problem } = kindOf(mount);
    const layer = { kind, name: mount.type, detail: mount.point, encrypts: 'no' } as const;
    if (problem !== undefined) return { ...layer, problem, below: [] };
    const below = devicesOf(this.machine.root, mount).map((each) => {
      if ('problem' in each) return unknownLayer(mount.source, each.problem);
      return 'number' in each
        ? this.device(each.number, further)
        : this.followed(each.path, each.what, further, mount);
    });
    return { ...layer, below };
  }

  /** A file or directory that something else lies in. Names of other mount namespaces lead nowhere here. */
  private followed(path: string, what: string, trail: Trail, above?: Mount): Layer {
    const resolved = resolvePath(this.machine.root, path);
    const isHere = path.startsWith('/') && resolved.existing === resolved.full;
    const { root, mounts } = this.machine;
    // In the order in which they were made: what was mounted there later is not what the one above goes on with.
    const there = findMount(mounts, resolved.full, undefined);
    if (above !== undefined && there !== undefined && mounts.indexOf(there) > mounts.indexOf(above))
      return unknownLayer(path, `${what} ${path} was covered by a later mount`);
    if (isHere || numberOfPath(root, path) !== undefined) return this.path(resolved, trail);
    return unknownLayer(path, `${what} ${path} cannot be seen from here`);
  }

  private device(number: string, trail: Trail): Layer {
    const stop = this.stop(number, trail);
    if (stop !== undefined) return stop;
    const block = readBlock(this.machine.root, number);
    if (block === undefined)
      return unknownLayer(number, `/sys/dev/block does not show the block device ${number}`);
    const below = this.belowOf(block, [...trail, number]);
    const layer = {
      name: block.dm?.name ?? block.name,
      device: deviceOf(block),
      number,
      ...(block.sizeBytes !== undefined && { sizeBytes: block.sizeBytes }),
    };
    if (block.dm !== undefined) {
      const kind = dmKindOf(block.dm.uuid);
      const crypt = cryptOf(this.machine.root, block, kind, below, this.machine.targets);
      return { ...layer, kind: crypt.crypt ? 'dm-crypt' : kind.kind, ...crypt, below };
    }
    const detail = block.mdLevel ?? block.backingFile;
    return { ...layer, ...natureOf(block, below), ...(detail && { detail }), encrypts: 'no', below };
  }

  private belowOf(block: BlockDevice, trail: Trail): Layer[] {
    const { name, backingFile, wholeDisk, slaves, problem } = block;
    const below = (wholeDisk === undefined ? slaves : [wholeDisk]).map((each) => this.device(each, trail));
    if (backingFile !== undefined) below.push(this.followed(backingFile, 'the backing file', trail));
    if (problem !== undefined) below.push(unknownLayer(name, problem));
    // It keeps one copy here, and sends the other away.
    if (/^drbd\d/.test(name)) below.push(unknownLayer('peer', atOtherEnd(name)));
    // Source: Linux Documentation/admin-guide/bcache.rst: the cache is a device of its own, for many of these.
    if (/^bcache\d/.test(name)) below.push(unknownLayer('cache', `what caches ${name} is not known`));
    return below;
  }

  /** Why it does not go further down here. */
  private stop(key: string, trail: Trail): Layer | undefined {
    if (trail.includes(key)) return unknownLayer(key, `${key} lies on itself, says the system`);
    if (trail.length >= MAX_DEPTH || this.left-- <= 0)
      return unknownLayer(key, 'there are more layers than can be looked at');
    return undefined;
  }
}

/** Of what is not device-mapper's. Source: the names of Linux Documentation/admin-guide/devices.txt. */
function natureOf({ name, directory, mdLevel, wholeDisk }: BlockDevice, below: readonly Layer[]): Nature {
  if (mdLevel !== undefined) return { kind: 'md' };
  if (wholeDisk !== undefined) return { kind: 'partition' };
  if (/^loop\d/.test(name)) return { kind: 'loop' };
  if (/^(?:zram|ram)\d/.test(name)) return { kind: 'memory', problem: inMemory(name) };
  if (/^(?:nbd|rbd|drbd)\d/.test(name)) return { kind: 'network', problem: atOtherEnd(name) };
  if (below.length > 0) return { kind: 'unknown' };
  // Disks have a bus; what is virtual is made of something, and should say of what.
  const isVirtual = directory.startsWith('/sys/devices/virtual/block/');
  return isVirtual
    ? { kind: 'unknown', problem: `/sys does not say what ${name} is made of` }
    : { kind: 'disk' };
}

export function unknownLayer(name: string, problem: string): Layer {
  return { kind: 'unknown', name, encrypts: 'unknown', problem, below: [] };
}
