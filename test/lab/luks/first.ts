/** In the first kernel: keys are registered, the crash kernel is loaded with them, and what must not work does not. */
import { deepStrictEqual, match, ok, strictEqual } from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import type { LuksHeader } from '../../../src/luks/header/report.ts';
import { KeyItems, MAX_ITEMS } from '../../../src/luks/keys/items.ts';
import { findKey, readKeys } from '../../../src/luks/keys/keyring.ts';
import { THIS_MACHINE } from '../../../src/luks/keys/system.ts';
import { check, fails, must, sh } from './checks.ts';
import { luks, type RunOptions, refuses, smelt } from './program.ts';

const VOLUME = '/dev/vdb';
/** LVM on LUKS, open and mounted at /lvm. */
const LVM_VOLUME = '/dev/vde';
const LVM_NAME = 'luks-lvm';
const ITEMS = '/sys/kernel/config/crash_dm_crypt_keys';
const NOBODY = 65534;
const MIB = 2 ** 20;
const uuidOf = (volume: string) => must(`cryptsetup luksUUID ${volume}`);
const descriptionOf = (id: string) => `kdump-cryptsetup:vk-${id}`;
const link = (description: string, type = 'logon', volume = VOLUME) =>
  must(
    `cryptsetup open --test-passphrase --key-file /lab/key --link-vk-to-keyring '@u::%${type}:${description}' ${volume}`,
  );
const KEXEC =
  'kexec -s -p /lab/bzImage --initrd=/lab/initramfs.gz --command-line=' +
  "'console=ttyS0 nr_cpus=1 irqpoll reset_devices panic=3 rdinit=/init lab=crash-";
const kexec = (handed: 'keys' | 'no-keys') => sh(`${KEXEC}${handed}'`);
const isLoaded = () => readFileSync('/sys/kernel/kexec_crash_loaded', 'utf8').trim() === '1';

/** kexec has to fail, and nothing is loaded with keys that are not right. */
function kexecFails(because: RegExp, { status, said } = kexec('keys')): void {
  ok(status !== 0, 'kexec succeeded');
  match(said, because);
  ok(!isLoaded(), 'a crash kernel is loaded');
}

