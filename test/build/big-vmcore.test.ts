/** The large builder, small enough for a test, against makedumpfile. */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildBigVmcore } from './big-vmcore.ts';
import { makedumpfileMissing, runMakedumpfile } from './makedumpfile-oracle.ts';

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'smelt-big-'));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));
const because = makedumpfileMissing ? ` (skipped: ${makedumpfileMissing})` : '';
const GiB = 2 ** 30;

describe('the large builder', () => {
  it('gives the same memory for the same seed, and another for another', () => {
    const counts = (seed: number) =>
      buildBigVmcore({ path: join(dir, 'a'), ramBytes: GiB, seed }).expected.counts(31);
    expect(counts(3)).toEqual(counts(3));
    expect(counts(3)).not.toEqual(counts(4));
  });

  it('has some of every common class and stays small', () => {
    const path = join(dir, 'b');
    const { expected, sizeBytes } = buildBigVmcore({ path, ramBytes: 9 * GiB });
    const { zero, cache, cachePrivate, user, free, kept } = expected.counts(31);
    for (const n of [zero, cache, cachePrivate, user, free, kept]) expect(n).toBeGreaterThan(1000);
    expect(sizeBytes).toBeGreaterThan(8.9 * GiB);
    expect(statSync(path).blocks * 512).toBeLessThan(9 * GiB * (1 / 64) + 64 * 2 ** 20);
  });

  it('shares struct pages of free memory when asked, for a terabyte in a small file', () => {
    const path = join(dir, 'c');
    const core = buildBigVmcore({ path, ramBytes: 1024 * GiB, mixBytes: GiB, shareMemmap: true });
    expect(core.sizeBytes).toBeGreaterThan(1023 * GiB);
    expect(statSync(path).blocks * 512).toBeLessThan(200 * 2 ** 20);
    const [a, b] = [100 * GiB, 101 * GiB].map((bytes) =>
      core.tables.memmapChunks.find((c) => c.firstPfn === bytes / 4096),
    );
    expect(a?.vaddr).not.toBe(b?.vaddr);
    expect(a?.pieces).toEqual(b?.pieces);
  });

  it.skipIf(makedumpfileMissing)(`is filtered by makedumpfile as it expects${because}`, () => {
    const { path, expected } = buildBigVmcore({
      path: join(dir, 'd'),
      ramBytes: 5 * GiB,
      seed: 11,
      mixBytes: GiB,
      shareMemmap: true,
      levels: 5,
      smeMask: 1n << 47n,
      kernelOffset: 0x1da00000n,
      physBase: -0x1d800000n,
    });
    const peer = runMakedumpfile(path, 31);
    expect(peer.counts).toEqual(expected.counts(31));
    expect(
      Buffer.from(expected.kept(31)).equals(peer.bitmap2.subarray(0, Math.ceil(expected.maxPfn / 8))),
    ).toBe(true);
  });
});
