/** `smelt luks` on the command line: what it asks of the engine, what it prints where, and its exit codes. */
import { describe, expect, test, vi } from 'vitest';
import { JSON_VERSION } from '../../src/cli/json.ts';
import { run } from '../../src/cli/main.ts';
import { SmeltError } from '../../src/errors.ts';
import * as actions from '../../src/luks/actions.ts';
import type { RegisterReport } from '../../src/luks/keys/register.ts';
import type { Step } from '../../src/luks/keys/steps.ts';
import type { UnlockReport } from '../../src/luks/keys/unlock.ts';
import type { LuksStatus } from '../../src/luks/status.ts';
import type { Encrypted } from '../../src/luks/target/report.ts';
import { type FakeHostOptions, fakeHost } from './fake-host.ts';

type Actions = typeof actions;

/** All that is not given must not be asked for. */
function keys(given: Partial<Actions>): Actions {
  const never = (name: string) => () => {
    throw new Error(`${name} is not asked for`);
  };
  const others = Object.fromEntries(Object.keys(actions).map((name) => [name, never(name)]));
  return { ...(others as unknown as Actions), ...given };
}

async function smelt(line: string, given: Partial<Actions>, options: FakeHostOptions = {}) {
  const host = fakeHost({ luks: keys(given), ...options });
  const code = await run(line.split(' '), host);
  return { code, stdout: host.stdout.text, stderr: host.stderr.text };
}

/** What --json prints, which has to be one line. */
function objectOf(stdout: string): { smelt: number; command: string; report: Record<string, unknown> } {
  expect(stdout).toMatch(/^\{[^\n]*\}\n$/);
  return JSON.parse(stdout);
}

const statusOf = (encrypted: Encrypted, path = '/var/crash'): LuksStatus => ({
  target: {
    path,
    existing: path,
    exists: true,
    layers: {
      kind: 'file system',
      name: 'ext4',
      detail: '/',
      encrypts: 'no',
      below: [{ kind: 'disk', name: 'vda', device: '/dev/vda', encrypts: 'no', below: [] }],
    },
    legs: [{ layers: ['ext4', 'vda'], encrypted: 'no', why: undefined }],
    encrypted,
    why: 'the reason',
    header: undefined,
  },
  crashKernelMemory: { value: 256 * 2 ** 20, source: '/proc/iomem' },
  isCrashKernel: false,
});

const registered = (change: Partial<RegisterReport> = {}): RegisterReport => ({
  items: [{ name: 'data', description: 'cryptsetup:data', isNew: true, secondsLeft: undefined }],
  count: 1,
  isCrashKernelLoaded: false,
  warnings: [],
  ...change,
});

const STEPS: readonly Step[] = [
  { step: 'restore', done: true, what: 'the keys that were handed over', ms: 2 },
  { step: 'find key', done: false, what: 'no key a:b arrived', ms: 1 },
  { step: 'open', done: true, what: '/dev/vdb as crash by the key file', ms: 1300 },
];
const unlocked = (change: Partial<UnlockReport> = {}): UnlockReport => ({
  device: '/dev/vdb',
  uuid: '3f0c2a1b-7d5e-4c69-9a80-1b2c3d4e5f60',
  name: 'crash',
  mountPoint: '/crash',
  openedBy: 'key file',
  description: undefined,
  steps: STEPS,
  warnings: ['no key a:b of type user is in the keyring after restore; the key file was taken'],
  ...change,
});

describe('smelt luks status', () => {
  test.each<[Encrypted, number]>([
    ['all legs', 0],
    ['some legs', 1],
    ['none', 1],
    ['unknown', 1],
  ])('of a target that is encrypted on %s ends with exit code %i', async (encrypted, code) => {
    const status = vi.fn(async () => statusOf(encrypted));
    const ran = await smelt('luks status', { status });
    expect(ran).toMatchObject({ code, stderr: '' });
    expect(status.mock.calls).toEqual([['/var/crash']]);
    expect(ran.stdout).toMatch(/^\/var\/crash is on ext4 on a disk: .*encrypted/);
    expect(await smelt('luks status --json', { status })).toMatchObject({ code });
  });

  test('asks for the path that is given, and is as wide as the terminal', async () => {
    const status = vi.fn(async (path: string) => statusOf('none', path));
    const { stdout } = await smelt('luks status /mnt/usb', { status }, { stdoutColumns: 60 });
    expect(status).toHaveBeenCalledWith('/mnt/usb');
    expect(stdout).toMatchInlineSnapshot(`
      "/mnt/usb is on ext4 on a disk: not encrypted
        the reason.

        ext4     /
        └─ disk  vda
      "
    `);
  });

  test('with --json prints the report, where what is not known is null', async () => {
    const { stdout, stderr } = await smelt('luks status /x --json', {
      status: async (path: string) => statusOf('all legs', path),
    });
    expect(stderr).toBe('');
    expect(objectOf(stdout)).toMatchObject({
      smelt: JSON_VERSION,
      command: 'luks',
      report: {
        action: 'status',
        target: { path: '/x', encrypted: 'all legs', legs: [{ why: null }], header: null },
        crashKernelMemory: { value: 268_435_456, source: '/proc/iomem' },
        isCrashKernel: false,
      },
    });
  });

  test('looks at this machine', async () => {
    const { code, stdout } = await smelt('luks status /proc --json', { status: actions.status });
    expect(code).toBe(1);
    expect(objectOf(stdout).report).toMatchObject({
      action: 'status',
      target: { path: '/proc', layers: { name: 'proc' } },
    });
  });
});

