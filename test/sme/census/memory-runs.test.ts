/** The memory of a dump as runs of page frames, against a plain array of flags. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { extentsOf } from '../../../src/read/extents.ts';
import { MemoryRuns } from '../../../src/sme/census/memory-runs.ts';

const FRAMES = 400;

const memoryOf = (ranges: readonly (readonly [start: number, bytes: number])[]) => ({
  pageSize: 4096,
  memory: extentsOf(ranges.map(([paddr, sizeBytes]) => ({ paddr, sizeBytes, byteOffset: paddr }))),
});

describe('the runs of memory', () => {
  it('know of each page frame, and of each range how many there are, in any order of asking', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(300 * 4096), fc.integer({ min: 1, max: 40 * 4096 })), { maxLength: 8 }),
        fc.array(fc.tuple(fc.nat(FRAMES), fc.nat(FRAMES)), { maxLength: 40 }),
        (ranges, asked) => {
          const flags = new Uint8Array(FRAMES);
          for (const [start, bytes] of ranges)
            flags.fill(1, Math.floor(start / 4096), Math.ceil((start + bytes) / 4096));
          const runs = new MemoryRuns(memoryOf(ranges));
          for (const [a, b] of asked) {
            expect(runs.has(a)).toBe(flags[a] === 1);
            const [from, to] = [Math.min(a, b), Math.max(a, b)];
            expect(runs.pagesIn(from, to)).toBe(
              flags.subarray(from, to).reduce((sum, flag) => sum + flag, 0),
            );
          }
          expect(runs.pages).toBe(flags.reduce((sum, flag) => sum + flag, 0));
          expect(runs.limit).toBe(flags.lastIndexOf(1) + 1);
          expect(runs.leftOut).toBe(0);
        },
      ),
    );
  });

  it('are as many as machines have, and what lies above is counted', () => {
    const count = 80_000;
    const columns = { paddr: new Float64Array(count), sizeBytes: new Float64Array(count) };
    for (let i = 0; i < count; i++) {
      columns.paddr[i] = i * 8192;
      columns.sizeBytes[i] = 4096;
    }
    const runs = new MemoryRuns({ pageSize: 4096, memory: { ...columns, byteOffset: columns.paddr } });
    expect(runs.starts.length).toBeGreaterThan(65_536);
    expect(runs.starts.length).toBeLessThan(count);
    expect(runs.pages + runs.leftOut).toBe(count);
    expect(runs.limit).toBe(runs.ends.at(-1));
  });
});
