import { execFileSync } from 'node:child_process';
import {
  linkSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { buildVmcore } from '../build/vmcore.ts';
import { parseKdump } from './parse-kdump.ts';
import { checkFailure, namesIn, run, scratch, smelt, smeltAfter } from './smelt.ts';

const dir = scratch();
const input = join(dir, 'core');
const out = join(dir, 'out');
const path = join(out, 'dump');

beforeAll(() => void buildVmcore({ path: input }));
beforeEach(() => {
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out);
});

const dump = (...options: string[]) => smelt('-d', '31', '--num-threads', '0', ...options, input, path);

describe('DUMPFILE', () => {
  test('that exists is left alone without -f, and replaced with it', () => {
    writeFileSync(path, 'precious');
    expect(checkFailure(dump())).toBe(`smelt: ${path}: already exists -f overwrites it.`);
    expect(readFileSync(path, 'utf8')).toBe('precious');
    expect(namesIn(out)).toEqual(['dump']);
    expect(dump('-f').status).toBe(0);
    expect(parseKdump(path).signature).toBe('KDUMP   ');
    expect(namesIn(out)).toEqual(['dump']);
  });

  test('is never written through a symbolic link, with -f or without', () => {
    for (const [from, to] of [
      ['dump', 'real'],
      ['dump', 'dangling'],
      ['dump.incomplete', 'real'],
      ['dump.incomplete', 'dangling'],
    ]) {
      writeFileSync(join(out, 'real'), 'precious');
      symlinkSync(to, join(out, from));
      checkFailure(dump());
      if (from === 'dump') checkFailure(dump('-f'));
      expect(readlinkSync(join(out, from))).toBe(to);
      expect(readFileSync(join(out, 'real'), 'utf8')).toBe('precious');
      expect(namesIn(out)).toEqual([from, 'real']);
      rmSync(join(out, from));
    }
  });

  test('is a regular file or nothing', () => {
    mkdirSync(path);
    expect(checkFailure(dump('-f'))).toContain('is a directory');
    rmSync(path, { recursive: true });
    execFileSync('mkfifo', [path]);
    expect(checkFailure(dump('-f'))).toContain('is not a regular file');
    expect(namesIn(out)).toEqual(['dump']);
    for (const device of ['/dev/null', '/dev/stdout', '/proc/self/fd/1'])
      checkFailure(smelt('-f', '-d', '31', input, device));
  });

  test.each(['000', '022'])('is for its owner alone at umask %s', (umask) => {
    const args = ['-d', '31', '--num-threads', '2', input, path];
    expect(smeltAfter(`umask ${umask}`, ...args).status).toBe(0);
    expect(statSync(path).mode & 0o7777).toBe(0o600);
  });

  test('is not the input, by any name', () => {
    const own = join(out, 'core');
    linkSync(input, own);
    linkSync(input, join(out, 'hard'));
    symlinkSync('core', join(out, 'soft'));
    const before = statSync(input);
    for (const name of ['core', 'hard', 'soft', './core', '../out/core']) {
      const said = checkFailure(
        smelt('-f', '-d', '31', own, join(out, name).replace('/core', `/${name === 'core' ? '' : './'}core`)),
      );
      expect(said).toMatch(/is the input itself/);
      expect(checkFailure(smelt('-f', '-d', '31', join(out, name), own))).toMatch(/is the input itself/);
    }
    expect(checkFailure(smelt('-f', '-d', '31', own, join(out, 'hard')))).toMatch(
      /hard: is the input itself/,
    );
    expect(statSync(input)).toMatchObject({ size: before.size, mtimeMs: before.mtimeMs });
  });

  test('is not the input when that is being written under the temporary name', () => {
    const incomplete = `${path}.incomplete`;
    linkSync(input, incomplete);
    const before = statSync(input).size;
    for (const force of [[], ['-f']]) {
      expect(checkFailure(smelt(...force, '-d', '31', incomplete, path))).toContain('is the input itself');
      expect(statSync(incomplete).size).toBe(before);
    }
  });

  test('needs a folder that is there', () => {
    const said = checkFailure(smelt('-d', '31', input, join(out, 'no', 'dump')));
    expect(said).toContain('no such file');
    expect(said).toContain(`The directory ${join(out, 'no')} must exist.`);
    writeFileSync(join(out, 'file'), '');
    expect(checkFailure(smelt('-d', '31', input, join(out, 'file', 'dump')))).toContain('not a directory');
    expect(namesIn(out)).toEqual(['file']);
  });

  test('in a folder that cannot be written to is refused', (context) => {
    // Root may write where others may not: a file system that is read-only stops it too.
    const script = `mount -t tmpfs -o size=1m none ${out} && mount -o remount,ro ${out} && exec ${process.execPath} bin/smelt -d 31 ${input} ${path}`;
    const result = run(['unshare', '-rm', 'bash', '-c', script]);
    if (/unshare|mount/.test(result.stderr)) context.skip(`no mount here: ${result.stderr}`);
    expect(checkFailure(result)).toContain('the file system is read-only (EROFS)');
  });
});

test('a part that another run left is told of, and -f removes it', () => {
  writeFileSync(`${path}.incomplete`, 'part');
  expect(checkFailure(dump())).toContain(
    'dump.incomplete: already exists: another run is writing it, or one could not finish',
  );
  expect(readFileSync(`${path}.incomplete`, 'utf8')).toBe('part');
  expect(dump('-f').status).toBe(0);
  expect(namesIn(out)).toEqual(['dump']);
});
