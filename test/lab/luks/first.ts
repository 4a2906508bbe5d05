/** In the first kernel: keys are registered, the crash kernel is loaded with them, and what must not work does not. */
import { deepStrictEqual, match, ok, strictEqual } from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { KeyItems, MAX_ITEMS } from '../../../src/luks/keys/items.ts';
import { findKey, readKeys } from '../../../src/luks/keys/keyring.ts';
import { lock } from '../../../src/luks/keys/lock.ts';
import { register, unregister } from '../../../src/luks/keys/register.ts';
import { reuse } from '../../../src/luks/keys/reuse.ts';
import { THIS_MACHINE } from '../../../src/luks/keys/system.ts';
import { unlock } from '../../../src/luks/keys/unlock.ts';
import { check, fails, must, sh } from './checks.ts';

const VOLUME = '/dev/vdb';
const ITEMS = '/sys/kernel/config/crash_dm_crypt_keys';
const uuid = () => must(`cryptsetup luksUUID ${VOLUME}`);
const descriptionOf = (id: string) => `kdump-cryptsetup:vk-${id}`;
const link = (description: string, type = 'logon') =>
  must(
    `cryptsetup open --test-passphrase --key-file /lab/key --link-vk-to-keyring '@u::%${type}:${description}' ${VOLUME}`,
  );
const kexec = (handed: 'keys' | 'no-keys') =>
  sh(
    'kexec -s -p /lab/bzImage --initrd=/lab/initramfs.gz --command-line=' +
      `'console=ttyS0 nr_cpus=1 irqpoll reset_devices panic=3 rdinit=/init lab=crash-${handed}'`,
  );
const isLoaded = () => readFileSync('/sys/kernel/kexec_crash_loaded', 'utf8').trim() === '1';
const request = () => register([{ device: uuid() }]);

/** kexec has to fail, and what was loaded before is not there any more or still; nothing with keys that are not right. */
function kexecFails(because: RegExp): void {
  const { status, said } = kexec('keys');
  ok(status !== 0, 'kexec succeeded');
  match(said, because);
  ok(!isLoaded(), 'a crash kernel is loaded');
}

