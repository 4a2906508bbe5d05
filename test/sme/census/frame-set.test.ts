/** The set of page frames against a plain array of flags: the same answers, whatever was added in which order. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FrameSet } from '../../../src/sme/census/frame-set.ts';

/** Six chunks and a part of one. */
const LIMIT = 6 * 32768 + 1234;

type Add = readonly [pfn: number, count: number];

/** Single frames, runs within a chunk, whole chunks, runs over several, runs beyond the limit. */
const add = fc.tuple(
  fc.oneof(fc.nat(LIMIT + 50), fc.constantFrom(0, 31, 32, 32767, 32768, 65536, LIMIT - 1, LIMIT)),
  fc.oneof(fc.constantFrom(0, 1, 32, 32768, 65536, LIMIT), fc.nat(100), fc.nat(100_000)),
);
const adds = fc.array(add, { maxLength: 12 });

function setOf(list: readonly Add[]): FrameSet {
  const set = new FrameSet(LIMIT);
  for (const [pfn, count] of list) set.add(pfn, count);
  return set;
}

function flagsOf(list: readonly Add[]): Uint8Array {
  const flags = new Uint8Array(LIMIT);
  for (const [pfn, count] of list) flags.fill(1, pfn, Math.min(LIMIT, pfn + count));
  return flags;
}

function runsOf(flags: Uint8Array, from = 0, to = LIMIT): [number, number][] {
  const runs: [number, number][] = [];
  for (let pfn = from; pfn < to; pfn++) {
    if (flags[pfn] === 0) continue;
    const last = runs.at(-1);
    if (last !== undefined && last[1] === pfn) last[1]++;
    else runs.push([pfn, pfn + 1]);
  }
  return runs;
}

function expectSame(set: FrameSet, flags: Uint8Array): void {
  const runs = runsOf(flags);
  expect([...set.runs()]).toEqual(runs);
  expect(set.count).toBe(runs.reduce((sum, [from, to]) => sum + to - from, 0));
}

describe('a FrameSet', () => {
  it('has what was added, below the limit, once', () => {
    fc.assert(
      fc.property(adds, fc.array(fc.nat(LIMIT + 40_000), { maxLength: 50 }), (list, asked) => {
        const [set, flags] = [setOf(list), flagsOf(list)];
        expectSame(set, flags);
        for (const pfn of asked) expect(set.has(pfn)).toBe(flags[pfn] === 1);
      }),
    );
  });

  it('gives the runs of any part of it', () => {
    fc.assert(
      fc.property(adds, fc.nat(LIMIT + 100), fc.nat(LIMIT), (list, pfn, count) => {
        const want = runsOf(flagsOf(list), pfn, Math.min(LIMIT, pfn + count));
        expect([...setOf(list).runsIn(pfn, count)]).toEqual(want);
      }),
    );
  });

  it('is joined with, cut with and cleared of another', () => {
    fc.assert(
      fc.property(adds, adds, (one, two) => {
        const [a, b] = [flagsOf(one), flagsOf(two)];
        expectSame(
          setOf(one).and(setOf(two)),
          a.map((flag, i) => flag & b[i]),
        );
        expectSame(
          setOf(one).minus(setOf(two)),
          a.map((flag, i) => flag & ~b[i]),
        );
        const joined = setOf(one);
        joined.addAll(setOf(two));
        expectSame(joined, flagsOf([...one, ...two]));
      }),
    );
  });

  it('leaves the other as it was, also when more is added afterwards', () => {
    fc.assert(
      fc.property(adds, adds, adds, (one, two, more) => {
        const other = setOf(two);
        const joined = setOf(one);
        joined.addAll(other);
        const results = [joined, setOf(one).minus(other), other.minus(setOf(one)), other.and(setOf(one))];
        for (const set of results) for (const [pfn, count] of more) set.add(pfn, count);
        expectSame(other, flagsOf(two));
      }),
    );
  });

  it('is the same on the other side of a structured clone, and can be added to there', () => {
    fc.assert(
      fc.property(adds, adds, (list, more) => {
        const set = setOf(list);
        const copy = FrameSet.from(structuredClone(set.data));
        expectSame(copy, flagsOf(list));
        for (const [pfn, count] of more) copy.add(pfn, count);
        expectSame(copy, flagsOf([...list, ...more]));
        expectSame(set, flagsOf(list));
      }),
    );
  });

  it('takes no memory for what is regular: 16 TiB of it', () => {
    const frames = 2 ** 32;
    const set = new FrameSet(frames);
    set.add(1000, frames);
    set.add(0, 1000);
    const hole = new FrameSet(frames);
    hole.add(2 ** 31, 5);
    const rest = set.minus(hole);
    expect(rest.count).toBe(frames - 5);
    expect([...rest.runs()]).toEqual([
      [0, 2 ** 31],
      [2 ** 31 + 5, frames],
    ]);
    const bitmaps = (of: FrameSet) => [...of.data.chunks.values()].filter((chunk) => chunk.words).length;
    expect(bitmaps(set)).toBe(0);
    expect(bitmaps(rest)).toBe(1);
  });

  it('gives a bitmap back when single frames have filled it', () => {
    const set = new FrameSet(2 * 32768);
    for (let pfn = 65535; pfn >= 32768; pfn--) set.add(pfn);
    expect([...set.data.chunks.values()]).toEqual([{ words: undefined, count: 32768 }]);
  });
});
