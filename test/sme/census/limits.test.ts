/** What bounds the census: more than any machine has, and not more than a hostile dump may cost. */
import { describe, expect, it } from 'vitest';
import { extentsOf } from '../../../src/read/extents.ts';
import { FrameSet } from '../../../src/sme/census/frame-set.ts';
import { MemoryRuns } from '../../../src/sme/census/memory-runs.ts';
import { mostLowestTables } from '../../../src/sme/census/plan.ts';
import { mostMiddleTables } from '../../../src/sme/census/upper-tables.ts';

const TIB_PAGES = 2 ** 28;
const GIB_PAGES = 2 ** 18;
const CHUNK = 2 ** 15;
const machine = (pages: number, runs: number) => ({
  pages,
  starts: Array.from({ length: runs }, (_, i) => i),
});

describe('page tables are followed', () => {
  it('as many as a machine has whose memory is mapped twice in pages of 4 KiB, with as much of vmalloc', () => {
    for (const tib of [1 / 4096, 0.25, 1, 4, 10]) {
      const memory = machine(tib * TIB_PAGES, 12);
      expect(mostLowestTables(memory, 512)).toBeGreaterThan((3 * memory.pages) / 512 + 2 * 12 + 1000);
      expect(mostMiddleTables(memory, GIB_PAGES)).toBeGreaterThan(
        (3 * memory.pages) / GIB_PAGES + 2 * 12 + 1000,
      );
    }
  });

  it('as many as short runs of memory need, each in tables of its own', () => {
    const memory = machine(140_000, 69_632);
    expect(mostLowestTables(memory, 512)).toBeGreaterThan(2 * 69_632);
    expect(mostMiddleTables(memory, GIB_PAGES)).toBeGreaterThan(2 * 69_632);
  });

  it('but not without end', () => {
    expect(mostLowestTables(machine(2 ** 14, 2), 512)).toBeLessThan(100_000);
    expect(mostMiddleTables(machine(2 ** 14, 2), GIB_PAGES)).toBeLessThan(10_000);
    expect(mostLowestTables(machine(2 ** 40, 2), 512)).toBe(2 ** 24);
    expect(mostMiddleTables(machine(2 ** 40, 2), GIB_PAGES)).toBe(2 ** 18 + 2 ** 12);
  });
});

describe('a set of page frames', () => {
  it('takes 64 MiB at most where one frame of each chunk is in it, and counts what it has no room for', () => {
    const chunks = 20_000;
    const set = new FrameSet(chunks * CHUNK);
    for (let i = 0; i < chunks; i++) set.add(i * CHUNK + 5, 2);
    expect(set.count).toBe(2 * 2 ** 14);
    expect(set.lost).toBe(2 * (chunks - 2 ** 14));
    expect(set.has(5)).toBe(true);
    expect(set.has((chunks - 1) * CHUNK + 5)).toBe(false);
    // Whole chunks take no memory, those that become whole neither, and leave room for others.
    set.add((chunks - 1) * CHUNK, CHUNK);
    set.add(0, CHUNK);
    set.add((chunks - 2) * CHUNK + 5);
    expect(set.count).toBe(2 * (2 ** 14 - 1) + 2 * CHUNK + 1);
    const other = new FrameSet(set.limit);
    other.addAll(set);
    expect(other.lost).toBe(set.lost);
    expect(FrameSet.from(structuredClone(set.data)).lost).toBe(set.lost);
  });

  it('is cut to what is memory', () => {
    const sizes = [
      { paddr: 0x1000, sizeBytes: 0x3000, byteOffset: 0 },
      { paddr: CHUNK * 4096 - 0x2000, sizeBytes: 2 * CHUNK * 4096, byteOffset: 0 },
    ];
    const memory = new MemoryRuns({ pageSize: 4096, memory: extentsOf(sizes) });
    const set = new FrameSet(4 * CHUNK);
    set.add(0, 4 * CHUNK);
    expect([...set.clip(memory).runs()]).toEqual([
      [1, 4],
      [CHUNK - 2, 3 * CHUNK - 2],
    ]);
    expect(set.clip(memory).count).toBe(memory.pages);
  });
});
