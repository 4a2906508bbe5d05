import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { openWorkDir } from '../../src/bench/work-dir.ts';

const parent = mkdtempSync(join(tmpdir(), 'smelt-test-'));
afterAll(() => rmSync(parent, { recursive: true, force: true }));

describe('the work directory', () => {
  test("is one of its own, for its owner alone, and is removed with all that's in it", () => {
    const [one, two] = [openWorkDir(parent), openWorkDir(parent)];
    expect(one.report.path).not.toBe(two.report.path);
    expect(statSync(one.report.path).mode & 0o777).toBe(0o700);
    writeFileSync(one.file('dump'), 'x');
    one.remove();
    expect(existsSync(one.report.path)).toBe(false);
    one.remove();
    two.remove();
  });

  test('is refused where it cannot be', () => {
    const file = join(parent, 'file');
    writeFileSync(file, '');
    expect(() => openWorkDir(join(parent, 'nowhere'))).toThrow(
      expect.objectContaining({ code: 'TARGET', hint: expect.stringContaining('--work-dir') }),
    );
    expect(() => openWorkDir(file)).toThrow('is not a directory');
  });

  test('says how much room is missing', () => {
    const dir = openWorkDir(parent);
    dir.require(1, 'a byte');
    expect(() => dir.require(2 ** 50, 'a dump')).toThrow(
      /has [\d.]+ [kMGT]?B free, and a dump may need 1\.1 PB/,
    );
    dir.remove();
  });
});
