import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { writeSynthetic } from '../../src/bench/synthetic.ts';
import { buildVmcore } from '../build/vmcore.ts';
import { reportOf, scratch, smelt } from './smelt.ts';

// 64 GiB of sparse memory take 1.2 GiB of disk, and minutes where the machine is slow.
const big = process.env.SMELT_BIG !== undefined;
const LIMIT = 120e6;
const dir = scratch();
const input = join(dir, 'core');
const output = join(dir, 'dump');

afterEach(() => {
  rmSync(input, { force: true });
  rmSync(output, { force: true });
});

test('the peak of memory that is reported is that of smelt, not of who started it', () => {
  // The kernel lets a process inherit the peak of the one that started it, in ru_maxrss.
  const ballast = Buffer.alloc(300e6, 1);
  buildVmcore({ path: input });
  const { peakRssBytes } = reportOf(
    smelt('--json', '--quiet', '-d', '31', '--num-threads', '0', input, output),
  );
  expect(peakRssBytes).toBeGreaterThan(20e6);
  expect(peakRssBytes).toBeLessThan(LIMIT);
  expect(ballast.length).toBe(300e6);
});

test.for([1, 16, 64])(
  'two threads dump %i GiB in less than 120 MB',
  { timeout: 600_000 },
  async (gib, context) => {
    if (!big) context.skip('needs 1.2 GiB of disk and a minute: SMELT_BIG=1 runs it');
    const { pagesByClass } = await writeSynthetic({ path: input, ramBytes: gib * 2 ** 30 });
    const result = smelt('--json', '--quiet', '-z', '-d', '31', '--num-threads', '2', input, output);
    expect(result).toMatchObject({ status: 0, stderr: '' });
    const report = reportOf(result);
    console.log(`${gib} GiB: ${Math.round(report.peakRssBytes / 1e6)} MB, ${Math.round(report.totalMs)} ms`);
    expect(report.keptPages).toBe(Object.values(pagesByClass.kernel).reduce((sum, pages) => sum + pages));
    expect(report.peakRssBytes).toBeLessThan(LIMIT);
  },
);