describe('smelt luks register', () => {
  test('registers the devices, and warns on stderr', async () => {
    const register = vi.fn(async () => registered({ warnings: ['one', 'two', 'one'] }));
    const { code, stdout, stderr } = await smelt('luks register luks-data /dev/vdb', { register });
    expect(code).toBe(0);
    expect(register.mock.calls).toEqual([[[{ device: 'luks-data' }, { device: '/dev/vdb' }]]]);
    expect(stdout).toMatch(/^data: the key cryptsetup:data is registered\n1 key for the crash kernel; load/);
    expect(stderr).toBe('warning: one\nwarning: two\n');
  });

  test('with --json has the warnings in the report as well', async () => {
    const register = async () => registered({ warnings: ['one'], isCrashKernelLoaded: undefined });
    const { code, stdout, stderr } = await smelt('luks register data --json', { register });
    expect({ code, stderr }).toEqual({ code: 0, stderr: 'warning: one\n' });
    expect(objectOf(stdout)).toEqual({
      smelt: JSON_VERSION,
      command: 'luks',
      report: {
        action: 'register',
        items: [{ name: 'data', description: 'cryptsetup:data', isNew: true, secondsLeft: null }],
        count: 1,
        isCrashKernelLoaded: null,
        warnings: ['one'],
      },
    });
  });

  test('--unregister removes those that are named, or all', async () => {
    const unregister = vi.fn(() => ({ removed: ['data'], count: 0 }));
    const { code, stdout } = await smelt('luks register --unregister', { unregister });
    expect({ code, stdout }).toEqual({
      code: 0,
      stdout: 'removed: data; no key left for the crash kernel.\n',
    });
    const named = await smelt('luks register data --unregister --json', { unregister });
    expect(objectOf(named.stdout).report).toEqual({ action: 'unregister', removed: ['data'], count: 0 });
    expect(unregister.mock.calls).toEqual([[undefined], [['data']]]);
  });

  test('--reuse is turned on and off', async () => {
    const reuse = vi.fn((isOn: boolean) => ({ isOn, wasNeeded: isOn }));
    const on = await smelt('luks register --reuse on --json', { reuse });
    expect(objectOf(on.stdout).report).toEqual({ action: 'reuse', isOn: true, wasNeeded: true });
    const off = await smelt('luks register --reuse off', { reuse });
    expect([on.code, off.code]).toEqual([0, 0]);
    expect(off.stdout).toContain('the kernel refuses: it has saved no keys');
    expect(reuse.mock.calls).toEqual([[true], [false]]);
  });
});

