/** In the crash kernel: the volume is opened by the key that was handed over, the dump is written to it, and it is closed. */
import { deepStrictEqual, match, ok, strictEqual } from 'node:assert/strict';
import { closeSync, mkdirSync, openSync, readFileSync, statSync, symlinkSync } from 'node:fs';
import { KeyItems } from '../../../src/luks/keys/items.ts';
import { findKey, isUsable, readKeys } from '../../../src/luks/keys/keyring.ts';
import { lock } from '../../../src/luks/keys/lock.ts';
import { register } from '../../../src/luks/keys/register.ts';
import { type System, THIS_MACHINE } from '../../../src/luks/keys/system.ts';
import { unlock } from '../../../src/luks/keys/unlock.ts';
import { check, fails, must, sh } from './checks.ts';

const VOLUME = '/dev/vdb';
/** Opens by the key file, but has no file system. */
const UNFORMATTED = '/dev/vdc';
const TARGET = '/var/crash';
const mounted = () => / \/var\/crash /.test(readFileSync('/proc/mounts', 'utf8'));
const nothingIsOpen = () => strictEqual(sh('ls /sys/class/block | grep ^dm-').said, '');
const stepsOf = (report: { steps: readonly { step: string; done: boolean }[] }) =>
  report.steps.map(({ step, done }) => (done ? step : `(${step})`)).join(', ');

export async function crash(): Promise<void> {
  must('mount -t configfs configfs /sys/kernel/config');
  const uuid = must(`cryptsetup luksUUID ${VOLUME}`);
  const description = `kdump-cryptsetup:vk-${uuid}`;
  const key = () => findKey(readKeys(THIS_MACHINE), 'user', description);
  const noKeyIsLeft = () => ok(key() === undefined || !isUsable(key()!));

  await check('the crash kernel takes no key items', () =>
    fails(() => register([{ device: uuid }]), 'KEY', /this is the crash kernel/),
  );
  await check('the volume is opened by the key that was handed over, which is revoked then', async () => {
    strictEqual(key(), undefined);
    const report = await unlock(VOLUME, { mountPoint: TARGET });
    strictEqual(stepsOf(report), 'restore, find key, open, mount, drop key');
    deepStrictEqual(
      [report.openedBy, report.description, report.name, report.warnings],
      ['volume key', description, `luks-${uuid}`, []],
    );
    ok(mounted());
    noKeyIsLeft();
    strictEqual(readFileSync(`${TARGET}/before`, 'utf8'), 'written before the crash\n');
  });
  await check('unlocking what is unlocked changes nothing', async () => {
    const report = await unlock(VOLUME, { mountPoint: `${TARGET}/` });
    strictEqual(stepsOf(report), '(open), (mount)');
    strictEqual(report.openedBy, 'before');
  });
  await check('smelt writes the dump to the volume', () => {
    const said = must(`node /t/smelt/bin/smelt -l -d 31 /proc/vmcore ${TARGET}/vmcore 2>&1`);
    process.stdout.write(`\n${said}\n`);
    const bytes = statSync(`${TARGET}/vmcore`).size;
    ok(bytes > 1_000_000, `only ${bytes} bytes`);
    process.stdout.write(`\nSHA256 ${must(`sha256sum ${TARGET}/vmcore`)}\n`);
  });
  await check('a volume that is in use is not locked, and stays open', async () => {
    const fd = openSync(`${TARGET}/vmcore`, 'r');
    try {
      await fails(() => lock({ mountPoint: TARGET }), 'COMMAND', /cannot be unmounted: .*busy/i);
      ok(mounted());
    } finally {
      closeSync(fd);
    }
  });
  await check('locking unmounts and closes', async () => {
    strictEqual(stepsOf(await lock({ mountPoint: TARGET })), 'unmount, close');
    ok(!mounted());
    nothingIsOpen();
  });
  await check('locking twice changes nothing', async () => {
    strictEqual(stepsOf(await lock({ mountPoint: TARGET })), '(unmount), (close)');
    strictEqual(stepsOf(await lock({ device: VOLUME })), '(unmount), (close)');
  });
  await check(
    'the kernel restores a second time, also for a system without keyctl, which is warned about',
    async () => {
      const report = await unlock(VOLUME, { mountPoint: TARGET, name: 'second' }, withoutKeyctl());
      strictEqual(stepsOf(report), 'restore, find key, open, mount, (drop key)');
      match(report.warnings.join(), /stays in the keyring .*: there is no keyctl/);
      await lock({ device: 'second' });
    },
  );
  await check('a key that is there already is not restored again', async () => {
    const report = await unlock(VOLUME, { mountPoint: TARGET });
    strictEqual(stepsOf(report), 'find key, open, mount, drop key');
    await lock({ device: `/dev/mapper/${report.name}` });
  });
  await check('a key that was not handed over is missed after restore', async () => {
    const options = { mountPoint: TARGET, description: 'lab:never' };
    await fails(
      () => unlock(VOLUME, options),
      'KEY',
      /no key lab:never of type user is in the keyring after restore/,
    );
    nothingIsOpen();
    noKeyIsLeft();
  });
  await check('a key of another volume does not open this one', async () => {
    await fails(
      () => unlock(UNFORMATTED, { mountPoint: TARGET, description }),
      'KEY',
      /the volume key does not open it/,
    );
    nothingIsOpen();
    noKeyIsLeft();
  });
  await check('when the mount fails the volume is closed, and its mount point removed', async () => {
    const steps: string[] = [];
    await fails(
      () =>
        unlock(UNFORMATTED, {
          mountPoint: '/made/here',
          keyFile: '/lab/key',
          description,
          onStep: ({ step, done }) => steps.push(done ? step : `(${step})`),
        }),
      'COMMAND',
      /cannot be mounted/,
    );
    strictEqual(steps.at(-1), 'open');
    nothingIsOpen();
    strictEqual(sh('ls /made/here').status, 1);
    noKeyIsLeft();
  });
  await check('what is no LUKS volume is told', () =>
    fails(() => unlock('/dev/vda', { mountPoint: TARGET }), 'COMMAND', /finds no LUKS header/),
  );
}

