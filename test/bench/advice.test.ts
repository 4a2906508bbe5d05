import { describe, expect, test } from 'vitest';
import { advise, type Costs } from '../../src/bench/advice.ts';
import { spreadOf } from '../../src/bench/spread.ts';
import { samplePart } from '../cli/bench-report.ts';

const costs = (change: Partial<Costs> = {}): Costs => {
  const { reading, classifying, sample, codecs, writing, runs } = samplePart();
  return {
    threads: 2,
    reading,
    classifying,
    sample,
    codecs,
    writing,
    runs,
    used: { codec: 'zstd', level: 1 },
    ...change,
  };
};

describe('advice', () => {
  test('names the fastest, the smallest, and the least product of both', () => {
    const { fastest, smallest, between, estimates } = advise(costs());
    expect(fastest).toMatchObject({ codec: 'lzo' });
    expect(smallest).toMatchObject({ codec: 'zlib', level: 9 });
    expect(between).toMatchObject({ codec: 'zstd', level: 1 });
    for (const each of estimates) {
      expect(each.ms).toBeGreaterThanOrEqual(fastest.ms);
      expect(each.bytes).toBeGreaterThanOrEqual(smallest.bytes);
      expect(each.ms * each.bytes).toBeGreaterThanOrEqual(between.ms * between.bytes);
    }
  });

  test('leaves out a portable maker where there is a native one', () => {
    expect(advise(costs()).estimates.map(({ codec, level, kind }) => [codec, level, kind])).toEqual([
      ['zstd', 1, 'native'],
      ['zlib', 9, 'native'],
      ['lzo', undefined, 'native'],
      ['snappy', undefined, 'portable'],
      ['raw', undefined, undefined],
    ]);
  });

  test('adds up the work of a thread, and divides it among threads', () => {
    const { estimates } = advise(costs());
    // 100,000 pages: 81.92 ms to read, 819.2 to compress, 102.4 to write, by two; 1 ms to classify, 90 to start.
    expect(estimates[0]!.bytes).toBeCloseTo(102_400_000);
    expect(estimates[0]!.ms).toBeCloseTo(90 + 1 + (81.92 + 819.2 + 102.4) / 2);
    const one = advise(costs({ threads: 1 })).estimates[0]!;
    expect(one.ms).toBeCloseTo(90 + 2 + (81.92 + 819.2 + 102.4));
  });

  test('takes what the disk needs where that is longer', () => {
    const { writing } = samplePart();
    const slow = costs({ writing: { ...writing, syncedBytesPerSecond: spreadOf([10e6]) } });
    expect(advise(slow).estimates[0]!.ms).toBeCloseTo(90 + 10_240);
    expect(advise(slow).fastest).toMatchObject({ codec: 'zlib', level: 9 });
  });

  test('holds the model against the runs that were measured', () => {
    const advice = advise(costs());
    expect(advice.check).toEqual({ estimatedMs: advice.estimates[0]!.ms, measuredMs: 600 });
    expect(advise(costs({ used: { codec: 'zstd', level: 19 } })).check).toBeUndefined();
  });
});
