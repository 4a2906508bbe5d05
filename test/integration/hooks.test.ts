/**
 * The hooks with the real mkinitramfs and the real dracut (`beside`): what is in the crash kernel's initramfs, and that smelt runs on
 * nothing but that.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { type ProgramResult, run, scratch, smelt } from '../program/smelt.ts';

const project = fileURLToPath(new URL('../..', import.meta.url));
const kernel = '6.1.0-56-cloud-amd64';
const dir = scratch();
/** The image unpacked: nobody can mount it in a user's namespaces. */
const mounted = join(dir, 'mounted');
/** Stands for /: what install:kdump and the machine's owner put there. */
const root = join(dir, 'root');
const image = join(dir, 'smelt.img');

const missing = ['apt-get', 'unshare', 'cpio', 'depmod', 'zstd', 'mksquashfs', 'unsquashfs'].filter(
  (tool) => spawnSync('sh', ['-c', `PATH=$PATH:/usr/sbin:/sbin; command -v ${tool}`]).status !== 0,
);
const overlays = () =>
  spawnSync('unshare', ['-rm', 'mount', '-t', 'overlay', 'x', '-o', 'lowerdir=/usr:/etc', '/usr']).status ===
  0;
const why =
  process.env.CI === undefined
    ? 'a kernel and 170 MB of packages are fetched for it; CI=true says that they may be'
    : missing.length > 0
      ? `there is no ${missing.join(', no ')}`
      : overlays()
        ? ''
        : 'overlays cannot be mounted here';
const skipped = why === '' ? '' : ` (skipped: ${why})`;

const beside = (script: string): ProgramResult =>
  run([join(project, 'test/integration/beside'), root, 'sh', '-euc', script]);
function must({ status, stdout, stderr }: ProgramResult): string {
  if (status !== 0) throw new Error(`exit code ${status}: ${stdout}${stderr}`);
  return stderr;
}
const hashOf = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex');
const settings = (...lines: readonly string[]): void =>
  writeFileSync(join(root, 'etc/smelt/kdump.conf'), lines.map((line) => `${line}\n`).join(''));

/** Runs `smelt --version` on what is in an unpacked initramfs; the image is unpacked to where the launcher mounts it. */
const versionIn = (unpacked: string, command: string): ProgramResult =>
  beside(`unsquashfs -q -n -d ${unpacked}/run/smelt ${image} && ${enter(unpacked)} ${command} --version`);
/** The shell's words for a command in there. */
const enter = (unpacked: string): string =>
  `cd ${unpacked} && mkdir -p dev proc && mount --rbind /dev dev && mount --rbind /proc proc && env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot .`;
const smeltsIn = (unpacked: string): string =>
  run(['sh', '-c', `cd ${unpacked} && find . -path '*smelt*' -not -path './parts/*'`]).stdout;

