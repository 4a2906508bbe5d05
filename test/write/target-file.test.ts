import { execFileSync } from 'node:child_process';
import {
  existsSync,
  fstatSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { incompleteName, isSameFile, openTarget, writeFully } from '../../src/write/target-file.ts';
import { needsNative, noNative } from '../native-parts.ts';

let dir: string;
let path: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'smelt-target-'));
  path = join(dir, 'dump');
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const write = (target: ReturnType<typeof openTarget>, text = 'whole'): void =>
  writeFully(path, target.fd, Buffer.from(text), 0);
const refused = (overwrite = false): unknown => {
  try {
    openTarget(path, overwrite);
  } catch (error) {
    return error;
  }
  throw new Error('the target was opened');
};

describe('a target file', () => {
  test('has its name only when it is sealed', () => {
    const target = openTarget(path, false);
    write(target);
    expect(readdirSync(dir)).toEqual(['dump.incomplete']);
    target.seal();
    expect(readdirSync(dir)).toEqual(['dump']);
    expect(readFileSync(path, 'utf8')).toBe('whole');
  });

  test('is closed when it is sealed', () => {
    const target = openTarget(path, false);
    target.seal();
    expect(() => fstatSync(target.fd)).toThrow('EBADF');
  });

  test('stays under the temporary name when it cannot be finished', () => {
    const target = openTarget(path, false);
    write(target, 'part');
    expect(target.leaveIncomplete()).toBe(incompleteName(path));
    expect(readdirSync(dir)).toEqual(['dump.incomplete']);
    expect(readFileSync(`${path}.incomplete`, 'utf8')).toBe('part');
    expect(() => fstatSync(target.fd)).toThrow('EBADF');
  });

  test('is gone when it is discarded, and the one it would have replaced is not', () => {
    writeFileSync(path, 'old');
    const target = openTarget(path, true);
    write(target);
    target.discard();
    expect(readdirSync(dir)).toEqual(['dump']);
    expect(readFileSync(path, 'utf8')).toBe('old');
  });

  test.each([0o000, 0o022, 0o077])('is for its owner alone at umask %o', (umask) => {
    const before = process.umask(umask);
    try {
      const target = openTarget(path, false);
      expect(fstatSync(target.fd).mode & 0o7777).toBe(0o600);
      target.seal();
      expect(statSync(path).mode & 0o7777).toBe(0o600);
    } finally {
      process.umask(before);
    }
  });

  test('that replaces a file does not take over its mode, and leaves other links to it alone', () => {
    writeFileSync(path, 'old', { mode: 0o644 });
    linkSync(path, join(dir, 'other'));
    const target = openTarget(path, true);
    write(target);
    expect(readFileSync(path, 'utf8')).toBe('old');
    target.seal();
    expect(readFileSync(path, 'utf8')).toBe('whole');
    expect(statSync(path).mode & 0o7777).toBe(0o600);
    expect(readFileSync(join(dir, 'other'), 'utf8')).toBe('old');
  });

  test.skipIf(noNative !== undefined)(`takes room for bytes that are written later${needsNative}`, () => {
    const target = openTarget(path, false);
    target.reserve(4096, 1_000_000);
    expect(fstatSync(target.fd).blocks * 512).toBeGreaterThanOrEqual(1_000_000);
    target.discard();
  });
});

describe('a target is refused', () => {
  test('when the file exists, and with the overwrite option it is not', () => {
    writeFileSync(path, 'old');
    expect(refused()).toMatchObject({
      code: 'TARGET',
      message: `${path}: already exists`,
      hint: '-f overwrites it.',
    });
    expect(readFileSync(path, 'utf8')).toBe('old');
    expect(readdirSync(dir)).toEqual(['dump']);
    openTarget(path, true).discard();
  });

  test.each([false, true])(
    'when it is a symbolic link, also one that leads nowhere (overwrite: %s)',
    (overwrite) => {
      for (const to of ['somewhere', 'nowhere']) {
        writeFileSync(join(dir, 'somewhere'), 'precious');
        symlinkSync(to, path);
        expect(refused(overwrite)).toMatchObject({
          code: 'TARGET',
          message: expect.stringContaining('symbolic link'),
        });
        expect(readlinkSync(path)).toBe(to);
        expect(readFileSync(join(dir, 'somewhere'), 'utf8')).toBe('precious');
        expect(readdirSync(dir).sort()).toEqual(['dump', 'somewhere']);
        rmSync(path);
      }
    },
  );

  test('when a symbolic link waits under the temporary name; overwriting removes the link, not what it leads to', () => {
    for (const to of ['somewhere', 'nowhere']) {
      writeFileSync(join(dir, 'somewhere'), 'precious');
      symlinkSync(to, `${path}.incomplete`);
      expect(refused()).toMatchObject({
        code: 'TARGET',
        message: expect.stringContaining('dump.incomplete: already'),
      });
      const target = openTarget(path, true);
      write(target);
      expect(lstatSync(`${path}.incomplete`).isFile()).toBe(true);
      target.seal();
      expect(readFileSync(path, 'utf8')).toBe('whole');
      expect(readFileSync(join(dir, 'somewhere'), 'utf8')).toBe('precious');
      expect(existsSync(join(dir, 'nowhere'))).toBe(false);
      rmSync(path);
    }
  });

  test('when another run has left a part, or is at work', () => {
    const first = openTarget(path, false);
    expect(refused()).toMatchObject({
      code: 'TARGET',
      message: `${path}.incomplete: already exists: another run is writing it, or one could not finish`,
    });
    first.seal();
  });

  test.each([false, true])('when it is no regular file (overwrite: %s)', (overwrite) => {
    mkdirSync(path);
    expect(refused(overwrite)).toMatchObject({ code: 'TARGET', message: `${path}: is a directory` });
    rmSync(path, { recursive: true });
    execFileSync('mkfifo', [path]);
    expect(refused(overwrite)).toMatchObject({ code: 'TARGET', message: `${path}: is not a regular file` });
    expect(() => openTarget('/dev/null', overwrite)).toThrow('/dev/null: is not a regular file');
    expect(existsSync('/dev/null.incomplete')).toBe(false);
  });

  test('when its folder is missing, is a file, or has a directory under the temporary name', () => {
    expect(() => openTarget(join(dir, 'no', 'dump'), false)).toThrow(
      'no/dump: cannot be created: no such file (ENOENT)',
    );
    writeFileSync(join(dir, 'file'), '');
    expect(() => openTarget(join(dir, 'file', 'dump'), false)).toThrow(
      expect.objectContaining({
        code: 'TARGET',
        message: expect.stringContaining('cannot be created: a part of the'),
      }),
    );
    expect(() => openTarget(join(dir, 'n'.repeat(250)), false)).toThrow(
      expect.objectContaining({ code: 'TARGET' }),
    );
    mkdirSync(`${path}.incomplete`);
    for (const overwrite of [false, true]) expect(refused(overwrite)).toMatchObject({ code: 'TARGET' });
  });
});