export async function keys(): Promise<void> {
  const id = uuid();
  const description = descriptionOf(id);
  const items = new KeyItems(THIS_MACHINE);

  await check('configfs that is not mounted is told, with the command that mounts it', async () => {
    const { hint } = await fails(request, 'KEY', /configfs is not mounted/);
    must((hint as string).match(/`(.*)`/)?.[1] as string);
  });
  await check(
    'a key that is not in the keyring is told, and the command of the hint puts it there',
    async () => {
      const { hint } = await fails(request, 'KEY', /there is no key .* of type logon/);
      match(hint as string, new RegExp(`link-volume-key=@u::%logon:${description} `));
      const command = /`(cryptsetup [^`]*)`/.exec(hint as string)?.[1] as string;
      must(`${command.replace(`UUID=${id}`, VOLUME)} --key-file /lab/key`);
      ok(findKey(readKeys(THIS_MACHINE), 'logon', description) !== undefined);
    },
  );
  await check('root alone may register', () => {
    const nobody = { uid: 65534, gid: 65534, encoding: 'utf8' } as const;
    const { stdout } = spawnSync(process.execPath, [process.argv[1], 'nobody'], nobody);
    match(stdout, /DONE nobody 1 passed, 0 failed/);
  });
  await check('an item is made, whole, and the kernel counts it', async () => {
    const report = await request();
    deepStrictEqual(report.items, [{ name: id, description, isNew: true, secondsLeft: undefined }]);
    deepStrictEqual([report.count, report.isCrashKernelLoaded, report.warnings], [1, false, []]);
    strictEqual(readFileSync(`${ITEMS}/${id}/description`, 'utf8'), `${description}\n`);
  });
  await check('registering twice changes nothing', async () => {
    const report = await request();
    deepStrictEqual([report.items[0].isNew, report.count], [false, 1]);
  });
  await check('reuse without a crash kernel is an error of its own', () =>
    fails(() => reuse(true), 'KEY', /no crash kernel is loaded/),
  );
  await check(
    'the kernel refuses reuse without a crash kernel, which is no error where it is turned off',
    () => deepStrictEqual(reuse(false), { isOn: false, wasNeeded: false }),
  );
  await check('an item without a description makes kexec fail, and is warned about', async () => {
    mkdirSync(`${ITEMS}/bare`);
    strictEqual(items.description('bare'), undefined);
    match((await request()).warnings.join(), /bare has no description/);
    kexecFails(/kexec_file_load|Invalid argument|failed/i);
    deepStrictEqual(unregister(['bare']), { removed: ['bare'], count: 1 });
  });
  await check('a description of 128 bytes is refused here, as the kernel takes it and cuts it', async () => {
    const long = `cryptsetup:${'x'.repeat(117)}`;
    await fails(() => register([{ device: id, description: long }]), 'USAGE', /128 bytes/);
    items.make('long');
    items.describe('long', long);
    link(long);
    kexecFails(/Required key not available|kexec_file_load/);
    await fails(() => items.describe('long', `${long}x`), 'KEY', /EINVAL|invalid/i);
    await fails(() => items.describe('long', '\n'), 'KEY', /EINVAL|invalid/i);
    unregister(['long']);
  });
  await check('a description of 127 bytes is taken whole', async () => {
    const full = `cryptsetup:${'y'.repeat(116)}`;
    link(full);
    strictEqual((await register([{ device: id, name: 'full', description: full }])).count, 2);
    strictEqual(kexec('keys').status, 0);
    must('kexec -p -u -s || kexec -p -u');
    unregister(['full']);
  });
  await check('what another item has in its place is not written over', () =>
    fails(
      () => register([{ device: id, description: `cryptsetup:${'y'.repeat(116)}` }]),
      'KEY',
      /for another key/,
    ),
  );
  await check('a key of type user is not one of type logon', async () => {
    link('lab:user-key', 'user');
    await fails(
      () => register([{ device: id, name: 'user', description: 'lab:user-key' }]),
      'KEY',
      /of type user, and the kernel wants/,
    );
  });
  await check('of 129 items the last is refused, before any is made', async () => {
    for (let n = 1; n < MAX_ITEMS; n++) mkdirSync(`${ITEMS}/item-${n}`);
    strictEqual(items.count(), MAX_ITEMS);
    await fails(() => register([{ device: id, name: 'one-more', description }]), 'KEY', /takes 128 keys/);
    // The kernel itself lets it be made.
    mkdirSync(`${ITEMS}/one-more`);
    strictEqual(items.count(), MAX_ITEMS + 1);
    rmdirSync(`${ITEMS}/one-more`);
    strictEqual(unregister(undefined).count, 0);
  });
  await check('an expired key is told from a missing one, and kexec does not take it', async () => {
    await request();
    must(`keyctl timeout $(keyctl search @u logon ${description}) 30`);
    match((await request()).warnings.join(), /expires in \d+ s/);
    must(`keyctl timeout $(keyctl search @u logon ${description}) 1`);
    must('sleep 2');
    await fails(request, 'KEY', /has expired/);
    kexecFails(/Key has expired|kexec_file_load|Required key/);
    link(description);
    deepStrictEqual((await request()).warnings, []);
  });
  await check('a revoked key is told', async () => {
    link('lab:revoked');
    must('keyctl revoke $(keyctl search @u logon lab:revoked)');
    await fails(
      () => register([{ device: id, name: 'revoked', description: 'lab:revoked' }]),
      'KEY',
      /was revoked/,
    );
  });
  await check('a session that does not reach the user keyring is warned, and its kexec fails', async () => {
    const said = must('keyctl session - node /lab/guest.mjs session');
    match(said, /DONE session 1 passed, 0 failed/);
  });
  await check('kexec takes the keys along', () => {
    const { status, said } = kexec('keys');
    strictEqual(status, 0, said);
    ok(isLoaded());
  });
  await check('the crash kernel is loaded again with the saved keys, though the key has gone', async () => {
    must(`keyctl revoke $(keyctl search @u logon ${description})`);
    deepStrictEqual(reuse(true), { isOn: true, wasNeeded: true });
    const { status, said } = kexec('keys');
    strictEqual(status, 0, said);
    deepStrictEqual(reuse(false), { isOn: false, wasNeeded: true });
    ok(isLoaded());
  });
  await check('the items are removed, and the loaded keys stay', () => {
    deepStrictEqual(unregister(undefined), { removed: [id], count: 0 });
    ok(isLoaded());
  });
  await check('reuse without items is refused, as kexec would load no keys', () =>
    fails(() => reuse(true), 'KEY', /no key items/),
  );
  await check('new items are told not to be in the crash kernel that is loaded', async () => {
    link('lab:later');
    const report = await register([{ device: id, name: 'later', description: 'lab:later' }]);
    strictEqual(report.isCrashKernelLoaded, true);
    match(report.warnings.join(), /has not got these keys/);
    unregister(undefined);
  });
  await check('there is nothing to restore in the first kernel; a key file opens the volume', async () => {
    await fails(() => unlock(VOLUME, { mountPoint: '/first' }), 'KEY', /this is not the crash kernel/);
    const report = await unlock(VOLUME, { mountPoint: '/first', keyFile: '/lab/key' });
    strictEqual(report.openedBy, 'key file');
    writeFileSync('/first/before', 'written before the crash\n');
    await lock({ mountPoint: '/first' });
  });
}

/** With its own user's rights; the items are root's. */
export async function asNobody(): Promise<void> {
  await check('nobody may not register', async () => {
    const request = { device: VOLUME, name: 'nobody', description: 'lab:nobody' };
    await fails(() => register([request]), 'KEY', /there is no key|permission denied/);
    await fails(() => new KeyItems(THIS_MACHINE).make('nobody'), 'KEY', /permission denied/);
  });
}

/** In a session keyring of its own, as sudo makes them. */
export async function inOtherSession(): Promise<void> {
  await check('a session without the user keyring', async () => {
    match((await request()).warnings.join(), /not within reach of this session/);
    kexecFails(/Required key not available|kexec_file_load/);
  });
}

/** A crash kernel that is loaded without keys. */
export async function noKeys(): Promise<void> {
  await check('a crash kernel is loaded without keys', () => {
    const { status, said } = kexec('no-keys');
    strictEqual(status, 0, said);
    ok(isLoaded());
  });
}
