/** The synthetic dumps of `smelt bench`: what they say of themselves, held against smelt and makedumpfile. */
import {
  closeSync,
  existsSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { type SyntheticSummary, writeSynthetic } from '../../src/bench/synthetic.ts';
import { makedumpfileMissing, runMakedumpfile } from '../build/makedumpfile-oracle.ts';
import { runDump, scratch } from '../workers/run-dump.ts';

const GIB = 2 ** 30;
const MIB128 = 2 ** 27;
const dir = scratch();
const because = makedumpfileMissing ? ` (skipped: ${makedumpfileMissing})` : '';

/** The classes that are dropped at level 31, and what is kept with contents, as the summary has them. */
function classesOf({ pagesByClass: p, nonZeroPages }: SyntheticSummary) {
  const { anon, thp, hugetlb } = p.user;
  const kernel = Object.values(p.kernel).reduce((sum, pages) => sum + pages);
  const { cache, cachePrivate, free } = p;
  return { cache, cachePrivate, free, user: anon + thp + hugetlb, zero: kernel - nonZeroPages };
}

function areEqual(a: string, b: string): boolean {
  const fds = [openSync(a, 'r'), openSync(b, 'r')];
  const [left, right] = [Buffer.alloc(2 ** 22), Buffer.alloc(2 ** 22)];
  let n: number;
  let equal = true;
  do {
    n = readSync(fds[0], left);
    equal &&= readSync(fds[1], right) === n && left.equals(right);
  } while (n > 0 && equal);
  for (const fd of fds) closeSync(fd);
  return equal;
}

async function write(name: string, ramBytes: number, seed?: number) {
  const path = join(dir, name);
  rmSync(path, { force: true });
  const summary = await writeSynthetic({ path, ramBytes, ...(seed === undefined ? {} : { seed }) });
  return { path, summary };
}

describe('a synthetic dump', () => {
  it('is the same for the same options, byte for byte, and another for another seed', async () => {
    const [a, b, c] = [await write('a', GIB, 7), await write('b', GIB, 7), await write('c', GIB, 8)];
    expect(b.summary).toEqual(a.summary);
    expect(areEqual(a.path, b.path)).toBe(true);
    expect(c.summary).not.toEqual(a.summary);
    for (const { path } of [a, b, c]) rmSync(path);
  });

  it('has all classes, contents to compress, and is small on the disk', async () => {
    const { path, summary } = await write('d', GIB);
    const { pagesByClass: p, nonZeroPages, totalPages, fileBytes, writtenBytes } = summary;
    for (const pages of [
      p.free,
      p.cache,
      p.cachePrivate,
      ...Object.values(p.user),
      ...Object.values(p.kernel),
    ]) {
      expect(pages).toBeGreaterThan(500);
    }
    expect(p.free / totalPages).toBeGreaterThan(0.2);
    expect(p.free / totalPages).toBeLessThan(0.5);
    expect(nonZeroPages).toBeGreaterThan(8000);
    const { size, blocks, mode } = statSync(path);
    expect(size).toBe(fileBytes);
    expect(blocks * 512).toBeLessThan(writtenBytes + 2 ** 20);
    expect(writtenBytes).toBeLessThan(80e6);
    expect(mode & 0o777).toBe(0o600);
  });

  it.each([
    ['one node', GIB],
    ['a part above 4 GiB', 3 * GIB + 5 * MIB128],
    ['two nodes', 9 * GIB],
  ])('with %s has the classes for smelt that it says it has', { timeout: 120_000 }, async (_, ramBytes) => {
    const { path, summary } = await write('e', ramBytes);
    const output = join(dir, 'e.out');
    const { report, warnings, input } = await runDump({
      input: path,
      output,
      dumpLevel: 31,
      overwrite: true,
    });
    expect(warnings).toEqual([]);
    expect(report.classes).toMatchObject({
      ...classesOf(summary),
      kernel: summary.nonZeroPages,
      undecided: 0,
      hwpoison: 0,
      offline: 0,
    });
    expect(report.kernelFreePages).toBe(summary.pagesByClass.free);
    expect(input.ramBytes).toBe(summary.totalPages * 4096);
    expect(summary.ramBytes).toBe(ramBytes);
    expect(summary.ownMemmapBytes).toBe(ramBytes);
  });

  it('tells how far it is, and gives up when it is told to', async () => {
    const path = join(dir, 'g');
    const told: number[] = [];
    const abort = new AbortController();
    const stop = new Error('enough');
    const onProgress = (done: number, total: number) => {
      told.push(done / total);
      if (done === 3) abort.abort(stop);
    };
    await expect(writeSynthetic({ path, ramBytes: GIB }, onProgress, abort.signal)).rejects.toBe(stop);
    expect(told).toEqual([1 / 8, 2 / 8, 3 / 8]);
    expect(existsSync(path)).toBe(false);
  });

  it('lets others have their turn meanwhile', async () => {
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    await write('h', GIB);
    clearInterval(timer);
    expect(turns).toBeGreaterThan(3);
  });

  it('is of whole sections, and of 1 GiB to 16 TiB', async () => {
    const { summary } = await write('i', GIB + 1);
    expect(summary.ramBytes).toBe(GIB + MIB128);
    for (const ramBytes of [0, GIB - 1, 2 ** 44 + 1, Number.NaN]) {
      await expect(write('j', ramBytes)).rejects.toMatchObject({ code: 'USAGE' });
    }
    expect(existsSync(join(dir, 'j'))).toBe(false);
  });

  it('never takes the place of a file', async () => {
    const path = join(dir, 'k');
    writeFileSync(path, 'mine');
    await expect(writeSynthetic({ path, ramBytes: GIB })).rejects.toMatchObject({ code: 'TARGET' });
    expect(readFileSync(path, 'utf8')).toBe('mine');
  });
});

describe.skipIf(makedumpfileMissing)(`a synthetic dump for makedumpfile${because}`, () => {
  const path = join(dir, 'peer');
  let summary: SyntheticSummary;
  beforeAll(async () => {
    summary = (await write('peer', GIB, 5)).summary;
  });

  it.each([31, 1, 2])('has the same classes at level %i', (level) => {
    const { cache, cachePrivate, user, free, zero } = classesOf(summary);
    expect(runMakedumpfile(path, level).counts).toMatchObject({
      cache: level & 6 ? cache : 0,
      cachePrivate: level & 4 ? cachePrivate : 0,
      user: level & 8 ? user : 0,
      free: level & 16 ? free : 0,
      zero: level === 31 ? zero : level === 1 ? summary.totalPages - summary.nonZeroPages : 0,
    });
  });
});