export async function keys(): Promise<void> {
  const id = uuidOf(VOLUME);
  const description = descriptionOf(id);
  const items = new KeyItems(THIS_MACHINE);
  const register = (args: readonly string[] = [], options?: RunOptions) =>
    luks('register', ['register', id, ...args], options);
  const unregister = (names: readonly string[] = []) =>
    luks('unregister', ['register', '--unregister', ...names]);
  const registerRefuses = (args: readonly string[], message: RegExp, hint: RegExp, options?: RunOptions) =>
    refuses(['luks', 'register', ...args], 'KEY', message, hint, options);

  await check('configfs that is not mounted is told, with the command that mounts it', () => {
    const { hint } = registerRefuses([id], /configfs is not mounted/, /^`mount .*` mounts it\.$/);
    must(/`(.*)`/.exec(hint)?.[1] as string);
  });
  await check('a key that is not in the keyring is told, and the command of the hint puts it there', () => {
    const { hint } = registerRefuses(
      [id],
      /^there is no key kdump-cryptsetup:vk-\S+ or cryptsetup:\S+ of type logon/,
      new RegExp(`link-volume-key=@u::%logon:${description} `),
    );
    const command = /`(cryptsetup [^`]*)`/.exec(hint)?.[1] as string;
    must(`${command.replace(`UUID=${id}`, VOLUME)} --key-file /lab/key`);
    ok(findKey(readKeys(THIS_MACHINE), 'logon', description) !== undefined);
  });
  await check('root alone may register, unregister and have keys reused', () => {
    for (const args of [[id], ['--unregister'], ['--reuse', 'on']])
      registerRefuses(args, /permission denied/, /run it as root/, { uid: NOBODY });
    const { stdout } = spawnSync(process.execPath, [process.argv[1], 'nobody'], {
      uid: NOBODY,
      gid: NOBODY,
      encoding: 'utf8',
    });
    match(stdout, /DONE nobody 1 passed, 0 failed/);
  });
  await check('an item is made, whole, and the kernel counts it', () => {
    const report = register();
    deepStrictEqual(report.items, [{ name: id, description, isNew: true, secondsLeft: null }]);
    deepStrictEqual([report.count, report.isCrashKernelLoaded, report.warnings], [1, false, []]);
    strictEqual(readFileSync(`${ITEMS}/${id}/description`, 'utf8'), `${description}\n`);
  });
  await check('registering twice changes nothing, and a person is told', () => {
    const report = register();
    deepStrictEqual([report.items[0].isNew, report.count], [false, 1]);
    match(smelt(['luks', 'register', id]).stdout, /registered\s+already[\s\S]*`kexec -s -p`/);
  });
  await check('reuse without a crash kernel is an error of its own', () => {
    registerRefuses(['--reuse', 'on'], /no crash kernel is loaded/, /kexec -s -p/);
  });
  await check(
    'the kernel refuses reuse without a crash kernel, which is no error where it is turned off',
    () => {
      const { isOn, wasNeeded } = luks('reuse', ['register', '--reuse', 'off']);
      deepStrictEqual([isOn, wasNeeded], [false, false]);
    },
  );
  await check('an item without a description makes kexec fail, and is warned about', () => {
    mkdirSync(`${ITEMS}/bare`);
    strictEqual(items.description('bare'), undefined);
    match(register().warnings.join(), /bare has no description/);
    kexecFails(/kexec_file_load|Invalid argument|failed/i);
    const { removed, count } = unregister(['bare']);
    deepStrictEqual([removed, count], [['bare'], 1]);
  });
  await check('a description of 128 bytes is refused here, as the kernel takes it and cuts it', () => {
    const long = `cryptsetup:${'x'.repeat(117)}`;
    refuses(['luks', 'register', id, '--description', long], 'USAGE', /128 bytes/, /cryptsetup:UUID/);
    items.make('long');
    items.describe('long', long);
    link(long);
    kexecFails(/Required key not available|kexec_file_load/);
    fails(() => items.describe('long', `${long}x`), 'KEY', /EINVAL|invalid/i);
    fails(() => items.describe('long', '\n'), 'KEY', /EINVAL|invalid/i);
    unregister(['long']);
  });
  await check('a description of 127 bytes is taken whole', () => {
    const full = `cryptsetup:${'y'.repeat(116)}`;
    link(full);
    strictEqual(register(['--name', 'full', '--description', full]).count, 2);
    strictEqual(kexec('keys').status, 0);
    must('kexec -p -u -s || kexec -p -u');
    unregister(['full']);
  });
  await check('what another item has in its place is not written over', () => {
    const other = `cryptsetup:${'y'.repeat(116)}`;
    registerRefuses([id, '--description', other], /for another key/, /Remove it first/);
  });
  await check('a key of type user is not one of type logon', () => {
    link('lab:user-key', 'user');
    registerRefuses(
      [id, '--name', 'user', '--description', 'lab:user-key'],
      /of type user, and the kernel wants/,
      /link-volume-key=@u::%logon:lab:user-key /,
    );
  });
  await check('of 129 items the last is refused, before any is made', () => {
    for (let n = 1; n < MAX_ITEMS; n++) mkdirSync(`${ITEMS}/item-${n}`);
    strictEqual(items.count(), MAX_ITEMS);
    const oneMore = [id, '--name', 'one-more', '--description', description];
    registerRefuses(oneMore, /takes 128 keys, and with these there would be 129/, /lists those/);
    // The kernel itself lets it be made.
    mkdirSync(`${ITEMS}/one-more`);
    strictEqual(items.count(), MAX_ITEMS + 1);
    rmdirSync(`${ITEMS}/one-more`);
    strictEqual(unregister().count, 0);
  });
  await check('an expired key is told from a missing one, and kexec does not take it', () => {
    register();
    must(`keyctl timeout $(keyctl search @u logon ${description}) 30`);
    match(register().warnings.join(), /expires in \d+ s/);
    must(`keyctl timeout $(keyctl search @u logon ${description}) 1`);
    must('sleep 2');
    registerRefuses([id], /has expired/, /link-volume-key=/);
    kexecFails(/Key has expired|kexec_file_load|Required key/);
    link(description);
    deepStrictEqual(register().warnings, []);
  });
  await check('a revoked key is told', () => {
    link('lab:revoked');
    must('keyctl revoke $(keyctl search @u logon lab:revoked)');
    const request = [id, '--name', 'revoked', '--description', 'lab:revoked'];
    registerRefuses(request, /was revoked/, /link-volume-key=/);
  });
  await check('a session that does not reach the user keyring is warned, and its kexec fails', () => {
    const report = register([], { by: ['/usr/bin/keyctl', 'session', '-'] });
    match(report.warnings.join(), /not within reach of this session/);
    const script = '/tmp/kexec';
    writeFileSync(script, `#!/bin/sh\n${KEXEC}keys'\n`, { mode: 0o700 });
    kexecFails(/Required key not available|kexec_file_load/, sh(`keyctl session - ${script}`));
  });
  await check('kexec takes the keys of two volumes along, one of them below LVM', () => {
    link(descriptionOf(uuidOf(LVM_VOLUME)), 'logon', LVM_VOLUME);
    const report = register([LVM_NAME]);
    deepStrictEqual(
      report.items.map(({ name, isNew }) => [name, isNew]),
      [
        [id, false],
        [uuidOf(LVM_VOLUME), true],
      ],
    );
    const { status, said } = kexec('keys');
    strictEqual(status, 0, said);
    ok(isLoaded());
  });
  await check('the crash kernel is loaded again with the saved keys, though one of the keys has gone', () => {
    must(`keyctl revoke $(keyctl search @u logon ${description})`);
    const on = luks('reuse', ['register', '--reuse', 'on']);
    deepStrictEqual([on.isOn, on.wasNeeded], [true, true]);
    const { status, said } = kexec('keys');
    strictEqual(status, 0, said);
    const off = luks('reuse', ['register', '--reuse', 'off']);
    deepStrictEqual([off.isOn, off.wasNeeded], [false, true]);
    ok(isLoaded());
  });
  await check('the items are removed, and the loaded keys stay', () => {
    const { removed, count } = unregister();
    deepStrictEqual([removed, count], [[id, uuidOf(LVM_VOLUME)].sort(), 0]);
    ok(isLoaded());
  });
  await check('reuse without items is refused, as kexec would load no keys', () => {
    registerRefuses(['--reuse', 'on'], /no key items/, /Keep the items/);
  });
  await check('new items are told not to be in the crash kernel that is loaded', () => {
    link('lab:later');
    const report = register(['--name', 'later', '--description', 'lab:later']);
    strictEqual(report.isCrashKernelLoaded, true);
    match(report.warnings.join(), /has not got these keys/);
    unregister();
  });
  await check('there is nothing to restore in the first kernel; a key file opens the volume', () => {
    const unlock = ['unlock', VOLUME, '--mount', '/first'];
    refuses(['luks', ...unlock], 'KEY', /this is not the crash kernel/, /Give a key file/);
    const report = luks('unlock', [...unlock, '--key-file', '/lab/key']);
    strictEqual(report.openedBy, 'key file');
    writeFileSync('/first/before', 'written before the crash\n');
  });
  await check('status says of both volumes that they are encrypted, and what a passphrase would cost', () => {
    const { target, crashKernelMemory } = luks('status', ['status', '/first/not/there/yet']);
    strictEqual(target.encrypted, 'all legs');
    deepStrictEqual(target.legs[0].layers, ['ext4', `luks-${id}`, 'vdb']);
    strictEqual(crashKernelMemory.value, 256 * MIB);
    const { header, key } = target.layers.below[0].crypt!;
    deepStrictEqual(
      [(header as LuksHeader).version, (header as LuksHeader).unlockMemoryBytes, key!.place],
      [2, 32 * MIB, 'keyring'],
    );
    smelt(['luks', 'status', '/first']);
    const { stdout } = smelt(['luks', 'status', '/lvm']);
    match(stdout, /^\/lvm is on ext4 on LVM on LUKS2 \(aes-xts-plain64\): encrypted\n/);
    match(stdout, /takes 32\.0 MiB of memory; 256\.0 MiB are\s+reserved for the crash kernel/);
  });
  await check('locking closes it again', () => {
    const report = luks('lock', ['lock', '--mount', '/first']);
    strictEqual(report.name, `luks-${id}`);
    match(readFileSync('/proc/mounts', 'utf8'), / \/lvm /);
  });
  await check('status says what is not encrypted, with exit code 1, and shows the header of a volume', () => {
    const volume = luks('status', ['status', VOLUME], { exitCode: 1 });
    strictEqual(volume.target.encrypted, 'none');
    strictEqual(volume.target.header!.uuid, id);
    match(
      smelt(['luks', 'status', '/t'], { exitCode: 1 }).stdout,
      /^\/t is on ext4 on a disk: not encrypted\n/,
    );
  });
}

/** With its own user's rights; the items are root's. */
export async function asNobody(): Promise<void> {
  await check('nobody may not make an item', () =>
    fails(() => new KeyItems(THIS_MACHINE).make('nobody'), 'KEY', /permission denied/),
  );
}

/** A crash kernel that is loaded without keys. */
export async function noKeys(): Promise<void> {
  await check('a crash kernel is loaded without keys', () => {
    const { status, said } = kexec('no-keys');
    strictEqual(status, 0, said);
    ok(isLoaded());
  });
}
