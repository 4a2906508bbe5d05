/** What a person is told of what was done to keys and volumes: at 80 columns, and on a narrow console at 40. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { luksText, stepText } from '../../src/cli/luks-text.ts';
import type { LuksDone } from '../../src/luks/actions.ts';
import type { Step } from '../../src/luks/keys/steps.ts';

const UUID = '3f0c2a1b-7d5e-4c69-9a80-1b2c3d4e5f60';
const KEY = `kdump-cryptsetup:vk-${UUID}`;

/** The same text at both widths, as it stands. */
const show = (done: LuksDone) =>
  `\n${[80, 40].map((width) => luksText(done, width).join('\n')).join('\n--\n')}\n`;
const showStep = (step: Omit<Step, 'ms'>) =>
  `\n${[80, 40].map((width) => stepText({ ...step, ms: 1 }, width)).join('\n--\n')}\n`;

type Register = Extract<LuksDone, { action: 'register' }>;
const register = (change: Partial<Register> = {}): LuksDone => ({
  action: 'register',
  items: [{ name: UUID, description: KEY, isNew: true, secondsLeft: undefined }],
  count: 1,
  isCrashKernelLoaded: false,
  warnings: [],
  ...change,
});
type Unlock = Extract<LuksDone, { action: 'unlock' }>;
const unlock = (openedBy: Unlock['openedBy']): LuksDone => ({
  action: 'unlock',
  device: '/dev/vdb',
  uuid: UUID,
  name: `luks-${UUID}`,
  mountPoint: '/var/crash',
  openedBy,
  description: openedBy === 'volume key' ? KEY : undefined,
  steps: [],
  warnings: [],
});

describe('register', () => {
  test('says which key is registered, and that kexec comes next', () => {
    expect(show(register())).toMatchInlineSnapshot(`
      "
      3f0c2a1b-7d5e-4c69-9a80-1b2c3d4e5f60: the key
      kdump-cryptsetup:vk-3f0c2a1b-7d5e-4c69-9a80-1b2c3d4e5f60 is registered
      1 key for the crash kernel; load the crash kernel with \`kexec -s -p\`: it takes
      them along.
      --
      3f0c2a1b-7d5e-4c69-9a80-1b2c3d4e5f60:
      the key
      kdump-cryptsetup:vk-3f0c2a1b-7d5e-4c69-9a80-1b2c3d4e5f60
      is registered
      1 key for the crash kernel; load the
      crash kernel with \`kexec -s -p\`: it
      takes them along.
      "
    `);
  });

  test('says what was registered already, how long a key lives, and of a crash kernel that has not got them', () => {
    const items = [
      { name: UUID, description: KEY, isNew: false, secondsLeft: undefined },
      { name: 'data', description: 'cryptsetup:data', isNew: true, secondsLeft: 119 },
      { name: 'logs', description: 'cryptsetup:logs', isNew: true, secondsLeft: 300 },
      { name: 'home', description: 'cryptsetup:home', isNew: true, secondsLeft: 86_400 },
    ];
    expect(show(register({ items, count: 4, isCrashKernelLoaded: true }))).toMatchInlineSnapshot(`
      "
      3f0c2a1b-7d5e-4c69-9a80-1b2c3d4e5f60: the key
      kdump-cryptsetup:vk-3f0c2a1b-7d5e-4c69-9a80-1b2c3d4e5f60 is registered already
      data: the key cryptsetup:data is registered, and lives 119 more seconds
      logs: the key cryptsetup:logs is registered, and lives 5 more minutes
      home: the key cryptsetup:home is registered, and lives 24 more hours
      4 keys for the crash kernel.
      --
      3f0c2a1b-7d5e-4c69-9a80-1b2c3d4e5f60:
      the key
      kdump-cryptsetup:vk-3f0c2a1b-7d5e-4c69-9a80-1b2c3d4e5f60
      is registered already
      data: the key cryptsetup:data is
      registered, and lives 119 more seconds
      logs: the key cryptsetup:logs is
      registered, and lives 5 more minutes
      home: the key cryptsetup:home is
      registered, and lives 24 more hours
      4 keys for the crash kernel.
      "
    `);
  });

  test('where it is not known whether a crash kernel is loaded speaks as if there were none', () => {
    expect(luksText(register({ isCrashKernelLoaded: undefined }), 80)).toEqual(luksText(register(), 80));
  });
});

