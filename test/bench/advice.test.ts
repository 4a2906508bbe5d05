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
    // 100,000 pages: 81.92 ms to read, 819.2 to compress, 106.4 to write, by two; 1 ms to classify, 90 to start.
    expect(advise(costs()).anchor).toEqual({
      codec: 'zstd',
      level: 1,
      threads: 2,
      measuredMs: 600,
      modelledMs: expect.closeTo(90 + 1 + (81.92 + 819.2 + 106.4) / 2),
    });
    const one = advise(costs({ threads: 1 })).anchor;
    expect(one.modelledMs).toBeCloseTo(90 + 2 + (81.92 + 819.2 + 106.4));
    expect(one).toMatchObject({ threads: 1, measuredMs: 1200 });
  });

  test('says of the runs that were measured what they took, and adds what the model leaves out to the others', () => {
    const { estimates, anchor } = advise(costs());
    expect(estimates[0]!.ms).toBeCloseTo(600);
    const lzo = estimates.find(({ codec }) => codec === 'lzo')!;
    // 167.84 MB on their way to the disk take longer than the work.
    const modelled = 90 + 419.6;
    expect(lzo.ms).toBeCloseTo(modelled + (600 - anchor.modelledMs));
  });

  test('is scaled down where the parts come to more than a whole run', () => {
    const runs = samplePart().runs.map((run) => ({ ...run, wallMs: spreadOf([300]) }));
    const { estimates, anchor, fastest } = advise(costs({ runs }));
    expect(estimates[0]!.ms).toBeCloseTo(300);
    expect(fastest.ms).toBeCloseTo(((90 + 419.6) * 300) / anchor.modelledMs);
  });

  test('tells the size of the whole file, headers, bitmaps and descriptors included', () => {
    // 4 bytes of pages by one; what a run wrote besides pages is 4,000,000 bytes.
    const { estimates } = advise(costs());
    expect(estimates[0]!.bytes).toBeCloseTo(102_400_000 + 4_000_000);
    expect(estimates.find(({ codec }) => codec === 'raw')!.bytes).toBeCloseTo(409_600_000 + 4_000_000);
  });

  test('takes what the disk needs where that is longer', () => {
    const { writing } = samplePart();
    const slow = costs({ writing: { ...writing, syncedBytesPerSecond: spreadOf([10e6]) } });
    expect(advise(slow).anchor.modelledMs).toBeCloseTo(90 + 10_640);
    expect(advise(slow).fastest).toMatchObject({ codec: 'zlib', level: 9 });
  });
});
