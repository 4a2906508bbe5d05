/** What paths sit on, on a machine that was recorded and on machines that were composed. */
import { chmodSync, closeSync, openSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { luksStatus, openFileStatus } from '../../../src/luks/status.ts';
import type { Encrypted, Layer, TargetReport } from '../../../src/luks/target/report.ts';
import { lookAtTarget } from '../../../src/luks/target/target.ts';
import { tempFiles } from '../../read/temp-files.ts';
import { luks1Image, luks2Image, metadata, UUID } from '../luks-images.ts';
import { type Entries, plant, targetsOf, treeOf } from '../tree-file.ts';

const files = tempFiles();
/** A machine as a directory; without the dm tables it is as for a user who is not root. */
function machine(name: string, change: (entries: Entries) => void = () => {}) {
  const entries = treeOf(name);
  change(entries);
  const root = plant(entries, files.path(name));
  const targets = targetsOf(entries);
  return {
    root,
    look: (path: string) => lookAtTarget(path, root, targets),
    lookWithoutTables: (path: string) => lookAtTarget(path, root),
  };
}

/** "ext4 > LVM vg0-var > LUKS2 luks-root > disk vda"; where ways part, in brackets. */
function outline({ kind, name, detail, crypt, device, below }: Layer): string {
  const word = crypt?.kind ?? (kind === 'md' ? `md ${detail}` : kind);
  const own = device === undefined ? name : `${word} ${name}`;
  if (below.length === 0) return own;
  const further = below.map(outline);
  return `${own} > ${further.length === 1 ? further[0] : `[${further.join(' | ')}]`}`;
}
const told = ({ layers, encrypted }: TargetReport) => [outline(layers), encrypted];

describe('on the machine of the lab', () => {
  const lab = machine('recorded-lab');
  const VAR = 'ext4 > LVM vg0-var > LUKS2 luks-root > partition vda2 > disk vda';
  const HALF_OPEN = 'not known without the dm table, as only some LUKS headers were recorded';

  it.each<[string, string, string, Encrypted, Encrypted | typeof HALF_OPEN]>([
    ['a plain partition', '/mnt/boot', 'ext4 > partition vda1 > disk vda', 'none', 'none'],
    ['LVM on LUKS2', '/mnt/var', VAR, 'all legs', 'all legs'],
    ['what is not there yet', '/mnt/var/crash/2024/vmcore', VAR, 'all legs', 'all legs'],
    ['LUKS1 on LVM', '/mnt/data', 'ext4 > LUKS1 luks-data > LVM vgb-data > disk vdb', 'all legs', 'all legs'],
    [
      'a mirror of two LUKS volumes',
      '/mnt/mirror',
      'ext4 > md raid1 md0 > [LUKS2 luks-c > disk vdc | LUKS2 luks-d > disk vdd]',
      'all legs',
      HALF_OPEN,
    ],
    [
      'a mirror of a LUKS volume and a plain disk',
      '/mnt/half',
      'ext4 > md raid1 md1 > [LUKS2 luks-e > disk vde | disk vdf]',
      'some legs',
      HALF_OPEN,
    ],
    [
      'btrfs on a LUKS volume and a plain disk',
      '/mnt/btrfs',
      'btrfs > [LUKS2 luks-g > disk vdg | disk vdh]',
      'some legs',
      HALF_OPEN,
    ],
    [
      'a subvolume of that',
      '/mnt/subvolume',
      'btrfs > [LUKS2 luks-g > disk vdg | disk vdh]',
      'some legs',
      HALF_OPEN,
    ],
    [
      'a file system in an encrypted file',
      '/mnt/in-file',
      `ext4 > loop loop0 > ${VAR}`,
      'all legs',
      'all legs',
    ],
    [
      'a LUKS volume in a plain file',
      '/mnt/luks-file',
      'ext4 > LUKS2 luks-file > loop loop1 > ext4 > partition vda1 > disk vda',
      'all legs',
      HALF_OPEN,
    ],
    ['plain dm-crypt', '/mnt/plain', 'ext4 > plain plain-i > disk vdi', 'all legs', 'unknown'],
    [
      'LUKS on multipath',
      '/mnt/mpath',
      'ext4 > LUKS2 luks-mpath > multipath mpatha > [disk vdn | disk vdo]',
      'all legs',
      HALF_OPEN,
    ],
    ['XFS with its log elsewhere', '/mnt/xfs', 'xfs > [disk vdq | LVM vgb-log > disk vdb]', 'none', 'none'],
    ['an overlay on memory', '/mnt/overlay-memory', 'overlay > tmpfs', 'none', 'none'],
    ['an overlay on an encrypted directory', '/mnt/overlay/x', `overlay > ${VAR}`, 'all legs', 'all legs'],
    [
      'a bind mount with a blank in its name',
      '/mnt/with blank',
      'ext4 > LVM vg0-root--a > LUKS2 luks-root > partition vda2 > disk vda',
      'all legs',
      'all legs',
    ],
    ['a mount that another one hides', '/mnt/hidden/below', 'tmpfs', 'none', 'none'],
    ['memory as a disk', '/mnt/zram', 'ext4 > memory zram0', 'none', 'none'],
    [
      'a device by a link',
      '/dev/mapper/luks-m',
      'LUKS2 luks-m > device-mapper luks-m_dif > disk vdm',
      'all legs',
      'all legs',
    ],
    [
      'a device by its name',
      '/dev/dm-2',
      'LVM vg0-var > LUKS2 luks-root > partition vda2 > disk vda',
      'all legs',
      'all legs',
    ],
    ['dm-integrity alone', '/dev/mapper/integrity-k', 'device-mapper integrity-k > disk vdk', 'none', 'none'],
    [
      'dm-verity alone',
      '/dev/mapper/verity-l',
      'device-mapper verity-l > [loop loop2 > tmpfs | disk vdl]',
      'none',
      'none',
    ],
    ['a file of /proc', '/proc/kcore', 'proc', 'unknown', 'unknown'],
  ])('%s is told', (_, path, expected, encrypted, withoutTables) => {
    expect(told(lab.look(path))).toEqual([expected, encrypted]);
    expect(told(lab.lookWithoutTables(path))).toEqual([
      expected,
      withoutTables === HALF_OPEN ? 'unknown' : withoutTables,
    ]);
  });

  it.each<[string, string, Encrypted, string, RegExp]>([
    [
      'dm-crypt made by hand',
      '/mnt/by-hand',
      'all legs',
      'ext4 > dm-crypt by hand > disk vdj',
      /by hand encrypts/,
    ],
    [
      'a cipher that does nothing',
      '/mnt/null',
      'none',
      'ext4 > dm-crypt null > disk vdj',
      /the cipher of null is cipher_null/,
    ],
    [
      'a device that only passes on',
      '/mnt/linear',
      'none',
      'ext4 > device-mapper linear > disk vdj',
      /disk|nothing encrypts/,
    ],
  ])('%s is told by its dm table, and without it not known', (_, path, encrypted, expected, why) => {
    const report = lab.look(path);
    expect(told(report)).toEqual([expected, encrypted]);
    expect(report.why).toMatch(why);
    expect(lab.lookWithoutTables(path)).toMatchObject({
      encrypted: 'unknown',
      why: expect.stringMatching(/only its dm table/),
    });
  });

  it('LUKS2 whose encryption is only prepared is told by its dm table, and by its header', () => {
    const path = '/dev/mapper/half-done';
    const report = lab.look(path);
    expect(told(report)).toEqual(['LUKS2 half-done > disk vdp', 'none']);
    expect(report.why).toBe(
      'the dm table of half-done encrypts nothing: it is in the middle of a reencryption',
    );
    expect(lab.lookWithoutTables(path)).toMatchObject({
      encrypted: 'unknown',
      why: 'the LUKS header says that not all of half-done is encrypted',
    });
  });

  it('a dm-crypt layer has cipher, key and header, and nothing that is secret', () => {
    const [{ below }] = lab.look('/mnt/var').layers.below;
    expect(below[0]).toMatchObject({
      name: 'luks-root',
      number: expect.stringMatching(/^252:/),
      encrypts: 'yes',
    });
    expect(below[0].crypt).toMatchObject({
      kind: 'LUKS2',
      encryption: 'aes-xts-plain64',
      key: {
        place: 'keyring',
        type: 'logon',
        sizeBytes: 64,
        description: expect.stringMatching(/^cryptsetup:.*-d0$/),
      },
      header: { version: 2, used: 'primary', broken: [], unlockMemoryBytes: 32 * 2 ** 20 },
    });
    const data = lab.look('/mnt/data').layers.below[0].crypt!;
    expect(data).toMatchObject({
      kind: 'LUKS1',
      key: { place: 'kernel', sizeBytes: 64 },
      header: { version: 1, unlockMemoryBytes: 0 },
    });
    const all = JSON.stringify([
      ...['/mnt/var', '/mnt/data', '/mnt/mpath', '/dev/mapper/luks-m'].map(lab.look),
    ]);
    expect(all).not.toMatch(/0{16}|salt|digest":"/);
  });

  it('a dm-integrity device is not taken for the one with the header below it', () => {
    const { crypt } = lab.look('/dev/mapper/luks-m').layers;
    expect(crypt!.header).toMatchObject({
      version: 2,
      segments: [{ integrity: expect.stringMatching(/hmac/) }],
    });
  });

  it('a device with a LUKS header is shown itself', () => {
    const report = lab.look('/dev/vda2');
    expect(told(report)).toEqual(['partition vda2 > disk vda', 'none']);
    expect(report.header).toMatchObject({ version: 2, keyslots: [{ kdf: { type: 'argon2id' } }] });
    expect(report.why).toMatch(/past the encryption/);
    expect(lab.look('/mnt/var').header).toBeUndefined();
  });

  it('the header of a reencryption under way, as cryptsetup writes it, is whole', () => {
    const { header } = lab.look('/dev/vdp');
    expect(header).toMatchObject({
      broken: [],
      config: { requirements: [expect.stringMatching(/^online-reencrypt/)] },
    });
    expect(header!.keyslots.map(({ type }) => type)).toContain('reencrypt');
  });

  it('an image file with a LUKS header is shown itself, and where it lies', () => {
    const image = luks2Image();
    const { look } = machine('recorded-lab', (entries) => entries.set('mnt/var/volume.img', image));
    const report = look('/mnt/var/volume.img');
    expect(told(report)).toEqual([VAR, 'all legs']);
    expect(report.header).toMatchObject({ uuid: UUID });
  });

  it('links are followed, also to what is not there yet', () => {
    const { look } = machine('recorded-lab', (entries) => {
      entries.set('mnt/boot/crash', { link: '../var/./dumps/../new' });
      entries.set('mnt/boot/absolute', { link: '/mnt/root' });
      entries.set('mnt/boot/round', { link: 'round' });
    });
    expect(told(look('/mnt/boot/crash'))).toEqual([VAR, 'all legs']);
    expect(look('/mnt/boot/absolute/../data/x').existing).toBe('/mnt/data');
    expect(told(look('/mnt/boot/round'))[1]).toBe('none');
  });
});

describe('on a machine that was composed', () => {
  const workstation = machine('composed-workstation', (entries) =>
    entries.set('dev/nvme0n1p3', luks2Image()),
  );
  const POOL =
    'LVM vg-pool-tpool > [LVM vg-pool_tmeta > LUKS2 luks-6a1b2c3d > partition nvme0n1p3 > disk nvme0n1 | LVM vg-pool_tdata > LUKS2 luks-6a1b2c3d > partition nvme0n1p3 > disk nvme0n1]';

  it.each<[string, string, string, Encrypted]>([
    [
      'btrfs whose device the mount does not name',
      '/',
      'btrfs > LVM vg-root > LUKS2 luks-6a1b2c3d > partition nvme0n1p3 > disk nvme0n1',
      'all legs',
    ],
    ['a thin volume', '/var/lib/thin/x', `ext4 > LVM vg-thin > ${POOL}`, 'all legs'],
    ["a drive's own encryption", '/opal', 'ext4 > LUKS2 with OPAL opal > disk sda', 'all legs'],
    [
      'VeraCrypt with two ciphers',
      '/vault',
      'ext4 > TrueCrypt or VeraCrypt vault > device-mapper vault_1 > partition sdb1 > disk sdb',
      'unknown',
    ],
    [
      'BitLocker under a program',
      '/windows',
      'fuseblk > BitLocker bl > partition sdb1 > disk sdb',
      'unknown',
    ],
    ['a disk with a slash in its name', '/srv', 'ext4 > disk cciss!c0d0', 'none'],
    ['that disk by its name', '/dev/cciss/c0d0', 'disk cciss!c0d0', 'none'],
    // No table and no header: it may as well be cipher_null.
    ['LUKS on a disk of another machine', '/nbd-luks', 'ext4 > LUKS1 nbd-luks > network nbd1', 'unknown'],
    [
      'stripes over an encrypted and a plain disk',
      '/stripes',
      'xfs > LVM stripes > [LUKS2 luks-6a1b2c3d > partition nvme0n1p3 > disk nvme0n1 | disk sda]',
      'some legs',
    ],
    [
      'a partition of a multipath device',
      '/part-of-mpath',
      'ext4 > partition mpathb-part1 > multipath mpathb > disk sda',
      'none',
    ],
    ['a mount upon a mount', '/boot/covered', 'tmpfs', 'none'],
  ])('%s is told', (_, path, expected, encrypted) => {
    expect(told(workstation.look(path))).toEqual([expected, encrypted]);
  });

  it.each<[string, string, RegExp]>([
    ['NFS', '/net/a share/x', /^nfs4: how the other end/],
    ['CIFS', '/net/windows', /^cifs: how the other end/],
    ['the file system of a virtual machine’s host', '/host', /^9p: how the other end/],
    ['ZFS', '/tank', /^zfs may encrypt by itself/],
    ['eCryptfs', '/encfs', /^ecryptfs may encrypt by itself/],
    ['a file system of a program', '/home/me/cloud', /^fuse\.sshfs: a program serves the files/],
    ['a disk of another machine', '/nbd', /^nbd0: how the other end/],
    ['a cached disk', '/cached', /what caches bcache0 is not known/],
    [
      'an overlay of another mount namespace',
      '/container',
      /upperdir \/var\/lib\/containers\/diff cannot be seen/,
    ],
    ['an overlay to read only', '/image', /has no upperdir/],
    ['what is mounted only when it is used', '/automatic', /^autofs: what it keeps files on is not known/],
  ])('of %s it is not known, and said why', (_, path, why) => {
    expect(workstation.look(path)).toMatchObject({ encrypted: 'unknown', why: expect.stringMatching(why) });
  });

  it('LUKS2 is believed only with its dm table or its own header', () => {
    const look = (bytes?: Uint8Array) =>
      machine('composed-workstation', (entries) => {
        if (bytes !== undefined) entries.set('dev/nvme0n1p3', bytes);
      }).look('/var/lib/thin');
    expect(look()).toMatchObject({
      encrypted: 'unknown',
      why: expect.stringMatching(/neither can be read: \/dev\/nvme0n1p3: no such file/),
    });
    expect(look(luks2Image({ uuid: UUID.replace('6', '7') }))).toMatchObject({
      encrypted: 'unknown',
      why: expect.stringMatching(/has another UUID/),
    });
    expect(look(luks1Image())).toMatchObject({ encrypted: 'all legs' });
    const broken = luks2Image();
    broken.fill(1, 4096, 4200);
    broken.fill(1, 16384 + 4096, 16384 + 4200);
    expect(look(broken)).toMatchObject({ encrypted: 'unknown' });
    const json = metadata();
    json.segments[0].encryption = 'cipher_null-ecb';
    expect(look(luks2Image({ json }))).toMatchObject({
      encrypted: 'none',
      why: expect.stringMatching(/cipher_null/),
    });
  });

  it('crypt targets that cover only a part of a device are not enough', () => {
    const { look } = machine('composed-workstation', (entries) => {
      entries.set(
        'dmsetup table --target crypt',
        'luks-6a1b2c3d: 0 1024 crypt aes-xts-plain64 :64:logon:cryptsetup:x 0 259:3 32768\n',
      );
    });
    expect(look('/var/lib/thin')).toMatchObject({
      encrypted: 'unknown',
      why: 'the crypt targets of luks-6a1b2c3d do not cover all of it',
    });
  });

  it('one null cipher among several targets is enough', () => {
    const { look } = machine('composed-workstation', (entries) => {
      entries.set(
        'dmsetup table --target crypt',
        [
          'luks-6a1b2c3d: 0 997967232 crypt aes-xts-plain64 :64:logon:cryptsetup:x 0 259:3 32768',
          'luks-6a1b2c3d: 997967232 32768 crypt cipher_null-ecb - 0 259:3 997999999',
          '',
        ].join('\n'),
      );
    });
    expect(look('/var/lib/thin')).toMatchObject({
      encrypted: 'none',
      why: expect.stringMatching(/cipher_null/),
    });
  });

  /** What a mount is told of when its line says something else, and more is there. */
  const withMount = (line: string, more: Readonly<Record<string, string>> = {}) =>
    machine('composed-workstation', (entries) => {
      entries.set('dev/nvme0n1p3', luks2Image());
      for (const [path, text] of Object.entries(more)) entries.set(path, text);
      const mountinfo = String(entries.get('proc/self/mountinfo'));
      entries.set('proc/self/mountinfo', `${mountinfo.trimEnd()}\n${line}\n`);
    });
  const onLuks = (type: string, options = 'rw') =>
    `70 27 253:4 / /new rw - ${type} /dev/mapper/vg-thin ${options}`;

  it('an ext4 whose journal may lie elsewhere is not known', () => {
    const block = 'sys/class/block/sdx/dev';
    const own = withMount(onLuks('ext4'), {
      'proc/fs/jbd2/dm-4-8/info': '',
      'proc/fs/jbd2/sdx/info': '',
      [block]: '8:99\n',
    });
    expect(own.look('/new').encrypted).toBe('all legs');
    const none = withMount(onLuks('ext4'));
    expect(none.look('/new').encrypted).toBe('all legs');
    const other = withMount(onLuks('ext4'), { 'proc/fs/jbd2/sdx/info': '', [block]: '8:99\n' });
    expect(other.look('/new')).toMatchObject({
      encrypted: 'unknown',
      why: 'the journal may lie on sdx, which nothing shows',
    });
  });

  it.each(['f2fs', 'jfs', 'reiserfs'])('%s may have a second device', (type) => {
    expect(withMount(onLuks(type)).look('/new')).toMatchObject({
      encrypted: 'unknown',
      why: `${type} may have a second device, which nothing shows`,
    });
  });

  it.each(['logdev', 'rtdev'])('the %s of an XFS counts', (name) => {
    const { look } = withMount(onLuks('xfs', `rw,${name}=/dev/nvme0n1p2`));
    expect(look('/new')).toMatchObject({
      encrypted: 'unknown',
      why: `${name} /dev/nvme0n1p2 cannot be seen from here`,
    });
  });

  it('an overlay does not go on with what was mounted upon its upper directory later', () => {
    const overlay = '70 27 0:70 / /over rw - overlay overlay rw,lowerdir=/l,upperdir=/var/lib/thin/up';
    expect(withMount(overlay, { 'var/lib/thin/up/x': '' }).look('/over').encrypted).toBe('all legs');
    const covered = '71 41 0:71 / /var/lib/thin/up rw - tmpfs tmpfs rw';
    expect(withMount(`${overlay}\n${covered}`, { 'var/lib/thin/up/x': '' }).look('/over')).toMatchObject({
      encrypted: 'unknown',
      why: 'upperdir /var/lib/thin/up was covered by a later mount',
    });
  });

  it('DRBD upon an encrypted disk sends its plaintext to another machine', () => {
    const drbd = 'sys/devices/virtual/block/drbd0';
    const { look } = withMount('70 27 147:0 / /drbd rw - ext4 /dev/drbd0 rw', {
      [`${drbd}/dev`]: '147:0\n',
      [`${drbd}/slaves/dm-4/dev`]: '253:4\n',
      'sys/dev/block/147:0/dev': '147:0\n',
      'sys/dev/block/147:0/slaves/dm-4/dev': '253:4\n',
    });
    expect(look('/drbd').encrypted).not.toBe('all legs');
  });

  it('the memory of its crash kernel is told', async () => {
    expect(await luksStatus('/', workstation.root)).toMatchObject({
      crashKernelMemory: { value: 256 * 2 ** 20, source: '/sys/kernel/kexec_crash_size' },
      isCrashKernel: false,
    });
    const { crashKernelMemory } = await luksStatus('/', machine('composed-hostile').root);
    expect(crashKernelMemory.value).toBeUndefined();
  });
});

describe('what no kernel says', () => {
  const hostile = machine('composed-hostile');

  it.each<[string, string, RegExp]>([
    ['devices that are made of each other', '/circle', /253:0 lies on itself/],
    ['a device that is made of itself', '/itself', /only its dm table/],
    ['a loop device in its own file system', '/loop/x', /mount 4 lies on itself/],
    ['an overlay in itself', '/overlay/x', /mount 5 lies on itself/],
    ['a partition of no disk', '/orphan', /does not show the disk that sda1 is a partition of/],
    ['slaves in a file', '/slaves-is-a-file', /slaves: a part of the path is not a directory/],
    ['a slave without a number', '/slave-without-number', /slaves\/sdz has no device number/],
    ['a device that /sys does not know', '/unknown', /does not show the block device 99:99/],
    ['btrfs that /sys does not know', '/btrfs', /does not tell which devices/],
    ['a device-mapper device without anything', '/no-uuid', /only its dm table/],
    ['a loop device without a file', '/unbound', /what loop1 lies on is not known/],
    ['a loop device of a relative path', '/relative', /cannot be seen from here/],
    ['a mount that is its own parent', '/own-parent', /sda1/],
  ])('%s: not known, and said why', (_, path, why) => {
    expect(hostile.look(path)).toMatchObject({ encrypted: 'unknown', why: expect.stringMatching(why) });
  });

  it('mounts that are each other’s parents are not reached', () => {
    expect(told(hostile.look('/each-other'))).toEqual(['rootfs', 'none']);
  });

  it('a machine without anything', () => {
    const report = lookAtTarget('/var/crash', plant(new Map(), files.path('nothing')));
    expect(report).toMatchObject({
      encrypted: 'unknown',
      why: 'no mount of /proc/self/mountinfo is for /var/crash',
    });
  });

  it('more layers than any machine has: the rest is not known', () => {
    const { look } = machine('composed-hostile', (entries) => {
      // Each device is made twice of the next one: 2 ** 40 ways to the ground.
      for (let i = 0; i < 40; i++) {
        const directory = `sys/devices/virtual/block/dm-${100 + i}`;
        entries.set(`sys/dev/block/300:${i}`, { link: `../../devices/virtual/block/dm-${100 + i}` });
        entries.set(`${directory}/dev`, `300:${i}\n`);
        entries.set(`${directory}/dm/name`, `n${i}\n`);
        entries.set(`${directory}/dm/uuid`, `LVM-${i}\n`);
        for (const twin of ['a', 'b']) entries.set(`${directory}/slaves/${twin}/dev`, `300:${i + 1}\n`);
      }
      entries.set('proc/self/mountinfo', '1 1 300:0 / / rw - ext4 /dev/x rw\n');
    });
    const report = look('/');
    expect(report).toMatchObject({
      encrypted: 'unknown',
      why: expect.stringMatching(/more layers than can be looked at/),
    });
    expect(report.legs.length).toBeLessThan(300);
  });

  it.skipIf(process.getuid?.() === 0)(
    `directories that are not for us${process.getuid?.() === 0 ? ' (skipped: root may read everything)' : ''}`,
    () => {
      const { root, look } = machine('recorded-lab');
      chmodSync(join(root, 'sys/devices/virtual/block/md0/slaves'), 0);
      expect(look('/mnt/mirror')).toMatchObject({
        encrypted: 'unknown',
        why: expect.stringMatching(/permission denied/),
      });
      chmodSync(join(root, 'sys/devices/virtual/block/md0/slaves'), 0o755);
    },
  );

  const PLACES = [...treeOf('recorded-lab'), ...treeOf('composed-workstation')].flatMap(([path, what]) =>
    what === undefined ? [] : [path],
  );
  const SAYINGS = [
    '',
    '8:0',
    '252:0',
    '0:2',
    '../../../..',
    '/',
    '/mnt/var',
    '-1',
    '9'.repeat(30),
    'CRYPT-LUKS2-',
    'LVM-',
    '\u001b[2J',
    '\0',
    '1 1 8:0 / / rw - ext4 /dev/sda rw',
    '1 1 0:3 / / rw - overlay x upperdir=/mnt',
    '7 7 252:1 / /mnt rw - btrfs /dev/dm-0 rw',
    '9 1 252:3 / /mnt/var rw - ext4 x rw',
    'luks-root: 0 9 crypt a b 0 8:0 0',
    'x'.repeat(5000),
  ];
  const change = fc.oneof(
    fc.constantFrom(...SAYINGS),
    fc.array(fc.constantFrom(...SAYINGS), { maxLength: 8 }).map((lines) => lines.join('\n')),
    fc
      .constantFrom('/', '.', '..', '../dm-1', '/sys', '../../devices/virtual/block/dm-0')
      .map((link) => ({ link })),
    fc.constant(undefined),
  );

  it('any file may say anything: looking ends, without throwing', () => {
    const whole = treeOf('recorded-lab');
    const root = plant(whole, files.path());
    const replace = (entries: Entries, places = entries.keys()) => {
      for (const place of places) rmSync(join(root, place), { recursive: true, force: true });
      plant(entries, root);
    };
    const changes = fc.array(fc.tuple(fc.constantFrom(...PLACES), change), { minLength: 1, maxLength: 12 });
    const paths = fc.constantFrom(
      '/mnt/var/x',
      '/mnt/half',
      '/mnt/in-file',
      '/mnt/overlay',
      '/mnt/btrfs',
      '/dev/dm-1',
      '/dev/mapper/luks-m',
      '/',
    );
    fc.assert(
      fc.property(changes, paths, (all, path) => {
        const changed = new Map(all);
        replace(changed);
        const reports = [
          lookAtTarget(path, root, targetsOf(new Map([...whole, ...changed]))),
          lookAtTarget(path, root),
        ];
        replace(new Map([...whole].filter(([place]) => changed.has(place))), changed.keys());
        for (const report of reports) {
          expect(report.legs.length).toBeGreaterThan(0);
          const states = new Set(report.legs.map(({ encrypted }) => encrypted));
          // What is called encrypted is so on every leg.
          if (report.encrypted === 'all legs') expect([...states]).toEqual(['yes']);
          expect(report.why).not.toMatch(/undefined|NaN/);
        }
      }),
      { numRuns: 150 },
    );
  });
});

describe('this machine', () => {
  it('says of an open file what it says of its directory, whatever the name leads to', async () => {
    const path = files.path('open');
    writeFileSync(path, '');
    const fd = openSync(path, 'r+');
    const { encrypted, why } = (await luksStatus(path)).target;
    expect(await openFileStatus(fd, path)).toMatchObject({ path, encrypted, why });
    rmSync(path);
    symlinkSync('/dev/shm/nowhere', path);
    expect((await openFileStatus(fd, path)).encrypted).toBe(encrypted);
    closeSync(fd);
    expect(await openFileStatus(99_999, path)).toMatchObject({ encrypted: 'unknown' });
  });

  it('is looked at without throwing, and the root is on something', async () => {
    const { target } = await luksStatus('/');
    expect(target.existing).toBe('/');
    expect(target.layers.name).not.toBe('');
    const mounted = readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .findLast((line) => line.split(' ')[4] === '/');
    expect(target.layers.name).toBe(mounted!.split(' - ')[1].split(' ')[0]);
  });

  it.each(['/proc/self', '/dev', '/tmp/not/there', '/dev/null', '.'])('is looked at: %s', async (path) => {
    const { target } = await luksStatus(path);
    expect(target.legs.length).toBeGreaterThan(0);
  });
});