describe('unregister', () => {
  test('says what is removed, and what is left', () => {
    const done = { action: 'unregister', removed: [UUID, 'data'], count: 1 } as const;
    expect(show(done)).toMatchInlineSnapshot(`
      "
      removed: 3f0c2a1b-7d5e-4c69-9a80-1b2c3d4e5f60, data; 1 key left for the crash
      kernel.
      --
      removed:
      3f0c2a1b-7d5e-4c69-9a80-1b2c3d4e5f60,
      data; 1 key left for the crash kernel.
      "
    `);
    expect(show({ action: 'unregister', removed: [], count: 0 })).toMatchInlineSnapshot(`
      "
      removed: nothing; no key left for the crash kernel.
      --
      removed: nothing; no key left for the
      crash kernel.
      "
    `);
  });
});

describe('reuse', () => {
  test('says where the next crash kernel has its keys from', () => {
    expect(show({ action: 'reuse', isOn: true, wasNeeded: true })).toMatchInlineSnapshot(`
      "
      the next crash kernel gets the keys that were saved: load it with \`kexec -s -p\`,
      then run \`smelt luks register --reuse off\`.
      --
      the next crash kernel gets the keys that
      were saved: load it with \`kexec -s -p\`,
      then run \`smelt luks register --reuse
      off\`.
      "
    `);
    expect(show({ action: 'reuse', isOn: false, wasNeeded: true })).toMatchInlineSnapshot(`
      "
      the next crash kernel gets the keys from the keyring.
      --
      the next crash kernel gets the keys from
      the keyring.
      "
    `);
  });

  test('says so where the kernel refuses it', () => {
    expect(show({ action: 'reuse', isOn: true, wasNeeded: false })).toMatchInlineSnapshot(`
      "
      the kernel refuses: it has saved no keys that could be used again.
      --
      the kernel refuses: it has saved no keys
      that could be used again.
      "
    `);
  });
});

describe('unlock and lock', () => {
  test('say where the volume is, by what it was opened, and how that is undone', () => {
    expect(show(unlock('volume key'))).toMatchInlineSnapshot(`
      "
      /var/crash is on luks-3f0c2a1b-7d5e-4c69-9a80-1b2c3d4e5f60, opened by the volume
      key; \`smelt luks lock --mount /var/crash\` undoes it.
      --
      /var/crash is on
      luks-3f0c2a1b-7d5e-4c69-9a80-1b2c3d4e5f60,
      opened by the volume key; \`smelt luks
      lock --mount /var/crash\` undoes it.
      "
    `);
    expect(show(unlock('key file'))).toMatchInlineSnapshot(`
      "
      /var/crash is on luks-3f0c2a1b-7d5e-4c69-9a80-1b2c3d4e5f60, opened by the key
      file; \`smelt luks lock --mount /var/crash\` undoes it.
      --
      /var/crash is on
      luks-3f0c2a1b-7d5e-4c69-9a80-1b2c3d4e5f60,
      opened by the key file; \`smelt luks lock
      --mount /var/crash\` undoes it.
      "
    `);
    expect(show({ ...unlock('volume key'), mountPoint: undefined } as LuksDone)).toMatchInlineSnapshot(`
      "
      /dev/vdb is open as /dev/mapper/luks-3f0c2a1b-7d5e-4c69-9a80-1b2c3d4e5f60,
      opened by the volume key; \`smelt luks lock
      luks-3f0c2a1b-7d5e-4c69-9a80-1b2c3d4e5f60\` undoes it.
      --
      /dev/vdb is open as
      /dev/mapper/luks-3f0c2a1b-7d5e-4c69-9a80-1b2c3d4e5f60,
      opened by the volume key; \`smelt luks
      lock
      luks-3f0c2a1b-7d5e-4c69-9a80-1b2c3d4e5f60\`
      undoes it.
      "
    `);
    expect(show(unlock('before'))).toMatchInlineSnapshot(`
      "
      /var/crash is on luks-3f0c2a1b-7d5e-4c69-9a80-1b2c3d4e5f60, which was open
      before; \`smelt luks lock --mount /var/crash\` undoes it.
      --
      /var/crash is on
      luks-3f0c2a1b-7d5e-4c69-9a80-1b2c3d4e5f60,
      which was open before; \`smelt luks lock
      --mount /var/crash\` undoes it.
      "
    `);
  });

  test('say what was closed, or that nothing was open', () => {
    expect(show({ action: 'lock', name: `luks-${UUID}`, steps: [] })).toMatchInlineSnapshot(`
      "
      luks-3f0c2a1b-7d5e-4c69-9a80-1b2c3d4e5f60 is locked.
      --
      luks-3f0c2a1b-7d5e-4c69-9a80-1b2c3d4e5f60
      is locked.
      "
    `);
    expect(show({ action: 'lock', name: undefined, steps: [] })).toMatchInlineSnapshot(`
      "
      there was nothing to lock.
      --
      there was nothing to lock.
      "
    `);
  });
});

