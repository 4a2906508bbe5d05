/** `npm run image`: what is in the file, and that the program in it runs on nothing but itself. `test/image/boot` mounts it for real. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { noNative } from '../native-parts.ts';
import { parseKdump } from '../program/parse-kdump.ts';
import { type ProgramResult, reportOf, run, scratch, smelt } from '../program/smelt.ts';

const project = fileURLToPath(new URL('../..', import.meta.url));
const sample = join(project, 'samples/x86_64-6.1-small.kdump');

const missing = ['mksquashfs', 'unsquashfs'].filter(
  (tool) => spawnSync(tool, ['-version']).error !== undefined,
);
const skipped = missing.length === 0 ? '' : ` (skipped: there is no ${missing.join(', no ')})`;

const dir = scratch();
const image = join(dir, 'smelt.img');
const root = join(dir, 'root');
let table = '';

/** The best compression takes half a minute; the parts are the same at the quickest. */
function build(output: string): ProgramResult {
  return run(['env', 'SMELT_IMAGE_LEVEL=1', join(project, 'image/build'), output]);
}

const fallback = join(dir, 'fallback');

/** The launcher, with nothing in its environment but where the image's root is; there is a fallback once a test has made one. */
function launch(at: string, ...args: string[]): ProgramResult {
  return launchAs(join(project, 'image/smelt'), at, ...args);
}

/** The same by another path. */
function launchAs(launcher: string, at: string, ...args: string[]): ProgramResult {
  const env = [
    'PATH=/usr/bin:/bin',
    `SMELT_MOUNT=${at}`,
    `SMELT_IMAGE=${join(dir, 'no-image')}`,
    `SMELT_FALLBACK=${fallback}`,
  ];
  return run(['env', '-i', ...env, '/bin/sh', launcher, ...args]);
}

const filesOf = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8', withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();

const hashOf = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex');

