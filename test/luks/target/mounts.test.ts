/** Which mount a path lies on. */
import { describe, expect, it } from 'vitest';
import { findMount, optionOf, parseMountinfo } from '../../../src/luks/target/mounts.ts';

/** "id parent number point type", each line a mount. */
const mountsOf = (...lines: string[]) =>
  parseMountinfo(
    lines
      .map((line) => line.split(' '))
      .map(
        ([id, parent, number, point, type]) =>
          `${id} ${parent} ${number} / ${point} rw,relatime shared:1 - ${type} source rw`,
      )
      .join('\n'),
  );
const typeOf = (mounts: ReturnType<typeof mountsOf>, path: string, number?: string) =>
  findMount(mounts, path, number)?.type;

describe('a line of mountinfo', () => {
  it('is read with any number of optional fields, and blanks that are octal', () => {
    const fields = (optional: string) =>
      `36 35 98:0 /mnt1 /a\\040b\\134 rw,noatime ${optional}- ext3 /dev/my\\040root rw,errors=continue`;
    const mount = {
      id: '36',
      parent: '35',
      number: '98:0',
      point: '/a b\\',
      type: 'ext3',
      source: '/dev/my root',
      options: ['rw', 'errors=continue'],
    };
    for (const optional of ['', 'master:1 ', 'shared:4 master:1 unbindable '])
      expect(parseMountinfo(fields(optional))).toEqual([mount]);
  });

  it('that is no mount is passed over', () => {
    expect(
      parseMountinfo('\nx\n1 2 3 4 5 6 - ext4 / rw\n1 2 8:1 / / rw - ext4\n1 2 8:1 / / rw ext4 x rw\n'),
    ).toEqual([]);
  });

  it('has options whose commas are octal', () => {
    const [mount] = parseMountinfo(
      '1 2 0:5 / / rw - overlay o rw,upperdir=/a\\054b\\040c,workdir=/w,upperdir2=/x',
    );
    expect(optionOf(mount, 'upperdir')).toBe('/a,b c');
    expect(optionOf(mount, 'lowerdir')).toBeUndefined();
  });
});

describe('a path lies on', () => {
  it('the mount whose point is the longest part of it, by whole names', () => {
    const mounts = mountsOf('1 0 8:1 / root', '2 1 8:2 /var var', '3 2 8:3 /var/crash crash');
    expect(
      ['/', '/varx', '/var', '/var/x', '/var/crash/y', '/var/crashed'].map((path) => typeOf(mounts, path)),
    ).toEqual(['root', 'root', 'var', 'var', 'crash', 'var']);
  });

  it('the last of several mounts at one point', () => {
    const mounts = mountsOf('1 0 8:1 / root', '2 1 8:2 /mnt first', '3 2 8:3 /mnt second');
    expect(typeOf(mounts, '/mnt/x')).toBe('second');
  });

  it('not a mount that a later one above it hides', () => {
    const mounts = mountsOf('1 0 8:1 / root', '2 1 8:2 /a/b hidden', '3 1 8:3 /a above');
    expect(typeOf(mounts, '/a/b/c')).toBe('above');
    expect(typeOf([...mounts, ...mountsOf('4 3 8:4 /a/b again')], '/a/b/c')).toBe('again');
  });

  it('a mount whose parent is not shown, as after chroot', () => {
    expect(typeOf(mountsOf('5 4 8:1 / root', '7 6 8:2 /data data'), '/data/x')).toBe('data');
    expect(typeOf(mountsOf('7 6 8:2 /data data'), '/data/x')).toBe('data');
    expect(typeOf(mountsOf('7 6 8:2 /data data'), '/other')).toBeUndefined();
  });

  it('the device that stat(2) tells, where the mounts shown are not all', () => {
    const mounts = mountsOf('1 0 8:1 / root', '2 1 8:2 /var var', '3 1 8:3 /elsewhere elsewhere');
    expect(typeOf(mounts, '/var/x', '8:2')).toBe('var');
    expect(typeOf(mounts, '/var/x', '8:3')).toBe('elsewhere');
    expect(typeOf(mounts, '/var/x', '8:9')).toBeUndefined();
    // Files of btrfs and of overlays have numbers of their own.
    expect(typeOf(mounts, '/var/x', '0:99')).toBe('var');
  });
});
