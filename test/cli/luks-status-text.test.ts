/** What a person is told of a path: the first line, the tree, the keyslots, and what unlocking costs. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { luksStatusText } from '../../src/cli/luks-status-text.ts';
import type { LuksStatus } from '../../src/luks/status.ts';
import type { Layer } from '../../src/luks/target/report.ts';
import { lookAtTarget } from '../../src/luks/target/target.ts';
import { argon2, keyslot, luks2Image, metadata } from '../luks/luks-images.ts';
import { plant, targetsOf, treeOf } from '../luks/tree-file.ts';
import { tempFiles } from '../read/temp-files.ts';

const files = tempFiles();
const MIB = 2 ** 20;
const reserved = (mib: number) => ({ value: mib * MIB, source: '/proc/iomem' });

const entries = treeOf('recorded-lab');
entries.set('mnt/var/volume.img', luks2Image({ label: 'spare' }));
const lab = plant(entries, files.path('lab'));
const textOf = (path: string, mib = 256, width = 80): string[] => {
  const target = lookAtTarget(path, lab, targetsOf(entries));
  return luksStatusText({ target, crashKernelMemory: reserved(mib), isCrashKernel: false }, width);
};

describe('the text', () => {
  it('begins with what the path is on and whether that is encrypted, and shows each layer', () => {
    expect(textOf('/mnt/var/crash')).toEqual([
      '/mnt/var/crash does not exist; /mnt/var is on ext4 on LVM on LUKS2',
      '(aes-xts-plain64): encrypted',
      '',
      '  ext4                /mnt/var',
      '  └─ LVM              vg0-var      40.0 MiB',
      '     └─ LUKS2         luks-root   102.0 MiB',
      '        │             aes-xts-plain64, key in the keyring (logon)',
      '        └─ partition  vda2        118.0 MiB',
      '           └─ disk    vda         160.0 MiB',
      '',
      'keyslots of luks-root, LUKS2',
      '  slot  KDF         memory  work',
      '     0  argon2id  32.0 MiB  4 passes, 2 threads',
      '',
      'unlocking by key file or passphrase takes 32.0 MiB of memory; 256.0 MiB are',
      'reserved for the crash kernel, which leaves 224.0 MiB for all else',
    ]);
  });

  it('says why where not all of it is encrypted, and where ways part', () => {
    expect(textOf('/mnt/half')).toEqual([
      '/mnt/half is on ext4 on md raid1 on 2 devices: encrypted only in part',
      '  luks-e encrypts only a part of what is written to /mnt/half: the rest lies on',
      '  vdf in plaintext.',
      '',
      '  ext4           /mnt/half',
      '  └─ md raid1    md1         143.0 MiB',
      '     ├─ LUKS2    luks-e      144.0 MiB',
      '     │  │        aes-xts-plain64, key in the keyring (logon)',
      '     │  └─ disk  vde         160.0 MiB',
      '     └─ disk     vdf         160.0 MiB',
      '',
      'keyslots of luks-e are not known: /dev/vde: no such file (ENOENT)',
    ]);
  });

  it('of a device with a LUKS header says that only its dm-crypt device encrypts', () => {
    expect(textOf('/dev/vda2')[0]).toBe(
      '/dev/vda2 is a partition with a LUKS2 header: encrypted only through dm-crypt',
    );
  });

  it('of an image file with a LUKS header says where that lies, and shows both headers', () => {
    const lines = textOf('/mnt/var/volume.img');
    expect(lines.slice(0, 2).join(' ')).toBe(
      '/mnt/var/volume.img has a LUKS2 header and is on ext4 on LVM on LUKS2 (aes-xts-plain64): encrypted',
    );
    expect(lines.filter((line) => line.startsWith('keyslots'))).toEqual([
      'keyslots of /mnt/var/volume.img, LUKS2, label spare',
      'keyslots of luks-root, LUKS2',
    ]);
    expect(lines).toContain('  token systemd-tpm2 for slot 1');
  });

  it('tells of a volume that is being encrypted', () => {
    const lines = textOf('/dev/mapper/half-done');
    expect(lines.slice(0, 3)).toEqual([
      '/dev/mapper/half-done is LUKS2 on a disk: not encrypted',
      '  the dm table of half-done encrypts nothing: it is in the middle of a',
      '  reencryption.',
    ]);
    expect(lines.join('\n').match(/encrypts nothing/g)).toHaveLength(1);
    expect(lines).toContain('  flags online-reencrypt-v2');
  });
});

describe('what unlocking costs', () => {
  const costOf = (...kdfs: object[]) => {
    const json = metadata();
    json.keyslots = { 0: keyslot(0, kdfs[0]), 1: keyslot(1, kdfs[1]) };
    const root = plant(new Map(entries).set('mnt/var/x.img', luks2Image({ json })), files.path('cost'));
    const target = {
      ...lookAtTarget('/mnt/var/x.img', root),
      layers: { kind: 'disk', name: 'x', encrypts: 'no', below: [] } as Layer,
    };
    return (crashKernelMemory: LuksStatus['crashKernelMemory'], isCrashKernel = false) =>
      luksStatusText({ target, crashKernelMemory, isCrashKernel }, 200).join(' ').replace(/ +/g, ' ');
  };
  const dear = costOf(argon2(1024 * 1024), argon2(1024 * 1024));

  it('is compared with the memory of the crash kernel', () => {
    expect(dear(reserved(512))).toMatch(
      /takes 1\.0 GiB of memory; 512\.0 MiB are reserved for the crash kernel: too little; `cryptsetup luksAddKey --pbkdf pbkdf2` makes a slot that takes none$/,
    );
    expect(dear(reserved(2048))).toMatch(
      /2\.0 GiB are reserved for the crash kernel, which leaves 1\.0 GiB for all else$/,
    );
    expect(dear(reserved(232), true)).toMatch(/of memory; this crash kernel has 232\.0 MiB: too little; /);
    expect(dear(reserved(0))).toMatch(/of memory; no memory is reserved for a crash kernel$/);
    expect(dear({ value: undefined, source: '/sys/kernel/kexec_crash_size: no such file (ENOENT)' })).toMatch(
      /what the crash kernel has is not known: .*ENOENT\)$/,
    );
  });

  it('is that of the slot which takes the least', () => {
    const text = costOf(argon2(1024 * 1024), argon2(65536))(reserved(256));
    expect(text).toMatch(
      /takes 64\.0 MiB of memory by slot 1, and up to 1\.0 GiB by others; 256\.0 MiB .* leaves 192\.0 MiB/,
    );
  });

  it('is nothing with PBKDF2 alone', () => {
    const pbkdf2 = { type: 'pbkdf2', hash: 'sha256', iterations: 1234567, salt: 'x' };
    const text = costOf(pbkdf2, pbkdf2)(reserved(256));
    expect(text).toMatch(/takes no memory to speak of; 256\.0 MiB are reserved for the crash kernel$/);
    expect(text).toContain('0 pbkdf2 none 1,234,567 iterations');
  });
});

describe('whatever names there are', () => {
  const name = fc.oneof(
    fc.string({ maxLength: 300 }),
    fc.constantFrom('\x1b[2J', '\u202e', 'a\nb', '/x'.repeat(200)),
  );
  const layerOf = (depth: number): fc.Arbitrary<Layer> =>
    fc.record({
      kind: fc.constantFrom('file system', 'disk', 'LVM', 'md', 'loop', 'unknown') as fc.Arbitrary<
        Layer['kind']
      >,
      name,
      detail: name,
      device: name,
      sizeBytes: fc.nat(),
      problem: name,
      encrypts: fc.constantFrom('yes', 'no', 'unknown') as fc.Arbitrary<Layer['encrypts']>,
      below: depth === 0 ? fc.constant([]) : fc.array(layerOf(depth - 1), { maxLength: 3 }),
    });

  it('no line is longer than the terminal is wide, and nothing in it steers that', () => {
    fc.assert(
      fc.property(layerOf(4), name, fc.constantFrom(80, 60), (layers, path, width) => {
        const target = {
          path,
          existing: '/',
          exists: true,
          layers,
          legs: [],
          encrypted: 'unknown',
          why: path,
          header: undefined,
        } as const;
        for (const line of luksStatusText(
          { target, crashKernelMemory: reserved(1), isCrashKernel: false },
          width,
        )) {
          expect(line.length).toBeLessThanOrEqual(width);
          expect(line).not.toMatch(/[\p{Cc}\u202e]/u);
        }
      }),
      { numRuns: 60 },
    );
  });

  it.each([80, 72, 60])('real ones fit in %d columns too', (width) => {
    for (const path of [
      '/mnt/var',
      '/mnt/in-file',
      '/mnt/overlay',
      '/mnt/xfs',
      '/dev/mapper/luks-m',
      '/mnt/btrfs',
      '/mnt/mpath',
    ])
      for (const line of textOf(path, 256, width)) expect(line.length).toBeLessThanOrEqual(width);
  });
});
