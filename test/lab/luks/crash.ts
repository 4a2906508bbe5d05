/** In the crash kernel: the volume is opened by the key that was handed over, the dump is written to it, and it is closed. */
import { deepStrictEqual, match, ok, strictEqual } from 'node:assert/strict';
import { closeSync, existsSync, openSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { KeyItems } from '../../../src/luks/keys/items.ts';
import { findKey, isUsable, readKeys } from '../../../src/luks/keys/keyring.ts';
import { THIS_MACHINE } from '../../../src/luks/keys/system.ts';
import { check, must, sh } from './checks.ts';
import { dump, luks, refuses, smelt, stepsIn } from './program.ts';

const VOLUME = '/dev/vdb';
/** Opens by the key file, but has no file system. */
const UNFORMATTED = '/dev/vdc';
/** Has a file system, and nothing encrypts it. */
const PLAIN = '/dev/vdd';
/** Holds a physical volume of LVM. */
const LVM_VOLUME = '/dev/vde';
const TARGET = '/var/crash';
const FILTER = ['-l', '-d', '31', '--require-encrypted-target', '/proc/vmcore'];
const UNLOCK = ['unlock', VOLUME, '--mount', TARGET];
const LOCK = ['lock', '--mount', TARGET];
const mounted = () => / \/var\/crash /.test(readFileSync('/proc/mounts', 'utf8'));
const nothingIsOpen = () => strictEqual(sh('ls /sys/class/block | grep ^dm-').said, '');
const uuidOf = (volume: string) => must(`cryptsetup luksUUID ${volume}`);
const descriptionOf = (volume: string) => `kdump-cryptsetup:vk-${uuidOf(volume)}`;

/** Told as a person is told, and reported for programs. */
function steps(report: ReturnType<typeof luks<'unlock' | 'lock'>>): string {
  const reported = report.steps.map(({ step, done }) => (done ? step : `(${step})`)).join(', ');
  strictEqual(stepsIn(report), reported);
  return reported;
}

/** A dump with its place in words: the lines that other parts compare. */
function tellDump(path: string, volume: string): void {
  const bytes = statSync(path).size;
  ok(bytes > 1_000_000, `only ${bytes} bytes`);
  process.stdout.write(`\nSHA256 ${must(`sha256sum ${path}`).slice(0, 64)} ${volume}\n`);
}

export async function crash(): Promise<void> {
  must('mount -t configfs configfs /sys/kernel/config');
  const uuid = uuidOf(VOLUME);
  const description = descriptionOf(VOLUME);
  const key = () => findKey(readKeys(THIS_MACHINE), 'user', description);
  const noKeyIsLeft = () => ok(key() === undefined || !isUsable(key()!));

  await check('the crash kernel takes no key items', () => {
    refuses(['luks', 'register', uuid], 'KEY', /this is the crash kernel/, /Here keys are restored/);
  });
  await check('the volume is opened by the key that was handed over, which is revoked then', () => {
    strictEqual(key(), undefined);
    const report = luks('unlock', UNLOCK);
    strictEqual(steps(report), 'restore, find key, open, mount, drop key');
    deepStrictEqual(
      [report.openedBy, report.description, report.name, report.warnings],
      ['volume key', description, `luks-${uuid}`, []],
    );
    ok(mounted());
    noKeyIsLeft();
    strictEqual(readFileSync(`${TARGET}/before`, 'utf8'), 'written before the crash\n');
  });
  await check('unlocking what is unlocked changes nothing, and a person is told how to undo it', () => {
    const report = luks('unlock', ['unlock', VOLUME, '--mount', `${TARGET}/`]);
    strictEqual(steps(report), '(open), (mount)');
    strictEqual(report.openedBy, 'before');
    match(smelt(['luks', ...UNLOCK]).stdout, /`smelt luks lock --mount \/var\/crash`\s+undoes it/);
  });
  await check('status of the usual target says that all of it is encrypted', () => {
    const { target } = luks('status', ['status']);
    deepStrictEqual([target.path, target.encrypted], [TARGET, 'all legs']);
    deepStrictEqual(target.legs, [
      { layers: ['ext4', `luks-${uuid}`, 'vdb'], encrypted: 'yes', why: `luks-${uuid}` },
    ]);
    match(
      smelt(['luks', 'status', TARGET]).stdout,
      /^\/var\/crash is on ext4 on LUKS2 \(aes-xts-plain64\): encr/,
    );
  });
  await check('so it does without dmsetup, by the LUKS header', () => {
    without('dmsetup', () => {
      const { target } = luks('status', ['status', TARGET]);
      strictEqual(target.encrypted, 'all legs');
      strictEqual(target.layers.below[0].crypt!.key, null);
    });
  });
  await check('smelt writes the dump to the volume, which has to be encrypted', () => {
    const { targetProtection, warnings, words } = dump([...FILTER, `${TARGET}/vmcore`]);
    strictEqual(targetProtection!.encrypted, 'all legs');
    match(words, new RegExp(`target encrypted: luks-${uuid} encrypts all`));
    deepStrictEqual(warnings, []);
    tellDump(`${TARGET}/vmcore`, 'luks');
  });
  await check(
    'the root of the crash kernel and a disk without encryption are refused, and get no file',
    () => {
      must(`mkdir /plain && mount ${PLAIN} /plain`);
      for (const [directory, why] of [
        ['/', /would not be encrypted: \w+ is memory/],
        ['/plain/', /would not be encrypted: nothing encrypts what is written to .*\bvdd\b/],
      ] as const) {
        const before = readdirSync(directory);
        const output = `${directory}vmcore`;
        refuses([...FILTER, output], 'UNENCRYPTED', why, /`smelt luks status \/\S*vmcore` shows/);
        deepStrictEqual(readdirSync(directory), before);
        luks('status', ['status', output], { exitCode: 1 });
      }
      ok(!existsSync('/plain/vmcore.incomplete'));
      must('umount /plain');
    },
  );
  await check('a volume that is in use is not locked, and stays open', () => {
    const fd = openSync(`${TARGET}/vmcore`, 'r');
    try {
      refuses(['luks', ...LOCK], 'COMMAND', /cannot be unmounted: .*busy/i, /has a file open on it/);
      ok(mounted());
    } finally {
      closeSync(fd);
    }
  });
  await check('locking unmounts and closes', () => {
    strictEqual(steps(luks('lock', LOCK)), 'unmount, close');
    ok(!mounted());
    nothingIsOpen();
  });
  await check('locking twice changes nothing', () => {
    strictEqual(steps(luks('lock', LOCK)), '(unmount), (close)');
    strictEqual(steps(luks('lock', ['lock', VOLUME])), '(unmount), (close)');
  });
  await check('a volume below LVM is opened by its own key, and the dump on LVM on LUKS is encrypted', () => {
    // Restored with the first one, and not yet used.
    ok(findKey(readKeys(THIS_MACHINE), 'user', descriptionOf(LVM_VOLUME)) !== undefined);
    const report = luks('unlock', ['unlock', LVM_VOLUME]);
    strictEqual(steps(report), 'find key, open, drop key');
    strictEqual(report.name, `luks-${uuidOf(LVM_VOLUME)}`);
    must(`lab-lvm vgchange -ay vg && mount /dev/mapper/vg-crash /lvm`);
    match(
      smelt(['luks', 'status', '/lvm']).stdout,
      /^\/lvm is on ext4 on LVM on LUKS2 \(aes-xts-plain64\): encr/,
    );
    strictEqual(dump([...FILTER, '/lvm/vmcore']).targetProtection!.encrypted, 'all legs');
    tellDump('/lvm/vmcore', 'lvm');
    refuses(['luks', 'lock', LVM_VOLUME], 'COMMAND', /cannot be closed: .*in use/i, /still uses the device/);
    must('umount /lvm && lab-lvm vgchange -an vg');
    strictEqual(steps(luks('lock', ['lock', LVM_VOLUME])), '(unmount), close');
    nothingIsOpen();
  });
  await check(
    'the kernel restores a second time, also for a system without keyctl, which is warned about',
    () => {
      without('keyctl', () => {
        const report = luks('unlock', [...UNLOCK, '--name', 'second']);
        strictEqual(steps(report), 'restore, find key, open, mount, (drop key)');
        match(report.warnings.join(), /stays in the keyring .*: there is no keyctl/);
        luks('lock', ['lock', 'second']);
      });
    },
  );
  await check('a key that is there already is not restored again', () => {
    const report = luks('unlock', UNLOCK);
    strictEqual(steps(report), 'find key, open, mount, drop key');
    luks('lock', ['lock', `/dev/mapper/${report.name}`]);
  });
  await check('a key that was not handed over is missed after restore', () => {
    refuses(
      ['luks', ...UNLOCK, '--description', 'lab:never'],
      'KEY',
      /no key lab:never of type user is in the keyring after restore/,
      /^Give a key file/,
    );
    nothingIsOpen();
    noKeyIsLeft();
  });
  await check('a key of another volume does not open this one', () => {
    refuses(
      ['luks', 'unlock', UNFORMATTED, '--mount', TARGET, '--description', description],
      'KEY',
      /the volume key does not open it/,
      /^Give a key file/,
    );
    nothingIsOpen();
    noKeyIsLeft();
  });
  await check('when the mount fails the volume is closed, and its mount point removed', () => {
    const wrong = ['--mount', '/made/here', '--key-file', '/lab/key', '--description', description];
    const failed = refuses(
      ['luks', 'unlock', UNFORMATTED, ...wrong],
      'COMMAND',
      /cannot be mounted/,
      /has it a file system/,
    );
    strictEqual(stepsIn(failed), 'restore, find key, (open), open');
    nothingIsOpen();
    strictEqual(sh('ls /made/here').status, 1);
    noKeyIsLeft();
  });
  await check('what is no LUKS volume is told', () => {
    const notLuks = ['luks', 'unlock', '/dev/vda', '--mount', TARGET];
    refuses(notLuks, 'COMMAND', /no LUKS header/, /Give the device or partition/);
  });
}

/** After a crash without keys: restore is there, and nothing comes of it. */
export async function crashWithoutKeys(): Promise<void> {
  must('mount -t configfs configfs /sys/kernel/config');
  await check('restore without keys succeeds, and the missing key is noticed', () => {
    new KeyItems(THIS_MACHINE).restore();
    strictEqual(sh('cat /sys/kernel/config/crash_dm_crypt_keys/restore').said, '1');
    refuses(
      ['luks', ...UNLOCK],
      'KEY',
      /is in the keyring after restore/,
      /for the next crash register the key/,
    );
    nothingIsOpen();
  });
  await check('then a key file opens the volume, with a warning', () => {
    const report = luks('unlock', [...UNLOCK, '--key-file', '/lab/key']);
    strictEqual(steps(report), 'restore, (find key), open, mount');
    strictEqual(report.openedBy, 'key file');
    match(report.warnings.join(), /the key file was taken/);
    luks('lock', LOCK);
  });
  await check('a wrong key file is told with all that was tried', () => {
    const wrong = ['luks', ...UNLOCK, '--key-file', '/lab/wrong-key'];
    refuses(wrong, 'KEY', /the key file does not open it: .* after restore/, /ump to another volume/);
  });
}

/** With something that cannot be run in the command's place. */
function without(command: 'dmsetup' | 'keyctl', work: () => void): void {
  const path = { dmsetup: '/usr/sbin/dmsetup', keyctl: '/usr/bin/keyctl' }[command];
  must(`mount --bind /dev/null ${path}`);
  try {
    work();
  } finally {
    must(`umount ${path}`);
  }
}