describe('a step', () => {
  test('has a line of its own, in parentheses where nothing was done', () => {
    expect(
      showStep({ step: 'open', done: true, what: `/dev/vdb as luks-${UUID} by the volume key` }),
    ).toMatchInlineSnapshot(`
      "
        open       /dev/vdb as luks-3f0c2a1b-7d5e-4c69-9a80-1b2c3d4e5f60 by the volume
                   key
      --
        open       /dev/vdb as
                   luks-3f0c2a1b-7d5e-4c69-9a80-1b2c3d4e5f60
                   by the volume key
      "
    `);
    expect(
      showStep({ step: 'find key', done: false, what: `no key ${KEY} or cryptsetup:${UUID} arrived` }),
    ).toMatchInlineSnapshot(`
      "
        find key   (no key kdump-cryptsetup:vk-3f0c2a1b-7d5e-4c69-9a80-1b2c3d4e5f60 or
                   cryptsetup:3f0c2a1b-7d5e-4c69-9a80-1b2c3d4e5f60 arrived)
      --
        find key   (no key
                   kdump-cryptsetup:vk-3f0c2a1b-7d5e-4c69-9a80-1b2c3d4e5f60
                   or
                   cryptsetup:3f0c2a1b-7d5e-4c69-9a80-1b2c3d4e5f60
                   arrived)
      "
    `);
    expect(showStep({ step: 'unmount', done: true, what: '/var/crash' })).toMatchInlineSnapshot(`
      "
        unmount    /var/crash
      --
        unmount    /var/crash
      "
    `);
  });
});

test('no line is longer than the terminal but for a long word, and nothing in it steers that', () => {
  const name = fc.oneof(fc.string({ maxLength: 60 }), fc.constantFrom('\x1b[2J', '\u202e', 'a\nb', 'a\rb'));
  fc.assert(
    fc.property(name, name, fc.integer({ min: 20, max: 200 }), (one, other, width) => {
      const items = [{ name: one, description: other, isNew: true, secondsLeft: 5 }];
      const texts = [
        luksText(register({ items }), width),
        luksText({ ...unlock('before'), mountPoint: one, name: other } as LuksDone, width),
        luksText({ action: 'unregister', removed: [one, other], count: 0 }, width),
        luksText({ action: 'lock', name: one, steps: [] }, width),
        stepText({ step: 'mount', done: false, what: `${one} at ${other}`, ms: 0 }, width).split('\n'),
      ];
      for (const line of texts.flat()) {
        expect(line).not.toMatch(/[\p{Cc}\u202e]/u);
        // A step's name and one word.
        if (line.length > Math.min(width, 80)) expect(line.trim().split(/ +/).length).toBeLessThanOrEqual(2);
      }
    }),
    { numRuns: 300 },
  );
});