/** After a crash without keys: restore is there, and nothing comes of it. */
export async function crashWithoutKeys(): Promise<void> {
  must('mount -t configfs configfs /sys/kernel/config');
  await check('restore without keys succeeds, and the missing key is noticed', async () => {
    new KeyItems(THIS_MACHINE).restore();
    strictEqual(sh('cat /sys/kernel/config/crash_dm_crypt_keys/restore').said, '1');
    await fails(() => unlock(VOLUME, { mountPoint: TARGET }), 'KEY', /is in the keyring after restore/);
    nothingIsOpen();
  });
  await check('then a key file opens the volume, with a warning', async () => {
    const report = await unlock(VOLUME, { mountPoint: TARGET, keyFile: '/lab/key' });
    strictEqual(stepsOf(report), 'restore, (find key), open, mount');
    strictEqual(report.openedBy, 'key file');
    match(report.warnings.join(), /the key file was taken/);
    await lock({ mountPoint: TARGET });
  });
  await check('a wrong key file is told with all that was tried', () =>
    fails(
      () => unlock(VOLUME, { mountPoint: TARGET, keyFile: '/lab/wrong-key' }),
      'KEY',
      /after restore; the key file does not/,
    ),
  );
}

function withoutKeyctl(): System {
  const commandPath = '/tmp/commands';
  mkdirSync(commandPath);
  for (const command of ['/usr/sbin/cryptsetup', '/bin/mount', '/bin/umount'])
    symlinkSync(command, `${commandPath}/${command.split('/').at(-1)}`);
  return { ...THIS_MACHINE, commandPath };
}
