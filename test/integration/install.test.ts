/** `npm run install:kdump`: what it writes, and that it takes all of it away again. */
import { spawnSync } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeEach, expect, test } from 'vitest';
import { type ProgramResult, run, scratch } from '../program/smelt.ts';

const project = fileURLToPath(new URL('../..', import.meta.url));
const dir = scratch();
/** What it installs it does not look into. */
const image = join(dir, 'smelt.img');
writeFileSync(image, 'hsqs, and the rest of an image');

let count = 0;
let prefix = '';
beforeEach(() => {
  prefix = join(dir, `prefix-${count++}`);
});

const install = (...args: readonly string[]): ProgramResult =>
  run([join(project, 'integration/install'), ...args]);
const entries = (folder: string): string[] =>
  existsSync(folder)
    ? readdirSync(folder, { recursive: true, encoding: 'utf8', withFileTypes: true })
        .map((entry) => `${join(entry.parentPath, entry.name)}${entry.isDirectory() ? '/' : ''}`)
        .sort()
    : [];
const files = (folder: string): string[] => entries(folder).filter((path) => !path.endsWith('/'));

const SMELT = ['as-makedumpfile/makedumpfile', 'fallback', 'save', 'smelt', 'smelt.img'];
const DRACUT = 'lib/dracut/modules.d/99smelt/module-setup.sh';
const INITRAMFS_TOOLS = ['conf-hooks.d', 'hooks', 'scripts/init-premount'].map(
  (folder) => `share/initramfs-tools/${folder}/smelt`,
);

test('each file that is installed is listed, with the launcher, the hooks, the image and an example of settings', () => {
  const { status, stdout, stderr } = install(
    '--prefix',
    prefix,
    '--image',
    image,
    '--for',
    'initramfs-tools',
  );
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(stdout.trimEnd().split('\n').sort()).toEqual(files(prefix));
  expect(files(prefix)).toEqual(
    [...SMELT.map((name) => `lib/smelt/${name}`), ...INITRAMFS_TOOLS, 'bin/smelt', 'etc/smelt/kdump.conf']
      .map((name) => join(prefix, name))
      .sort(),
  );
  expect(readFileSync(join(prefix, 'lib/smelt/smelt.img'))).toEqual(readFileSync(image));
  expect(readFileSync(join(prefix, 'bin/smelt'))).toEqual(readFileSync(join(project, 'image/smelt')));
  expect(statSync(join(prefix, INITRAMFS_TOOLS[2]!)).mode & 0o777).toBe(0o755);
  expect(statSync(join(prefix, 'lib/smelt/smelt.img')).mode & 0o111).toBe(0);
});

test('--for dracut installs the dracut module and no hook of initramfs-tools', () => {
  expect(install(`--prefix=${prefix}`, `--image=${image}`, '--for=dracut').status).toBe(0);
  expect(existsSync(join(prefix, DRACUT))).toBe(true);
  expect(existsSync(join(prefix, 'share'))).toBe(false);
});

test('uninstalling leaves nothing but directories of others, whatever was installed', () => {
  mkdirSync(join(prefix, 'empty'), { recursive: true });
  for (const tool of ['dracut', 'initramfs-tools'])
    expect(install('--prefix', prefix, '--image', image, '--for', tool).status).toBe(0);
  expect(install('--prefix', prefix, '--uninstall')).toMatchObject({ status: 0, stderr: '' });
  expect(files(prefix)).toEqual([]);
  expect(entries(prefix).filter((path) => path.slice(prefix.length).includes('smelt'))).toEqual([]);
  expect(entries(prefix)).toEqual(
    expect.arrayContaining(
      ['bin/', 'empty/', 'share/initramfs-tools/hooks/'].map((name) => join(prefix, name)),
    ),
  );
});

test('uninstalling leaves the files of others, and settings that somebody changed', () => {
  install('--prefix', prefix, '--image', image);
  const mine = join(prefix, 'lib/smelt/mine');
  const settings = join(prefix, 'etc/smelt/kdump.conf');
  writeFileSync(mine, '');
  appendFileSync(settings, 'OPTIONS=-c\n');
  expect(install('--prefix', prefix, '--uninstall').stdout).toContain(`kept ${settings}`);
  expect(files(prefix)).toEqual([settings, mine]);
});

test('settings and a smelt that are there already stay as they are', () => {
  mkdirSync(join(prefix, 'etc/smelt'), { recursive: true });
  mkdirSync(join(prefix, 'bin'));
  for (const file of ['etc/smelt/kdump.conf', 'bin/smelt']) writeFileSync(join(prefix, file), 'mine');
  expect(install('--prefix', prefix, '--image', image).stdout).not.toMatch(/kdump\.conf|bin\/smelt/);
  install('--prefix', prefix, '--uninstall');
  for (const file of ['etc/smelt/kdump.conf', 'bin/smelt'])
    expect(readFileSync(join(prefix, file), 'utf8')).toBe('mine');
});

test('DESTDIR stands for the root directory', () => {
  const root = join(dir, 'root');
  const installed = (...args: string[]) =>
    run(['env', `DESTDIR=${root}`, join(project, 'integration/install'), ...args]).status;
  expect(installed('--image', image)).toBe(0);
  expect(existsSync(join(root, 'usr/lib/smelt/smelt.img'))).toBe(true);
  expect(existsSync(join(root, 'etc/smelt/kdump.conf'))).toBe(true);
  expect(installed('--uninstall')).toBe(0);
  expect(files(root)).toEqual([]);
});

test.each<[string, string, () => readonly string[]]>([
  [
    'a place that cannot be written to',
    'cannot be written to',
    () => ['--prefix', join(image, 'prefix'), '--image', image],
  ],
  ['an image that is not there', 'is not there', () => ['--prefix', prefix, '--image', join(dir, 'none')]],
  [
    'an image that is none',
    'no squashfs image',
    () => ['--prefix', prefix, '--image', fileURLToPath(import.meta.url)],
  ],
  ['an unknown tool', 'is not known', () => ['--prefix', prefix, '--for', 'mkinitcpio']],
  ['an option without its value', 'needs a value', () => ['--prefix']],
  ['an unknown option', 'is no option', () => ['--prefx', prefix]],
])('%s is one sentence and leaves nothing', (_, sentence, args) => {
  const { status, stdout, stderr } = install(...args());
  expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
  expect(stderr).toMatch(new RegExp(`^install: .*${sentence}.*\n$`));
  expect(entries(prefix)).toEqual([]);
});

test('a hook that is missing from the checkout stops it before anything has its name', () => {
  const checkout = join(dir, 'checkout');
  mkdirSync(checkout);
  expect(spawnSync('cp', ['-r', join(project, 'integration'), join(project, 'image'), checkout]).status).toBe(
    0,
  );
  expect(run(['rm', join(checkout, 'integration/initramfs-tools/hook')]).status).toBe(0);
  const { status } = run([
    join(checkout, 'integration/install'),
    '--for',
    'initramfs-tools',
    '--prefix',
    prefix,
    '--image',
    image,
  ]);
  expect(status).toBe(1);
  expect(entries(prefix)).toEqual([]);
});
