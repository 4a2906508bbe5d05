/** Key items on a stand-in for configfs; what the kernel itself says to them is for test/lab/luks/run. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { SmeltError } from '../../../src/errors.ts';
import { register, unregister } from '../../../src/luks/keys/register.ts';
import type { KeyRequest } from '../../../src/luks/keys/request.ts';
import { reuse } from '../../../src/luks/keys/reuse.ts';
import { tempFiles } from '../../read/temp-files.ts';
import { keyLine, Machine, OTHER_UUID, StandInItems, UUID } from './stand-in.ts';

const files = tempFiles();
const BY_KDUMP_UTILS = `kdump-cryptsetup:vk-${UUID}`;
const BY_THE_KERNEL = `cryptsetup:${UUID}`;

let machine: Machine;
let items: StandInItems;
beforeEach(() => {
  machine = new Machine(files, 'first kernel').withCommands();
  items = new StandInItems(machine);
});
const add = (...requests: KeyRequest[]) => register(requests, machine.system, items);
const uuid = { device: UUID };

async function failure(work: Promise<unknown>): Promise<SmeltError> {
  const error = await work.then(
    () => undefined,
    (thrown) => thrown,
  );
  expect(error).toBeInstanceOf(SmeltError);
  return error;
}

describe('registering', () => {
  it.each([BY_KDUMP_UTILS, BY_THE_KERNEL])('takes the key that is there: %s', async (description) => {
    machine.write('/proc/keys', keyLine('logon', description));
    const report = await add(uuid);
    expect(report).toEqual({
      items: [{ name: UUID, description, isNew: true, secondsLeft: undefined }],
      count: 1,
      isCrashKernelLoaded: false,
      warnings: [],
    });
    expect(machine.item(UUID)).toBe(description);
  });

  it.each([UUID, `UUID=${UUID.toUpperCase()}`, 'secret', '/dev/mapper/secret', '/dev/dm-0', '/dev/vdb'])(
    'knows the volume by %s',
    async (device) => {
      machine.open('secret', `CRYPT-LUKS2-${UUID.replaceAll('-', '')}-secret`);
      machine.write('/proc/keys', keyLine('logon', BY_THE_KERNEL));
      expect((await add({ device })).items[0].name).toBe(UUID);
    },
  );

  it.each(['/dev/vdc', 'nothing', '/dev/mapper/nothing'])('does not know %s', async (device) => {
    machine.open('secret', `CRYPT-LUKS2-${UUID.replaceAll('-', '')}-secret`);
    expect(await failure(add({ device }))).toMatchObject({
      code: 'USAGE',
      message: expect.stringMatching(/no open dm-crypt device/),
    });
  });

  it('takes a dm-crypt device without LUKS only with a name and a description', async () => {
    machine.open('plain', 'CRYPT-PLAIN-plain');
    machine.write('/proc/keys', keyLine('logon', 'my:key'));
    expect((await failure(add({ device: 'plain' }))).message).toMatch(/without LUKS/);
    const report = await add({ device: 'plain', name: 'plain', description: 'my:key' });
    expect(report.items).toMatchObject([{ name: 'plain', description: 'my:key' }]);
  });

  it('leaves an item that is as it should be, and fills one that is empty', async () => {
    machine.write('/proc/keys', keyLine('logon', BY_THE_KERNEL) + keyLine('logon', 'a:b'));
    machine.makeItem(UUID, BY_THE_KERNEL);
    machine.makeItem('empty', '(null)');
    const report = await add(uuid, { device: '', name: 'empty', description: 'a:b' });
    expect(report.items.map(({ isNew }) => isNew)).toEqual([false, true]);
    expect(machine.item('empty')).toBe('a:b');
    expect(report.warnings).toEqual([]);
  });

  it('does not write over what is there for another key', async () => {
    machine.write('/proc/keys', keyLine('logon', BY_THE_KERNEL));
    machine.makeItem(UUID, 'other:key');
    expect((await failure(add(uuid))).message).toMatch(/for another key: other:key$/);
    expect(machine.item(UUID)).toBe('other:key\n');
  });

  it('removes its own items again when one of them fails, and no others', async () => {
    const other = { device: OTHER_UUID, description: 'a:b' };
    machine.write('/proc/keys', keyLine('logon', BY_THE_KERNEL) + keyLine('logon', 'a:b'));
    machine.makeItem('before', 'c:d');
    items.refuses = OTHER_UUID;
    expect(await failure(add(uuid, other))).toMatchObject({ code: 'KEY' });
    expect(items.names()).toEqual(['before']);
  });

  it('looks for all keys before it makes the first item', async () => {
    machine.write('/proc/keys', keyLine('logon', BY_THE_KERNEL));
    await failure(add(uuid, { device: OTHER_UUID }));
    expect(items.names()).toEqual([]);
  });

  it('counts what is there and what is to come: 128, and no more', async () => {
    machine.write('/proc/keys', keyLine('logon', BY_THE_KERNEL));
    for (let n = 0; n < 127; n++) machine.makeItem(`item-${n}`, 'a:b');
    expect((await add(uuid)).count).toBe(128);
    unregister([UUID], machine.system, items);
    machine.makeItem('item-127', 'a:b');
    expect((await failure(add(uuid))).message).toBe(
      'the crash kernel takes 128 keys, and with these there would be 129',
    );
  });
});

describe('a key that cannot be handed over', () => {
  it('is missing: both ways to put it there are told', async () => {
    const { code, message, hint } = await failure(add(uuid));
    expect(code).toBe('KEY');
    expect(message).toContain(`no key ${BY_KDUMP_UTILS} or ${BY_THE_KERNEL} of type logon`);
    expect(hint).toContain(`link-volume-key=@u::%logon:${BY_KDUMP_UTILS} `);
    expect(hint).toContain(
      `cryptsetup open --test-passphrase --link-vk-to-keyring '@u::%logon:${BY_KDUMP_UTILS}' UUID=${UUID}`,
    );
  });

  it.each([
    ['has expired', { timeout: 'expd' }],
    ['was revoked or is invalid', { flags: 'IR-Q---', timeout: 'expd' }],
  ])('%s', async (words, options) => {
    machine.write('/proc/keys', keyLine('logon', BY_THE_KERNEL, options));
    const { message, hint } = await failure(add(uuid));
    expect(message).toBe(`the key ${BY_THE_KERNEL} of ${UUID} ${words}`);
    expect(hint).toContain(`'@u::%logon:${BY_THE_KERNEL}'`);
  });

  it('is of type user', async () => {
    machine.write('/proc/keys', keyLine('user', BY_THE_KERNEL));
    expect((await failure(add(uuid))).message).toMatch(
      /is of type user, and the kernel wants one of type logon$/,
    );
  });

  it.each([
    [`${'a'.repeat(126)}:b`, /128 bytes/],
    [`a:${'ü'.repeat(63)}`, /128 bytes/],
    ['nocolon', /a colon/],
    [':x', /a colon/],
    ['', /a colon/],
    ['a:b\nc:d', /cannot be printed/],
    ['a:\u001b[2J', /cannot be printed/],
  ])('has a description that cannot be: %j', async (description, why) => {
    expect(await failure(add({ device: UUID, description }))).toMatchObject({
      code: 'USAGE',
      message: expect.stringMatching(why),
    });
  });

  it('may have one of 127 bytes', async () => {
    const description = `a:${'x'.repeat(125)}`;
    machine.write('/proc/keys', keyLine('logon', description));
    expect((await add({ device: UUID, description })).items[0].description).toBe(description);
  });

  it.each(['../x', '', 'a/b', 'count', 'reuse', 'restore', '.', 'x'.repeat(101)])(
    'has an item of a name that cannot be: %j',
    async (name) => {
      expect(await failure(add({ device: UUID, name, description: 'a:b' }))).toMatchObject({ code: 'USAGE' });
    },
  );

  it('is named twice', async () => {
    machine.write('/proc/keys', keyLine('logon', BY_THE_KERNEL));
    expect((await failure(add(uuid, { device: `UUID=${UUID}` }))).message).toMatch(/two key items/);
    expect(items.names()).toEqual([]);
  });
});

describe('a warning', () => {
  it('is due when the key soon expires', async () => {
    machine.write('/proc/keys', keyLine('logon', BY_THE_KERNEL, { timeout: '59s' }));
    const report = await add(uuid);
    expect(report.items[0].secondsLeft).toBe(59);
    expect(report.warnings).toEqual([`the key ${BY_THE_KERNEL} expires in 59 s: kexec has to run before`]);
  });

  it('is due when this session does not reach the key', async () => {
    machine.write('/proc/keys', keyLine('logon', BY_THE_KERNEL));
    machine.command('keyctl', 'echo "request_key: Required key not available" >&2; exit 1');
    expect((await add(uuid)).warnings.join()).toMatch(/not within reach of this session.*keyctl link @u @s/);
    expect(machine.calls()).toEqual([`keyctl request logon ${BY_THE_KERNEL}`]);
  });

  it('is not due when only keyctl is missing', async () => {
    machine.write('/proc/keys', keyLine('logon', BY_THE_KERNEL));
    machine.withoutCommand('keyctl');
    expect((await add(uuid)).warnings).toEqual([]);
  });

  it('is due when another item makes kexec fail', async () => {
    machine.write('/proc/keys', keyLine('logon', BY_THE_KERNEL));
    machine.makeItem('bare', '(null)');
    expect((await add(uuid)).warnings).toEqual([
      'the key item bare has no description: as long as it is there, kexec fails',
    ]);
  });

  it('is due when a crash kernel is loaded already, without the key', async () => {
    machine.write('/proc/keys', keyLine('logon', BY_THE_KERNEL));
    machine.write('/sys/kernel/kexec_crash_loaded', '1\n');
    expect((await add(uuid)).warnings.join()).toMatch(/load it again with `kexec -s -p`/);
    expect((await add(uuid)).warnings).toEqual([]);
  });
});

describe('a machine that takes no items', () => {
  it('has configfs, but not mounted', async () => {
    const bare = new Machine(files, 'none');
    bare.write('/proc/mounts', 'proc /proc proc rw 0 0\n');
    expect(await failure(register([uuid], bare.system))).toMatchObject({
      code: 'KEY',
      hint: '`mount -t configfs configfs /sys/kernel/config` mounts it.',
    });
  });

  it('has a kernel without CONFIG_CRASH_DM_CRYPT', async () => {
    const bare = new Machine(files, 'none');
    const error = await failure(register([uuid], bare.system));
    expect(error).toMatchObject({
      code: 'UNSUPPORTED',
      hint: expect.stringMatching(/6\.16 .*CONFIG_CRASH_DM_CRYPT/),
    });
  });

  it('is the crash kernel', async () => {
    const crash = new Machine(files, 'crash kernel');
    expect((await failure(register([uuid], crash.system))).message).toMatch(/this is the crash kernel/);
    expect(() => unregister(undefined, crash.system)).toThrow(/this is the crash kernel/);
    expect(() => reuse(true, crash.system)).toThrow(/this is the crash kernel/);
  });
});

describe('unregistering', () => {
  it('removes the items that are named, or all; what is not there is not missed', () => {
    for (const name of ['one', 'two', 'three']) machine.makeItem(name, 'a:b');
    expect(unregister(['two', 'four'], machine.system, items)).toEqual({ removed: ['two'], count: 2 });
    expect(unregister(undefined, machine.system, items)).toEqual({ removed: ['one', 'three'], count: 0 });
  });

  it('goes by the kernel’s own count', () => {
    machine.makeItem('one', 'a:b');
    machine.write('/sys/kernel/config/crash_dm_crypt_keys/count', '7\n');
    expect(unregister(['one'], machine.system, items).count).toBe(7);
  });

  it('leaves the directory', () => {
    expect(() => unregister(['..'], machine.system, items)).toThrow(
      expect.objectContaining({ code: 'USAGE' }),
    );
  });
});

describe('reuse', () => {
  it('is written where a crash kernel and items are there', () => {
    machine.write('/sys/kernel/kexec_crash_loaded', '1\n');
    machine.makeItem('one', 'a:b');
    expect(reuse(true, machine.system, items)).toEqual({ isOn: true, wasNeeded: true });
    expect(machine.read('/sys/kernel/config/crash_dm_crypt_keys/reuse')).toBe('1');
    reuse(false, machine.system, items);
    expect(machine.read('/sys/kernel/config/crash_dm_crypt_keys/reuse')).toBe('0');
  });

  it('is refused without a crash kernel, and without items', () => {
    machine.makeItem('one', 'a:b');
    expect(() => reuse(true, machine.system, items)).toThrow(/no crash kernel is loaded/);
    machine.write('/sys/kernel/kexec_crash_loaded', '1\n');
    items.remove('one');
    expect(() => reuse(true, machine.system, items)).toThrow(/no key items/);
  });

  it('that cannot be written is an error', () => {
    const bare = new Machine(files, 'none');
    mkdirSync(join(bare.root, '/sys/kernel/config/crash_dm_crypt_keys'), { recursive: true });
    expect(() => reuse(false, bare.system)).toThrow(/reuse cannot be set: no such file/);
  });
});
