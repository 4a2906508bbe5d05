/** What dmsetup prints, dm uuids, and numbers of devices. */
import { describe, expect, it } from 'vitest';
import { numberText } from '../../../src/luks/target/block.ts';
import { dmKindOf, isNullCipher } from '../../../src/luks/target/crypt-kind.ts';
import { parseCryptTables } from '../../../src/luks/target/dm-table.ts';

describe('a crypt target', () => {
  it.each([
    [
      'its key in the keyring',
      ':64:logon:cryptsetup:6a1b-d0',
      { place: 'keyring', type: 'logon', description: 'cryptsetup:6a1b-d0', sizeBytes: 64 },
    ],
    ['its key given as bytes', '0'.repeat(128), { place: 'kernel', sizeBytes: 64 }],
    ['no key', '-', { place: 'kernel', sizeBytes: 0 }],
    ['what should not be there, a key', 'deadbeef'.repeat(8), { place: 'kernel', sizeBytes: 32 }],
  ])('is read with %s', (_, key, expected) => {
    const tables = parseCryptTables(
      `a: b: 0 2048 crypt aes-xts-plain64 ${key} 0 8:1 32768 1 allow_discards\n`,
    );
    expect([...tables]).toEqual([
      ['a: b', [{ sectors: 2048, encryption: 'aes-xts-plain64', key: expected }]],
    ]);
    expect(JSON.stringify([...tables])).not.toMatch(/deadbeef|0{16}/);
  });

  it('is one of several of a device', () => {
    const tables = parseCryptTables(
      'x: 0 10 crypt aes-cbc-essiv:sha256 00 0 8:1 0\nx: 10 20 crypt aes-xts-plain64 00 10 8:1 10\n',
    );
    expect(tables.get('x')!.map(({ sectors }) => sectors)).toEqual([10, 20]);
  });

  it('is found by a name with blanks, as the kernel has it and as dmsetup prints it', () => {
    for (const name of ['by hand', 'by\\x20hand'])
      expect(parseCryptTables(`${name}: 0 8 crypt c 00 0 8:1 0`).has('by hand')).toBe(true);
  });

  it('is nothing else', () => {
    expect(parseCryptTables('No devices found\nx: 0 8 linear 8:1 0\nx: 0 8 crypt\n\n').size).toBe(0);
  });
});

describe('a dm uuid', () => {
  it.each([
    [
      'CRYPT-LUKS1-5207a3de22934a2292c6d19c86eb3676-a',
      { kind: 'dm-crypt', crypt: 'LUKS1', uuid: '5207a3de-2293-4a22-92c6-d19c86eb3676', encrypts: true },
    ],
    [
      'CRYPT-LUKS2-5207A3DE22934A2292C6D19C86EB3676-a',
      { kind: 'dm-crypt', crypt: 'LUKS2', uuid: '5207a3de-2293-4a22-92c6-d19c86eb3676', encrypts: true },
    ],
    [
      'CRYPT-LUKS2-OPAL-5207a3de22934a2292c6d19c86eb3676-a',
      {
        kind: 'dm-crypt',
        crypt: 'LUKS2 with OPAL',
        uuid: '5207a3de-2293-4a22-92c6-d19c86eb3676',
        encrypts: true,
      },
    ],
    ['CRYPT-PLAIN-LUKS2-x', { kind: 'dm-crypt', crypt: 'plain', encrypts: true }],
    ['CRYPT-TCRYPT-x', { kind: 'dm-crypt', crypt: 'TrueCrypt or VeraCrypt', encrypts: true }],
    [
      'CRYPT-BITLK-5207a3de22934a2292c6d19c86eb3676-x',
      { kind: 'dm-crypt', crypt: 'BitLocker', encrypts: true },
    ],
    ['CRYPT-VERITY-x', { kind: 'device-mapper', encrypts: false }],
    ['CRYPT-INTEGRITY-x', { kind: 'device-mapper', encrypts: false }],
    ['CRYPT-SUBDEV-x', { kind: 'device-mapper', encrypts: undefined }],
    ['CRYPT-TEMP-x', { kind: 'device-mapper', encrypts: undefined }],
    ['CRYPT-constructor-x', { kind: 'device-mapper', encrypts: undefined }],
    ['LVM-abc', { kind: 'LVM', encrypts: false }],
    ['mpath-36005', { kind: 'multipath', encrypts: false }],
    ['part12-mpath-36005', { kind: 'partition', encrypts: false }],
    ['', { kind: 'device-mapper', encrypts: undefined }],
  ])('says what a device is: %s', (uuid, expected) => {
    expect(dmKindOf(uuid)).toEqual(expected);
  });
});

it.each([
  ['cipher_null-ecb', true],
  ['cipher_null', true],
  ['capi:ecb(cipher_null)-plain', true],
  ['null', true],
  ['aes-xts-plain64', false],
])('%s leaves everything as it is: %s', (encryption, expected) => {
  expect(isNullCipher(encryption)).toBe(expected);
});

it.each([
  [0x801, '8:1'],
  [0xfe00, '254:0'],
  // As glibc's makedev(254, 256) and makedev(300, 5) are.
  [0x10fe00, '254:256'],
  [0x12c05, '300:5'],
])('the device number %d is %s', (device, expected) => {
  expect(numberText(device)).toBe(expected);
});