describe.skipIf(skipped !== '')(`hooks${skipped}`, () => {
  beforeAll(() => {
    must(run(['env', 'SMELT_IMAGE_LEVEL=1', join(project, 'image/build'), image]));
    must(run(['unsquashfs', '-q', '-n', '-d', mounted, image]));
    for (const tool of ['dracut', 'initramfs-tools'])
      must(
        run([
          'env',
          `DESTDIR=${root}`,
          join(project, 'integration/install'),
          '--image',
          image,
          '--for',
          tool,
        ]),
      );
    // The first time it fetches packages.
    must(beside('true'));
  }, 400_000);

  describe('initramfs-tools', () => {
    const confdir = join(dir, 'conf');
    const packed = join(dir, 'initrd');
    const unpacked = join(dir, 'initramfs-tools');
    const inIt = (path: string): string => join(unpacked, path);
    /** As kdump-tools makes its initramfs; what mkinitramfs says. */
    function make(marks = 'KDUMP=y\n', unpack = true): string {
      for (const path of [confdir, packed, unpacked]) rmSync(path, { recursive: true, force: true });
      mkdirSync(confdir);
      mkdirSync(unpacked);
      const conf = join(confdir, 'initramfs.conf');
      return must(
        beside(`cp -r /etc/initramfs-tools/. ${confdir}
          printf 'MODULES=list\nBUSYBOX=auto\nCOMPRESS=gzip\n' > ${conf}
          printf '${marks}' >> ${conf}
          SMELT_MOUNT=${mounted} mkinitramfs -d ${confdir} -o ${packed} ${kernel}
          [ ${unpack} = true ] || exit 0
          unmkinitramfs ${packed} ${unpacked}/parts
          for part in ${unpacked}/parts/* ${unpacked}/parts; do [ ! -d $part/usr ] || cp -a $part/. ${unpacked}; done`),
      );
    }

    test('kdump-tools’ initramfs has all that a dump to LUKS needs, and settings as they were given', () => {
      mkdirSync(join(root, 'etc/keys'), { recursive: true });
      writeFileSync(join(root, 'etc/keys/dump'), 'secret', { mode: 0o600 });
      const uuid = 'UUID=7f7a6f1e-0000-4000-8000-000000000001';
      settings(`LUKS=${uuid}`, 'KEY_FILE=/etc/keys/dump', `OPTIONS="-l -d 31 --x='y z'"`, 'AFTER=poweroff');
      expect(make()).toContain(`W: smelt: the LUKS device ${uuid} is not there now`);
      expect(hashOf(inIt('usr/lib/smelt/smelt.img'))).toBe(hashOf(image));
      for (const name of [
        'lib/smelt/fallback',
        'lib/smelt/save',
        'lib/smelt/makedumpfile',
        'bin/smelt',
        'sbin/cryptsetup',
        'sbin/dmsetup',
      ])
        expect(statSync(inIt(`usr/${name}`)).mode & 0o111, name).not.toBe(0);
      const modules = run(['find', inIt('usr/lib/modules'), '-name', '*.ko*']).stdout;
      for (const name of ['loop', 'squashfs', 'dm-crypt', 'algif_skcipher'])
        expect(modules).toContain(`/${name}.ko`);
      expect(readFileSync(inIt('etc/smelt/key'), 'utf8')).toBe('secret');
      const read = `. ${inIt('etc/smelt/kdump.conf')}; echo "$LUKS|$KEY_FILE|$TARGET|$DIRECTORY|$OPTIONS|$AFTER|$THEN"`;
      expect(run(['sh', '-c', read]).stdout).toBe(
        `${uuid}|/etc/smelt/key||/var/crash|-l -d 31 --x='y z'|none|poweroff\n`,
      );
    });

    test('nobody but root reads an initramfs that may hold a key', () => {
      expect(statSync(packed).mode & 0o777).toBe(0o600);
    });

    test('the image lies in a part of its own that is not compressed', () => {
      const bytes = readFileSync(packed);
      expect(bytes.subarray(0, 6).toString()).toBe('070701');
      expect(bytes.includes(readFileSync(image))).toBe(true);
    });

    test('smelt runs on what is in the initramfs', () => {
      expect(versionIn(unpacked, 'smelt')).toMatchObject({ status: 0, stderr: '' });
    });

    test('each program that is linked finds its libraries in it', () => {
      const { status, stdout } =
        beside(`${enter(unpacked)} sh -c 'for program in cryptsetup keyctl mount umount blkid findfs; do
          $program --version || echo WITHOUT $program; done
          dmsetup --help && /usr/lib/smelt/makedumpfile -v'`);
      expect(status).toBe(0);
      expect(stdout).toMatch(/cryptsetup 2\..*keyctl from.*mount from util-linux.*makedumpfile: version/s);
      expect(stdout).not.toContain('WITHOUT');
    });

    test('without settings the dump goes where kdump-tools puts its own', () => {
      settings();
      mkdirSync(join(root, 'etc/default'), { recursive: true });
      writeFileSync(join(root, 'etc/default/kdump-tools'), `KDUMP_COREDIR=${dir}/dumps\n`);
      const said = make();
      if (said.includes('is on no block device')) {
        expect(existsSync(inIt('etc/smelt/kdump.conf'))).toBe(false);
        return;
      }
      const read = `. ${inIt('etc/smelt/kdump.conf')}; echo "$LUKS|$TARGET|$DIRECTORY"`;
      expect(run(['sh', '-c', read]).stdout).toMatch(/^\|(UUID=|\/dev\/).+\|.*\/dumps\n$/);
    });

    test('where kdump-tools dumps to another machine, nothing is taken out of its hands', () => {
      appendFileSync(join(root, 'etc/default/kdump-tools'), 'SSH=root@elsewhere\n');
      expect(make()).toContain('kdump-tools dumps to another machine');
      expect(existsSync(inIt('etc/smelt'))).toBe(false);
    });

    test.each([
      ['LUKS without a key file', ['LUKS=UUID=1'], 'hands no key over'],
      ['a key file that is not there', ['LUKS=UUID=1', 'KEY_FILE=/none'], 'the key file /none is not there'],
      ['a device that is not there', ['TARGET=/dev/none'], 'the device /dev/none is not there now'],
      ['settings that are no shell', ['TARGET="'], 'is no shell'],
      [
        'a dump level that is none',
        ['OPTIONS="-l -d 32"'],
        'OPTIONS=-l -d 32 in .* a dump level is a number',
      ],
      ['an option that is none', ['OPTIONS=--dedupe'], 'OPTIONS=--dedupe in .* Did you mean --dedup'],
    ])('%s is said when the initramfs is made', (_, lines, sentence) => {
      settings(...lines);
      expect(make('KDUMP=y\n', false)).toMatch(new RegExp(`W: smelt: .*${sentence}`));
    });

    test('FROM_INITRAMFS=no and the machine’s other initramfs leave all out but the script, which does nothing there', () => {
      settings('TARGET=/dev/none');
      for (const [marks, lines] of [
        ['', ['TARGET=/dev/none']],
        ['KDUMP=y\n', ['FROM_INITRAMFS=no']],
      ] as const) {
        settings(...lines);
        expect(make(marks)).not.toContain('smelt');
        expect(smeltsIn(unpacked)).toBe('./scripts/init-premount/smelt\n');
      }
      expect(run(['sh', inIt('scripts/init-premount/smelt')])).toMatchObject({
        status: 0,
        stdout: '',
        stderr: '',
      });
    });
  });

  describe('dracut', () => {
    const packed = join(dir, 'dracut.img');
    const unpacked = join(dir, 'dracut');
    const inIt = (path: string): string => join(unpacked, path);
    /** What dracut says. */
    function make(modules: string): string {
      for (const path of [packed, unpacked]) rmSync(path, { recursive: true, force: true });
      mkdirSync(unpacked);
      return must(
        beside(`mkdir -p ${dir}/none; touch ${dir}/none/none
          SMELT_MOUNT=${mounted} dracut -q -f --no-hostonly --conf ${dir}/none/none --confdir ${dir}/none --tmpdir ${dir} --gzip -m '${modules}' ${packed} ${kernel}
          cd ${unpacked}
          zcat ${packed} 2> /dev/null | cpio -idm --quiet || cpio -idm --quiet < ${packed} 2> /dev/null || true
          [ ! -e squash-root.img ] || { unsquashfs -q -n -d ${dir}/squashed squash-root.img && rm -r ${unpacked} && mv ${dir}/squashed ${unpacked}; }`),
      );
    }

    test.each(['base smelt', 'base smelt squash'])(
      'an initramfs of %s runs smelt by that name, with the image as it was',
      (modules) => {
        settings();
        make(modules);
        expect(hashOf(inIt('usr/lib/smelt/smelt.img'))).toBe(hashOf(image));
        const modulesIn = run(['find', inIt('usr/lib/modules'), '-name', '*.ko*']).stdout;
        for (const name of ['loop', 'squashfs']) expect(modulesIn).toContain(`/${name}.ko`);
        expect(existsSync(inIt('usr/lib/smelt/makedumpfile'))).toBe(false);
        expect(versionIn(unpacked, 'smelt')).toMatchObject({ status: 0, stderr: '' });
      },
    );

    test('AS_MAKEDUMPFILE=yes puts smelt there as makedumpfile, and the real one beside it', () => {
      settings('AS_MAKEDUMPFILE=yes');
      make('base smelt');
      expect(readFileSync(inIt('usr/sbin/makedumpfile'))).toEqual(
        readFileSync(join(project, 'integration/makedumpfile')),
      );
      expect(beside(`${enter(unpacked)} /usr/lib/smelt/makedumpfile -v`).stdout).toContain(
        'makedumpfile: version',
      );
      expect(versionIn(unpacked, 'makedumpfile')).toMatchObject({ status: 0, stderr: '' });
    });

    test.each([
      ['smelt -z -d 32', /core_collector in .*kdump\.conf makes no dump: .* a dump level is a number/s],
      ['smelt -z --message-level 6 -d 31', undefined],
      ['makedumpfile -q', undefined],
    ])('core_collector %s is looked at', (collector, said) => {
      settings();
      writeFileSync(
        join(root, 'etc/kdump.conf'),
        `path /var/crash\ncore_collector ${collector} # as it is\n`,
      );
      const all = make('base smelt');
      rmSync(join(root, 'etc/kdump.conf'));
      if (said === undefined) expect(all).not.toContain('makes no dump');
      else expect(all).toMatch(said);
    });

    test('an initramfs that is not kdump’s has no smelt', () => {
      make('base');
      expect(smeltsIn(unpacked)).toBe('');
    });
  });

  describe('makedumpfile by PATH, as kdump-tools calls it', () => {
    const sample = join(project, 'samples/x86_64-6.1-small.kdump');
    const out = join(dir, 'out');
    /** What it leaves on stdout. */
    function stream(makedumpfile: string): Buffer {
      must(
        beside(`export PATH=/usr/lib/smelt/as-makedumpfile:/usr/sbin:/usr/bin:/sbin:/bin
          export SMELT_MOUNT=${mounted} SMELT_VMCORE=${sample}
          ${makedumpfile} > ${out}`),
      );
      return readFileSync(out);
    }
    test('a stream (-F) is flattened, whole, and has the pages that smelt writes to a file', () => {
      const dump = stream(`makedumpfile -F -c -d 31 --num-threads 0 ${sample}`);
      expect(dump.subarray(0, 12).toString()).toBe('makedumpfile');
      expect(dump.subarray(-16)).toEqual(Buffer.alloc(16, 0xff));
      const [whole, arranged] = [join(dir, 'whole'), join(dir, 'arranged')];
      must(smelt('-c', '-d', '31', '--num-threads', '0', sample, whole));
      must(beside(`makedumpfile -R ${arranged} < ${out}`));
      expect(readFileSync(arranged).equals(readFileSync(whole))).toBe(true);
    });

    test('what is no stream goes to smelt as it is', () => {
      expect(stream('makedumpfile --version').toString()).toMatch(
        /^makedumpfile: version 1\.7\.9 .*\n\nThis is smelt /s,
      );
    });
  });
});
