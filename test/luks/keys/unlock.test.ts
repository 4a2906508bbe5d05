/** Unlocking and locking with stand-in commands; the real ones run in test/lab/luks/run. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { SmeltError } from '../../../src/errors.ts';
import { KeyItems } from '../../../src/luks/keys/items.ts';
import { lock } from '../../../src/luks/keys/lock.ts';
import { findOrRestore } from '../../../src/luks/keys/restore.ts';
import { type Step, Steps } from '../../../src/luks/keys/steps.ts';
import { type UnlockOptions, unlock } from '../../../src/luks/keys/unlock.ts';
import { tempFiles } from '../../read/temp-files.ts';
import { argon2, keyslot, luks2Image, metadata, pbkdf2 } from '../luks-images.ts';
import { keyLine, Machine, UUID } from './stand-in.ts';

const files = tempFiles();
const DESCRIPTION = `kdump-cryptsetup:vk-${UUID}`;
const NAME = `luks-${UUID}`;
const KEY = keyLine('user', DESCRIPTION, { serial: '0000beef' });

let machine: Machine;
let told: string[];
beforeEach(() => {
  machine = new Machine(files, 'crash kernel').withCommands();
  told = [];
});
const words = ({ step, done }: Step) => (done ? step : `(${step})`);
const open = (options: Partial<UnlockOptions> = {}, device = '/dev/vdb') =>
  unlock(
    device,
    { mountPoint: '/mnt', onStep: (step) => told.push(words(step)), ...options },
    machine.system,
  );

async function failure(work: Promise<unknown>): Promise<SmeltError> {
  const error = await work.then(
    () => undefined,
    (thrown) => thrown,
  );
  expect(error).toBeInstanceOf(SmeltError);
  return error;
}
const isOpen = () => machine.has('/sys/class/block/dm-0');
const isMounted = () => / \/mnt /.test(machine.read('/proc/self/mountinfo'));

describe('unlocking', () => {
  it('opens by the key in the keyring, mounts, and revokes the key', async () => {
    machine.write('/proc/keys', KEY);
    const report = await open();
    expect(report).toMatchObject({
      device: '/dev/vdb',
      uuid: UUID,
      name: NAME,
      mountPoint: '/mnt',
      openedBy: 'volume key',
      description: DESCRIPTION,
      warnings: [],
    });
    expect(machine.calls()).toEqual([
      'cryptsetup luksUUID /dev/vdb',
      `cryptsetup open --volume-key-keyring %user:${DESCRIPTION} /dev/vdb ${NAME}`,
      `mount /dev/mapper/${NAME} /mnt`,
      'keyctl revoke 0x0000beef',
      'keyctl unlink 0x0000beef @u',
    ]);
    expect(report.steps.map(words)).toEqual(['find key', 'open', 'mount', 'drop key']);
    expect(told).toEqual(report.steps.map(words));
    expect(machine.read('/proc/keys')).toBe('');
  });

  it('opens and mounts nothing where no mount point is given: LVM may be in it', async () => {
    machine.write('/proc/keys', KEY);
    const report = await unlock('/dev/vdb', {}, machine.system);
    expect(report).toMatchObject({ name: NAME, mountPoint: undefined, openedBy: 'volume key' });
    expect(report.steps.map(words)).toEqual(['find key', 'open', 'drop key']);
    expect([isOpen(), isMounted()]).toEqual([true, false]);
    const again = await unlock('/dev/vdb', {}, machine.system);
    expect(again).toMatchObject({ openedBy: 'before', mountPoint: undefined });
  });

  it('asks the kernel to restore, and notices that nothing arrived', async () => {
    const error = await failure(open());
    expect(error.code).toBe('KEY');
    expect(error.message).toMatch(
      /no key kdump-cryptsetup:vk-.* or cryptsetup:.* of type user is in the keyring after restore$/,
    );
    expect(told).toEqual(['restore', '(find key)']);
    expect(machine.read('/sys/kernel/config/crash_dm_crypt_keys/restore')).toBe('1');
    expect(machine.calls()).toEqual(['cryptsetup luksUUID /dev/vdb']);
  });

  it('does not take a key of type logon, nor one that is revoked', async () => {
    machine.write(
      '/proc/keys',
      keyLine('logon', DESCRIPTION) + keyLine('user', DESCRIPTION, { flags: 'IR-Q---' }),
    );
    expect((await failure(open())).message).toMatch(/after restore/);
  });

  it('goes on with a key file where no key arrived, and warns', async () => {
    const report = await open({ keyFile: '/etc/key' });
    expect(report).toMatchObject({ openedBy: 'key file', description: undefined });
    expect(report.warnings).toEqual([
      expect.stringMatching(/no key .* after restore; the key file was taken$/),
    ]);
    expect(machine.calls()).toContain(`cryptsetup open --key-file /etc/key /dev/vdb ${NAME}`);
    expect(isMounted()).toBe(true);
  });

  describe('by a key file goes through the keyslots', () => {
    const slots = (...kdfs: object[]) => {
      const json = metadata();
      json.tokens = {};
      json.keyslots = Object.fromEntries(kdfs.map((kdf, id) => [id, keyslot(id, kdf)]));
      mkdirSync(join(machine.root, 'dev'), { recursive: true });
      writeFileSync(join(machine.root, 'dev/vdb'), luks2Image({ json }));
      machine.write('/etc/key', 'key');
      machine.write('/proc/meminfo', 'MemTotal: 239000 kB\nMemAvailable:  180000 kB\n');
    };
    const tried = () =>
      machine.calls().flatMap((call) => /--key-file \/etc\/key --key-slot (\d) /.exec(call)?.[1] ?? []);
    const refuse = (status: number, says: string) =>
      machine.command(
        'cryptsetup',
        `[ $1 = luksUUID ] && echo ${UUID} && exit; echo '${says}' >&2; exit ${status}`,
      );

    it('first what takes the least memory, and nothing that there is no memory for', async () => {
      slots(argon2(1024 * 1024), pbkdf2);
      expect((await open({ keyFile: '/etc/key' })).openedBy).toBe('key file');
      expect(tried()).toEqual(['1']);
    });

    it('on to the next one where it is of another key', async () => {
      refuse(2, 'No key available with this passphrase.');
      slots(argon2(65536), pbkdf2);
      await failure(open({ keyFile: '/etc/key' }));
      expect(tried()).toEqual(['1', '0']);
      slots(argon2(1024 * 1024), pbkdf2);
      const { message } = await failure(open({ keyFile: '/etc/key' }));
      expect(tried()).toEqual(['1', '0', '1']);
      expect(message).toContain(
        'the key file does not open it: No key available with this passphrase. (exit status 2); slot 0 takes 1.0 GiB of memory, and there are 175.8 MiB; no key ',
      );
    });

    it('but not where another one would fail in the same way', async () => {
      slots(pbkdf2, pbkdf2);
      refuse(1, 'Cannot initialize device-mapper. Is dm_mod kernel module loaded?\nCannot use device x.');
      const { message, hint } = await failure(open({ keyFile: '/etc/key' }));
      expect(tried()).toEqual(['0']);
      expect(message).toContain('does not open it: Cannot initialize device-mapper. Is dm_mod');
      expect(hint).toContain('`smelt luks status /dev/vdb` shows its keyslots');
    });

    it('and says that the file is not there, if it is not', async () => {
      slots(pbkdf2, pbkdf2);
      refuse(1, 'Failed to open key file.');
      expect((await failure(open({ keyFile: '/etc/other' }))).message).toContain(
        '/etc/other: does not exist',
      );
    });
  });

  it('goes on with a key file where the key does not fit, and drops the key all the same', async () => {
    machine.write('/proc/keys', KEY);
    machine.write('/refuse-open', 'Volume key does not match the volume.\n');
    const report = await open({ keyFile: '/etc/key' });
    expect(report.openedBy).toBe('key file');
    expect(report.warnings).toEqual([
      'the volume key does not open it: Volume key does not match the volume. (exit status 2); the key file was taken',
    ]);
    expect(told).toEqual(['find key', '(open)', 'open', 'mount', 'drop key']);
  });

  it('tells that cryptsetup is too old', async () => {
    machine.write('/proc/keys', KEY);
    machine.write('/refuse-open', 'cryptsetup: --volume-key-keyring: unknown option\n');
    expect((await failure(open())).message).toMatch(/takes cryptsetup 2\.7 or later$/);
  });

  it('warns where there is no keyctl to revoke the key with', async () => {
    machine.write('/proc/keys', KEY);
    machine.withoutCommand('keyctl');
    const report = await open();
    expect(report.warnings).toEqual([
      `the key ${DESCRIPTION} stays in the keyring until the machine starts anew, readable for root: there is no keyctl`,
    ]);
    expect(told.at(-1)).toBe('(drop key)');
  });

  it('leaves the key where this is not the crash kernel', async () => {
    machine = new Machine(files, 'first kernel').withCommands();
    machine.write('/proc/keys', KEY);
    expect((await open()).openedBy).toBe('volume key');
    expect(machine.read('/proc/keys')).toBe(KEY);
  });

  it('twice is like once', async () => {
    machine.write('/proc/keys', KEY);
    await open();
    const before = machine.calls().length;
    const report = await open({ mountPoint: '/mnt/' });
    expect(report).toMatchObject({ openedBy: 'before', name: NAME });
    expect(report.steps.map(words)).toEqual(['(open)', '(mount)']);
    expect(machine.calls()).toHaveLength(before);
  });

  it('takes the name and the description it is given', async () => {
    machine.write('/proc/keys', keyLine('user', 'my:key'));
    expect(await open({ name: 'dump', description: 'my:key' })).toMatchObject({
      name: 'dump',
      description: 'my:key',
    });
  });
});

describe('when a step fails', () => {
  it('the mount: the volume is closed, and the mount point that was made removed', async () => {
    machine.write('/proc/keys', KEY);
    machine.write('/refuse-mount', 'mount: wrong fs type.\n');
    const error = await failure(open({ mountPoint: '/made/here' }));
    expect(error).toMatchObject({
      code: 'COMMAND',
      message: expect.stringMatching(/cannot be mounted at \/made\/here: mount: wrong fs type/),
    });
    expect(isOpen()).toBe(false);
    expect(machine.has('/made/here')).toBe(false);
    expect(machine.calls().at(-1)).toBe(`cryptsetup close ${NAME}`);
  });

  it('the mount: a mount point that was there stays', async () => {
    machine.write('/proc/keys', KEY);
    machine.write('/refuse-mount', 'no\n');
    mkdirSync(join(machine.root, 'mnt'));
    await failure(open());
    expect(machine.has('/mnt')).toBe(true);
  });

  it('the mount: all directories that were made go again, and what somebody left in one stays', async () => {
    machine.write('/proc/keys', KEY);
    machine.write('/refuse-mount', 'no\n');
    await failure(open({ mountPoint: '/made/on/the/way' }));
    expect(machine.has('/made')).toBe(false);
    machine.write('/proc/keys', KEY);
    machine.command('mount', 'mkdir made/here/lost; echo no >&2; exit 32');
    expect(await failure(open({ mountPoint: '/made/here' }))).toMatchObject({ code: 'COMMAND' });
    expect(machine.has('/made/here/lost')).toBe(true);
    expect(isOpen()).toBe(false);
  });

  it('the opening, behind its effect: the volume is closed again', async () => {
    machine.write('/proc/keys', KEY);
    machine.command(
      'cryptsetup',
      `case $1 in
        luksUUID) echo ${UUID};;
        open) for name; do :; done
          mkdir -p sys/class/block/dm-0/dm
          echo "$name" > sys/class/block/dm-0/dm/name; echo "CRYPT-LUKS2-${UUID.replaceAll('-', '')}-$name" > sys/class/block/dm-0/dm/uuid
          echo 253:0 > sys/class/block/dm-0/dev; exit 1;;
        close) rm -r sys/class/block/dm-0;;
      esac`,
    );
    await failure(open());
    expect(isOpen()).toBe(false);
    expect(machine.calls().at(-1)).toBe(`cryptsetup close ${NAME}`);
  });

  it.each(['find key', 'open', 'mount', 'drop key'])('a signal after "%s" has all undone', async (last) => {
    machine.write('/proc/keys', KEY);
    const controller = new AbortController();
    const onStep = ({ step }: Step) => {
      if (step === last) controller.abort(new SmeltError('INTERRUPTED', 'interrupted by a test'));
    };
    expect(await failure(open({ onStep, signal: controller.signal }))).toMatchObject({ code: 'INTERRUPTED' });
    expect([isOpen(), isMounted()]).toEqual([false, false]);
  });

  it('keys that were restored are dropped, and those that were there before stay', async () => {
    const old = keyLine('user', 'somebody:else', { serial: '0000aaaa' });
    machine.write('/proc/keys', old);
    class Restoring extends KeyItems {
      override restore(): void {
        machine.append('/proc/keys', KEY);
      }
    }
    const steps = new Steps();
    const found = await findOrRestore([DESCRIPTION], steps, new Restoring(machine.system), machine.system);
    expect(found).toMatchObject({ key: { description: DESCRIPTION } });
    await steps.undo();
    expect(machine.read('/proc/keys')).toBe(old);
  });

  it('with nothing to be undone it tells what is missing', async () => {
    machine.withoutCommand('cryptsetup');
    expect((await failure(open())).message).toMatch(/^there is no cryptsetup in /);
    machine.command('cryptsetup', 'echo "Device /dev/vdb is not a valid LUKS device." >&2; exit 1');
    expect((await failure(open())).message).toMatch(
      /finds no LUKS header in it \(Device \/dev\/vdb is not a valid/,
    );
  });

  it('for a name or a mount point that is taken nothing is touched', async () => {
    machine.write('/proc/keys', KEY);
    machine.write('/proc/self/mountinfo', '30 1 8:1 / /mnt rw - ext4 /dev/sda1 rw\n');
    expect((await failure(open())).message).toBe('something else is mounted at /mnt already');
    expect(isOpen()).toBe(false);
    machine.open('dump', 'CRYPT-PLAIN-dump');
    expect((await failure(open({ name: 'dump' }, '/dev/vdc'))).message).toMatch(
      /dm-crypt device dump already/,
    );
  });

  it('the volume is not mounted a second time elsewhere', async () => {
    machine.write('/proc/keys', KEY);
    await open();
    expect((await failure(open({ mountPoint: '/other' }))).message).toBe(
      `${NAME} is mounted already, at /mnt`,
    );
    expect(isMounted()).toBe(true);
  });

  it.each([
    [{ mountPoint: 'mnt' }, '/dev/vdb'],
    [{ keyFile: '-' }, '/dev/vdb'],
    [{ name: '--help' }, '/dev/vdb'],
    [{ description: 'nocolon' }, '/dev/vdb'],
    [{}, 'vdb'],
    [{}, '--help'],
  ])('%j of %s is refused before anything is done', async (options, device) => {
    machine.write('/proc/keys', KEY);
    expect(await failure(open(options, device))).toMatchObject({ code: 'USAGE' });
    expect(machine.calls().filter((call) => !/luksUUID/.test(call))).toEqual([]);
  });
});

describe('locking', () => {
  beforeEach(async () => {
    machine.write('/proc/keys', KEY);
    await open();
  });
  const close = (target: Parameters<typeof lock>[0]) => lock(target, undefined, undefined, machine.system);

  it('takes a mount point in the place of the device for what is mounted there', async () => {
    machine.write('/proc/keys', KEY);
    await open();
    mkdirSync(join(machine.root, 'mnt'), { recursive: true });
    const report = await close({ device: '/mnt' });
    expect(report.name).toBe(NAME);
    expect([isOpen(), isMounted()]).toEqual([false, false]);
  });

  it('knows a mount of btrfs, which has a number of its own, by what was mounted', async () => {
    await close({ device: NAME });
    machine.write('/proc/keys', KEY);
    machine.command('mount', `echo "40 1 0:50 / $2 rw - btrfs $1 rw" >> proc/self/mountinfo`);
    await open();
    expect((await open()).steps.map(words)).toEqual(['(open)', '(mount)']);
    const { name, steps } = await close({ mountPoint: '/mnt' });
    expect([name, steps.map(words)]).toEqual([NAME, ['unmount', 'close']]);
    expect([isOpen(), isMounted()]).toEqual([false, false]);
  });

  it('says which device is not open, and that a mount point is not there', async () => {
    const { steps } = await close({ device: 'luks-other' });
    expect(steps.map(({ what }) => what)).toContain('no dm-crypt device luks-other is open');
    expect((await failure(close({ mountPoint: '/nowhere' }))).message).toBe('/nowhere: does not exist');
  });

  it.each([
    [{ mountPoint: '/mnt' }],
    [{ mountPoint: '/mnt/.' }],
    [{ device: '/dev/vdb' }],
    [{ device: NAME }],
    [{ device: UUID }],
    [{ mountPoint: '/mnt', device: `/dev/mapper/${NAME}` }],
  ])('unmounts and closes %j, once', async (target) => {
    const report = await close(target);
    expect(report.name).toBe(NAME);
    expect(report.steps.map(words)).toEqual(['unmount', 'close']);
    expect([isMounted(), isOpen()]).toEqual([false, false]);
    expect((await close(target)).steps.map(words)).toEqual(['(unmount)', '(close)']);
  });

  it('does not close what is still in use', async () => {
    machine.write('/refuse-umount', 'umount: /mnt: target is busy.\n');
    expect(await failure(close({ mountPoint: '/mnt' }))).toMatchObject({
      code: 'COMMAND',
      message: '/mnt cannot be unmounted: umount: /mnt: target is busy. (exit status 32)',
    });
    expect(isOpen()).toBe(true);
  });

  it('refuses a mount point of something else', async () => {
    machine.append('/proc/self/mountinfo', '30 1 8:1 / /srv rw - ext4 /dev/sda1 rw\n');
    expect(await failure(close({ mountPoint: '/srv' }))).toMatchObject({ code: 'USAGE' });
    expect(await failure(close({ mountPoint: '/srv', device: NAME }))).toMatchObject({ code: 'USAGE' });
    expect(machine.calls().filter((call) => /umount|close/.test(call))).toEqual([]);
  });
});

describe('restore', () => {
  it('is written anew where it was written before, as the kernel else does nothing', () => {
    const writes: string[] = [];
    class Watched extends KeyItems {
      protected override write(name: string, text: string): unknown {
        writes.push(`${name} ${text}`);
        return super.write(name, text);
      }
    }
    const items = new Watched(machine.system);
    items.restore();
    items.restore();
    expect(writes).toEqual(['restore 1', 'restore 0', 'restore 1']);
  });
});
