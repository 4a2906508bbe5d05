import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { rateOf, spreadOf } from '../../src/bench/spread.ts';

describe('the spread of measurements', () => {
  test('has the middle one as median, or the mean of the two in the middle', () => {
    expect(spreadOf([5])).toEqual({ median: 5, min: 5, max: 5, rounds: [5] });
    expect(spreadOf([9, 1, 4]).median).toBe(4);
    expect(spreadOf([10, 2, 4, 100]).median).toBe(7);
  });

  test('keeps the order of the rounds, and sorts numbers as numbers', () => {
    expect(spreadOf([10, 9, 100])).toEqual({ median: 10, min: 9, max: 100, rounds: [10, 9, 100] });
  });

  test('has its median between least and most', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: 1e12, noNaN: true }), { minLength: 1 }), (rounds) => {
        const { median, min, max } = spreadOf(rounds);
        expect(median).toBeGreaterThanOrEqual(min);
        expect(median).toBeLessThanOrEqual(max);
        expect(rounds.filter((each) => each <= median).length * 2).toBeGreaterThanOrEqual(rounds.length);
      }),
    );
  });

  test('is not there of nothing', () => {
    expect(() => spreadOf([])).toThrow(RangeError);
  });

  test('is a rate when there are milliseconds', () => {
    expect(rateOf(500, [1000, 500, 250])).toEqual({
      median: 1000,
      min: 500,
      max: 2000,
      rounds: [500, 1000, 2000],
    });
  });
});
