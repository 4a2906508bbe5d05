import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { editDistance, nearest } from '../../src/cli/nearest.ts';

describe('the edit distance', () => {
  test.each([
    ['', '', 0],
    ['dump', 'dump', 0],
    ['dmup', 'dump', 1],
    ['dum', 'dump', 1],
    ['dumpp', 'dump', 1],
    ['damp', 'dump', 1],
    ['kitten', 'sitting', 3],
    ['', 'abc', 3],
  ])('of "%s" and "%s" is %i', (a, b, distance) => {
    expect(editDistance(a, b)).toBe(distance);
  });

  test('is the same both ways and at most the longer length', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 12 }), fc.string({ maxLength: 12 }), (a, b) => {
        expect(editDistance(a, b)).toBe(editDistance(b, a));
        expect(editDistance(a, b)).toBeLessThanOrEqual(Math.max(a.length, b.length));
        expect(editDistance(a, b) === 0).toBe(a === b);
      }),
    );
  });
});

describe('the nearest name', () => {
  test('is the one with the fewest edits', () => {
    expect(nearest('non-map', ['mmap', 'non-mmap'])).toBe('non-mmap');
    expect(nearest('dump-lvl', ['dump-level', 'message-level'])).toBe('dump-level');
  });

  test('is the one that was begun', () => {
    expect(nearest('keep', ['quiet', 'keep-incomplete'])).toBe('keep-incomplete');
  });

  test('is none when all are far', () => {
    expect(nearest('frobnicate', ['dump', 'json', 'quiet'])).toBeUndefined();
    expect(nearest('ab', ['cd'])).toBeUndefined();
    expect(nearest('', ['dump'])).toBeUndefined();
    expect(nearest('dump'.repeat(1000), ['dump'])).toBeUndefined();
  });
});