describe('smelt luks unlock and lock', () => {
  const LINE = 'luks unlock /dev/vdb --mount /crash --key-file /k --name crash --description a:b';

  test('tell each step on stderr as it is done, then warn, and say where the volume is', async () => {
    const host = fakeHost({
      luks: keys({
        unlock: async (device, options) => {
          expect(device).toBe('/dev/vdb');
          expect(options).toMatchObject({
            mountPoint: '/crash',
            keyFile: '/k',
            name: 'crash',
            description: 'a:b',
          });
          for (const [index, step] of STEPS.entries()) {
            options.onStep!(step);
            expect(host.stderr.text.split('\n')).toHaveLength(index + 2);
          }
          expect(host.stdout.text).toBe('');
          return unlocked();
        },
      }),
    });
    expect(await run(LINE.split(' '), host)).toBe(0);
    expect(`${host.stderr.text}--\n${host.stdout.text}`).toMatchInlineSnapshot(`
      "  restore    the keys that were handed over
        find key   (no key a:b arrived)
        open       /dev/vdb as crash by the key file
      warning: no key a:b of type user is in the keyring after restore; the key file
               was taken
      --
      /crash is on crash, opened by the key file; \`smelt luks lock --mount /crash\`
      undoes it.
      "
    `);
  });

  test('with --json have the steps in the report and on stderr, with --quiet in neither of the two texts', async () => {
    const unlock: Actions['unlock'] = async (_device, { onStep }) => {
      for (const step of STEPS) onStep!(step);
      return unlocked({ openedBy: 'volume key', description: 'a:b', warnings: [] });
    };
    const { stdout, stderr } = await smelt(`${LINE} --json`, { unlock });
    expect(objectOf(stdout).report).toMatchObject({ action: 'unlock', steps: STEPS, openedBy: 'volume key' });
    expect(stderr.match(/^ {2}\S/gm)).toHaveLength(3);
    expect((await smelt(`${LINE} --quiet`, { unlock })).stderr).toBe('');
  });

  test('lock takes a mount point, a device or both', async () => {
    const lock = vi.fn<Actions['lock']>(async (_target, onStep) => {
      const steps = [{ step: 'close', done: true, what: 'crash', ms: 1 }] as const;
      onStep!(steps[0]);
      return { name: 'crash', steps };
    });
    const { code, stdout, stderr } = await smelt('luks lock --mount /crash', { lock });
    expect({ code, stdout, stderr }).toEqual({
      code: 0,
      stdout: 'crash is locked.\n',
      stderr: '  close      crash\n',
    });
    const json = await smelt('luks lock crash --mount /crash --json', { lock });
    expect(objectOf(json.stdout).report).toMatchObject({ action: 'lock', name: 'crash' });
    expect(lock.mock.calls.map(([target]) => target)).toEqual([
      { mountPoint: '/crash' },
      { mountPoint: '/crash', device: 'crash' },
    ]);
  });

  test('that fail say which steps came before', async () => {
    const unlock: Actions['unlock'] = async (_device, { onStep }) => {
      onStep!(STEPS[0]);
      onStep!(STEPS[1]);
      throw new SmeltError('KEY', '/dev/vdb cannot be opened: no key', { hint: 'Give a key file.' });
    };
    const sentence = 'smelt: /dev/vdb cannot be opened: no key\n       Give a key file.\n';
    const { code, stdout, stderr } = await smelt(LINE, { unlock });
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toBe(
      `  restore    the keys that were handed over\n  find key   (no key a:b arrived)\n${sentence}`,
    );
    expect((await smelt(`${LINE} --quiet`, { unlock })).stderr).toBe(sentence);

    const json = await smelt(`${LINE} --json`, { unlock });
    expect(JSON.parse(json.stdout)).toEqual({
      smelt: JSON_VERSION,
      error: {
        code: 'KEY',
        message: '/dev/vdb cannot be opened: no key',
        hint: 'Give a key file.',
        exitCode: 1,
      },
      warnings: [],
    });
    expect(json).toMatchObject({ code: 1, stderr });
  });
});

describe('what goes wrong', () => {
  const failing = (thrown: unknown): Partial<Actions> => ({
    status: async () => {
      throw thrown;
    },
    register: async () => {
      throw thrown;
    },
    unregister: () => {
      throw thrown;
    },
    reuse: () => {
      throw thrown;
    },
    lock: async () => {
      throw thrown;
    },
  });
  const LINES = [
    'luks status',
    'luks register a',
    'luks register --unregister',
    'luks register --reuse on',
    'luks lock a',
  ];

  test.each(LINES)('in %s is one sentence and a hint, with exit code 1', async (line) => {
    const error = new SmeltError('UNSUPPORTED', 'this kernel hands no keys over', {
      hint: 'It takes Linux 6.16.',
    });
    const { code, stdout, stderr } = await smelt(line, failing(error));
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toBe('smelt: this kernel hands no keys over\n       It takes Linux 6.16.\n');
    expect((await smelt(`${line} --debug`, failing(error))).stderr).toMatch(/\n +at /);
  });

  test.each(LINES)('in %s by a mistake of smelt is called that', async (line) => {
    const { code, stderr } = await smelt(line, failing(new TypeError('x is not a function')));
    expect(code).toBe(1);
    expect(stderr).toMatch(/^smelt: a mistake in smelt itself: TypeError: x is not a function\n/);
  });

  test('on the command line is told before anything is loaded', async () => {
    const host = fakeHost();
    const loadLuks = vi.fn(host.loadLuks);
    expect(await run(['luks', 'unlock', '--json'], { ...host, loadLuks })).toBe(1);
    expect(loadLuks).not.toHaveBeenCalled();
    expect(host.stderr.text).toBe('smelt: DEVICE is missing\n       `smelt luks --help` has examples.\n');
    expect(JSON.parse(host.stdout.text).error).toMatchObject({ code: 'USAGE', exitCode: 1 });
  });
});