describe.skipIf(skipped !== '')(`the image${skipped}`, () => {
  beforeAll(() => {
    const built = build(image);
    expect(built).toMatchObject({ status: 0, stderr: '' });
    table = built.stdout;
    expect(run(['unsquashfs', '-q', '-n', '-d', root, image]).status).toBe(0);
  });

  test('is made of the same bytes each time', () => {
    const again = join(dir, 'again/smelt.img');
    expect(build(again).status).toBe(0);
    expect(hashOf(again)).toBe(hashOf(image));
    rmSync(again);
  });

  test('lists its parts, which add up', () => {
    const rows = table
      .trimEnd()
      .split('\n')
      .map((line) => /^(.*\S) +(\d+)$/.exec(line)!)
      .map(([, name, bytes]) => ({ name, bytes: Number(bytes) }));
    const [unpacked, packed] = rows.splice(-2);
    expect(unpacked!.name).toBe('unpacked');
    expect(rows.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(unpacked!.bytes);
    expect(filesOf(root).reduce((sum, file) => sum + statSync(join(root, file)).size, 0)).toBe(
      unpacked!.bytes,
    );
    expect(packed).toEqual({ name: image, bytes: statSync(image).size });
    expect(rows.map(({ name }) => name!.split(/[ ,]/)[0])).toEqual(
      expect.arrayContaining(['node', 'loader', 'smelt', 'piscina', 'snappyjs', 'zstd-codec']),
    );
  });

  test('holds what is run, without sources, docs and tests', () => {
    const files = filesOf(root);
    expect(
      files.filter((file) =>
        /\.(md|map|txt|[cm]?ts|cc|hh?|inc)$|(^|\/)(tests?|docs?|bench\w*)\//i.test(file),
      ),
    ).toEqual(files.filter((file) => ['dist/LICENCES.txt', 'node_modules/koffi/LICENSE.txt'].includes(file)));
    expect(files.filter((file) => file.endsWith('.node')).length).toBe(noNative === undefined ? 1 : 0);
    expect(files).toEqual(
      expect.arrayContaining(['bin/node', 'bin/start.cjs', 'lib/ld.so', 'lib/libc.so.6']),
    );
  });

  test('knows the name that its launcher was called by', () => {
    const place = join(dir, 'place');
    mkdirSync(join(place, 'integration'), { recursive: true });
    cpSync(join(project, 'integration/makedumpfile'), join(place, 'integration/makedumpfile'));
    for (const link of ['smelt', 'makedumpfile'])
      symlinkSync(join(project, 'image/smelt'), join(place, link));
    for (const path of ['makedumpfile', 'integration/makedumpfile'])
      expect(launchAs(join(place, path), root, '-v').stdout).toMatch(/^makedumpfile: version [0-9.]+ /);
    expect(launchAs(join(place, 'smelt'), root, '-v').stdout).toMatch(/^smelt [0-9.]+\n$/);
  });

  test('names no path and no owner of this machine', () => {
    const places = [project.replace(/\/$/, ''), dir];
    const naming = filesOf(root).filter((file) => {
      const bytes = readFileSync(join(root, file));
      return places.some((place) => bytes.includes(place));
    });
    expect(naming).toEqual([]);
    const listed = run(['unsquashfs', '-lln', image])
      .stdout.split('\n')
      .filter((line) => /^[d-]/.test(line));
    expect(new Set(listed.map((line) => line.split(/\s+/)[1]))).toEqual(new Set(['0/0']));
    expect(listed.filter((line) => !line.includes(' 1970-01-01 '))).toEqual([]);
  });

  describe.each(['native', 'portable'])('by the %s maker', (maker) => {
    test.skipIf(maker === 'native' && noNative !== undefined).each([0, 2])(
      'its program writes with %i threads the dump that bin/smelt writes',
      (threads) => {
        const options = ['-z', '-d', '31', '--num-threads', `${threads}`, '--codec-maker', maker];
        const [packed, direct] = ['packed', 'direct'].map((name) => join(dir, `${name}-${maker}-${threads}`));
        const result = launch(root, '--json', '--quiet', ...options, sample, packed!);
        expect(result).toMatchObject({ status: 0, stderr: '' });
        const report = reportOf(result);
        expect(report.threads).toBe(Math.max(1, threads));
        expect(report.output.codecMaker).toContain(`(${maker})`);
        expect(smelt('--quiet', ...options, sample, direct!).status).toBe(0);
        // Threads finish windows in any order; the pages are the same.
        if (threads === 0) return expect(hashOf(packed!)).toBe(hashOf(direct!));
        const [a, b] = [parseKdump(packed!), parseKdump(direct!)];
        expect(a.bitmap2.equals(b.bitmap2)).toBe(true);
        expect(a.descriptors.size).toBeGreaterThan(10_000);
        for (const pfn of b.descriptors.keys()) {
          if (!a.page(pfn)!.equals(b.page(pfn)!)) throw new Error(`page ${pfn} differs`);
        }
      },
    );
  });

  test('passes exit codes and signals on as smelt has them', () => {
    const failed = launch(root, join(dir, 'nowhere'), join(dir, 'out'));
    expect(failed.status).toBe(1);
    expect(failed.stderr).toContain('nowhere');
    expect(launch(root, 'bench', sample)).toMatchObject({
      status: 1,
      stderr: 'smelt: bench is not part of the image\n       It runs where smelt is installed by npm.\n',
    });
    const output = join(dir, 'stopped');
    const launcher = `SMELT_MOUNT=${root} /bin/sh ${project}/image/smelt --quiet -z --compression-level 19`;
    const shell = `${launcher} ${sample} ${output} & sleep 1; kill -TERM $!; wait $!`;
    const stopped = run(['/bin/sh', '-c', shell]);
    expect(stopped.status).toBe(1);
    expect(stopped.stderr).toContain('interrupted by SIGTERM');
    expect(existsSync(output)).toBe(false);
  });

  describe('with a fallback', () => {
    beforeAll(() => writeFileSync(fallback, 'echo "instead: $*"\n'));
    afterAll(() => rmSync(fallback));
    const output = join(dir, 'instead');

    test.each([
      ['an option that smelt does not know', ['--frobnicate', sample, output], 'frobnicate'],
      ['an input that cannot be opened', [join(dir, 'nowhere'), output], 'nowhere'],
      ['no dump', [join(project, 'package.json'), output], 'is not a dump'],
    ])('others try what smelt failed in: %s', (_what, args, sentence) => {
      const result = launch(root, '--quiet', ...args);
      expect(result).toMatchObject({ status: 0, stdout: `instead: --quiet ${args.join(' ')}\n` });
      expect(result.stderr).toContain(sentence);
      expect(result.stderr).not.toContain('node did not start');
    });

    test('others try when a file of the program that is loaded late is damaged', () => {
      const at = damaged('dist/dump-command.cjs', 100);
      const result = launch(at, sample, output);
      expect(result).toMatchObject({ status: 0, stdout: `instead: ${sample} ${output}\n` });
      expect(result.stderr).toContain('smelt: a mistake in smelt itself');
    });

    test.each([
      ['whose output exists', [sample, sample]],
      ['whose target is not encrypted', ['--require-encrypted-target', sample, '/dev/shm/instead']],
      ['that no directory is there for', [sample, join(dir, 'no/where')]],
    ])('nobody else tries a dump %s', (_what, args) => {
      expect(launch(root, '--quiet', ...args)).toMatchObject({ status: 1, stdout: '' });
    });

    test('what the fallback has no answer to fails as it did', () => {
      writeFileSync(fallback, 'exit 127\n');
      expect(launch(root, '--frobnicate', sample, output).status).toBe(1);
      expect(launch(join(dir, 'not-mounted'), sample, output).status).toBe(127);
    });
  });

  test('finds each library in the image', () => {
    const lib = join(root, 'lib');
    const programs = filesOf(root).filter((file) => /^bin\/node$|\.node$|^lib\/(?!ld\.so)/.test(file));
    for (const program of programs) {
      const said = run([join(lib, 'ld.so'), '--library-path', lib, '--list', join(root, program)]);
      expect(said.status, program).toBe(0);
      const from = said.stdout.match(/(?<==> )\S+/g) ?? [];
      expect(from.filter((path) => !path.startsWith(lib) && !path.includes('/ld-linux'))).toEqual([]);
    }
    expect(programs.length).toBeGreaterThan(5);
  });

  test.each([
    ['there is no image', () => join(dir, 'not-mounted'), /no-image is not there\n$/],
    [
      'node is cut off',
      () => damaged('bin/node', 3_000_000),
      /node did not start or was ended \(exit code 13\d\)/,
    ],
    ['the loader is gone', () => damaged('lib/ld.so'), /node did not start or was ended \(exit code 127\)/],
    [
      'the program is damaged',
      () => damaged('dist/levels.cjs', 100),
      /node did not start or was ended \(exit code 127\)/,
    ],
  ])('exits with 127 and says why when %s', (_what, at, sentence) => {
    const result = launch(at(), '--version');
    expect(result).toMatchObject({ status: 127, stdout: '' });
    expect(result.stderr).toMatch(sentence);
    expect(result.stderr.match(/^smelt: /gm)).toHaveLength(1);
  });

  /** A copy of the image's root in which a file is shortened, or gone. */
  function damaged(file: string, bytes?: number): string {
    const copy = join(dir, 'damaged');
    rmSync(copy, { recursive: true, force: true });
    expect(run(['cp', '-r', root, copy]).status).toBe(0);
    if (bytes === undefined) rmSync(join(copy, file));
    else truncateSync(join(copy, file), bytes);
    return copy;
  }
});

test('a place that cannot be a file is refused in one sentence', () => {
  expect(run([join(project, 'image/build'), dir])).toMatchObject({
    status: 1,
    stdout: '',
    stderr: `image/build: ${dir} is a directory, not a file to write\n`,
  });
});
