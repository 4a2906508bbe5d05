import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { EXTRA_BYTES, whyTooLarge } from '../../src/workers/resources.ts';
import { needsNative, noNative } from '../native-parts.ts';
import { failureOf, reportOf, run, SMELT, scratch } from '../program/smelt.ts';

const MIB = 2 ** 20;
const sample = 'samples/x86_64-6.1-sme.kdump';
const dir = scratch();
const probe = spawnSync('unshare', ['-rm', 'true']);
const skipped = probe.status === 0 ? '' : ' (skipped: no mount namespace can be made here)';

/** The built program where the kernel says that so much memory is available. */
function smeltWith(availableMib: number, ...args: string[]) {
  const meminfo = join(dir, 'meminfo');
  writeFileSync(meminfo, `MemTotal:       262144 kB\nMemAvailable:   ${availableMib * 1024} kB\n`);
  const shell = 'mount --bind "$0" /proc/meminfo && exec "$@"';
  return run([
    'unshare',
    '-rm',
    'sh',
    '-c',
    shell,
    meminfo,
    process.execPath,
    SMELT,
    '-f',
    '--json',
    ...args,
  ]);
}
const dumped = (availableMib: number, ...args: string[]) =>
  reportOf(smeltWith(availableMib, ...args, '-d', '31', sample, join(dir, 'out')));

test('nothing is too large where nobody says how much memory there is', () => {
  expect(whyTooLarge('dedup', undefined)).toBeUndefined();
});

test.each(Object.entries(EXTRA_BYTES))('%s needs its own and what is left to the kernel', (extra, bytes) => {
  const needed = bytes + 24 * MIB;
  const why = (available: number) => whyTooLarge(extra as keyof typeof EXTRA_BYTES, available);
  expect(why(needed)).toBeUndefined();
  expect(why(needed - 1024)).toMatch(
    /^only \d+\.\d MiB of memory are available, and \d+\.\d MiB are needed$/,
  );
});

describe.skipIf(skipped !== '')(`a run where memory is short${skipped}`, () => {
  test('does without what it can do without, says so, and keeps the same pages', () => {
    const plenty = dumped(1024, '-z', '--dedup', '--num-threads', '4');
    const short = dumped(20, '-z', '--dedup');
    expect(short.keptPages).toBe(plenty.keptPages);
    expect(short.classes).toEqual(plenty.classes);
    expect(plenty.census).not.toBeNull();
    expect(plenty.dedup).not.toBeNull();
    expect([short.census, short.dedup, short.threads]).toEqual([null, null, 1]);
    const said = short.warnings.join('\n');
    expect(said).toContain(
      'in spite of --dedup: only 20.0 MiB of memory are available, and 40.0 MiB are needed',
    );
    expect(said).toContain('by `smelt sme` of the dump: only 20.0 MiB');
    for (const warning of plenty.warnings) expect(warning).not.toMatch(/memory are available/);
  });

  test.skipIf(noNative !== undefined)(`keeps native zstd, which takes little${needsNative}`, () => {
    const { output, warnings } = dumped(20, '-z');
    expect(output).toMatchObject({ codec: 'zstd', compressionLevel: 1 });
    expect(warnings.join()).not.toContain('zlib');
  });

  test('takes zlib where zstd has its portable maker alone, at a level that zlib has', () => {
    const { output, warnings } = dumped(20, '-z', '--codec-maker', 'portable', '--compression-level', '15');
    expect(output).toMatchObject({ codec: 'zlib', compressionLevel: 1 });
    expect(output.codecMaker).toContain('(portable)');
    expect(warnings.join()).toContain('compressed with zlib in the place of zstd');
    expect(dumped(60, '-z', '--codec-maker', 'portable').output.codec).toBe('zstd');
  });

  test('leaves no shared pages out when nobody can tell which they are', () => {
    const { warnings, classes } = dumped(20, '--exclude-shared');
    expect(warnings.join('\n')).toContain('--exclude-shared leaves nothing out');
    expect(classes).toEqual(dumped(20).classes);
  });

  test('still refuses what is refused with plenty', () => {
    const result = smeltWith(20, '-z', '--compression-level', '99', sample, join(dir, 'out'));
    expect(failureOf(result).error.code).toBe('USAGE');
  });
});