describe('a name that somebody else takes while the dump grows', () => {
  test('is left to them, and the dump stays whole under the temporary one', () => {
    const target = openTarget(path, false);
    write(target);
    writeFileSync(path, 'theirs');
    expect(() => target.seal()).toThrow(
      expect.objectContaining({
        code: 'TARGET',
        message: `${path}: was made by somebody else meanwhile`,
        hint: `The dump is whole and named ${path}.incomplete: rename it.`,
      }),
    );
    expect(readFileSync(path, 'utf8')).toBe('theirs');
    expect(readFileSync(`${path}.incomplete`, 'utf8')).toBe('whole');
  });

  test.each([false, true])(
    'by a symbolic link or a directory is not written through (overwrite: %s)',
    (overwrite) => {
      for (const take of [() => symlinkSync('nowhere', path), () => mkdirSync(path)]) {
        const target = openTarget(path, overwrite);
        write(target);
        take();
        expect(() => target.seal()).toThrow(expect.objectContaining({ code: 'TARGET' }));
        expect(existsSync(join(dir, 'nowhere'))).toBe(false);
        expect(readFileSync(`${path}.incomplete`, 'utf8')).toBe('whole');
        rmSync(path, { recursive: true });
        rmSync(`${path}.incomplete`);
      }
    },
  );

  test('is overwritten when that was asked for', () => {
    const target = openTarget(path, true);
    write(target);
    writeFileSync(path, 'theirs');
    target.seal();
    expect(readFileSync(path, 'utf8')).toBe('whole');
  });
});

describe('a temporary file that somebody removes while the dump grows', () => {
  test('is an error, and no name is taken', () => {
    for (const overwrite of [false, true]) {
      const target = openTarget(path, overwrite);
      write(target);
      rmSync(`${path}.incomplete`);
      expect(() => target.seal()).toThrow(expect.objectContaining({ name: 'SmeltError' }));
      expect(readdirSync(dir)).toEqual([]);
    }
  });

  test('does not keep a failed dump from being cleaned up', () => {
    const target = openTarget(path, false);
    rmSync(`${path}.incomplete`);
    target.discard();
    expect(readdirSync(dir)).toEqual([]);
  });

  test('and replaces by one of their own, as a second run with -f does, is not taken for the dump', () => {
    for (const overwrite of [false, true]) {
      const target = openTarget(path, overwrite);
      write(target);
      renameSync(`${path}.incomplete`, join(dir, 'moved'));
      writeFileSync(`${path}.incomplete`, 'forged');
      expect(() => target.seal()).toThrow(/dump\.incomplete: was removed or replaced by somebody else/);
      expect(existsSync(path)).toBe(false);
      target.discard();
      expect(readFileSync(`${path}.incomplete`, 'utf8')).toBe('forged');
      for (const name of readdirSync(dir)) rmSync(join(dir, name));
    }
  });
});

test('two paths are one file by whatever names they go', () => {
  writeFileSync(path, '');
  linkSync(path, join(dir, 'hard'));
  symlinkSync('dump', join(dir, 'soft'));
  writeFileSync(join(dir, 'other'), '');
  expect(isSameFile(path, path)).toBe(true);
  expect(isSameFile(path, join(dir, 'hard'))).toBe(true);
  expect(isSameFile(path, join(dir, 'soft'))).toBe(true);
  expect(isSameFile(path, `${dir}/./dump`)).toBe(true);
  expect(isSameFile(path, join(dir, 'other'))).toBe(false);
  expect(isSameFile(path, join(dir, 'nowhere'))).toBe(false);
  expect(isSameFile(path, join(path, 'below'))).toBe(false);
});

describe('a write', () => {
  test('that the system refuses says where, how much and why', () => {
    const fd = openTarget(path, false).fd;
    const full = () => writeFully(path, fd, Buffer.alloc(5000), 2 ** 52);
    expect(full).toThrow(/^.*dump: 5\.0 kB behind the first 4\.5 PB cannot be written: .*\(EFBIG\)$/);
    expect(full).toThrow(expect.objectContaining({ code: 'WRITE', exitCode: 1, hint: expect.any(String) }));
  });
});
