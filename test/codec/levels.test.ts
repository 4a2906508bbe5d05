/** The levels a user may ask for. */
import { describe, expect, it } from 'vitest';
import { levelProblem, levelRange } from '../../src/codec/levels.ts';

describe('levelRange', () => {
  it('is what some maker of the codec has, unless one is named', () => {
    expect(levelRange('zstd')).toEqual({ least: 1, most: 19 });
    expect(levelRange('zlib')).toEqual({ least: 1, most: 12 });
    expect(levelRange('zlib', 'portable')).toEqual({ least: 1, most: 9 });
    expect(levelRange('lzo')).toBeUndefined();
    expect(levelRange('snappy', 'native')).toBeUndefined();
  });
});

describe('levelProblem', () => {
  it('has none with a level the codec has', () => {
    for (const level of [1, 9, 19]) expect(levelProblem('zstd', level)).toBeUndefined();
    expect(levelProblem('zlib', 12)).toBeUndefined();
    expect(levelProblem('zlib', 12, 'native')).toBeUndefined();
    expect(levelProblem('zlib', 9, 'portable')).toBeUndefined();
  });

  it('names the levels there are', () => {
    for (const level of [0, 20, -1, 1.5, Number.NaN]) {
      expect(levelProblem('zstd', level)).toBe(`zstd has the levels 1 to 19, saw ${level}`);
    }
    expect(levelProblem('zlib', 13, 'portable')).toBe(
      'zlib has the levels 1 to 9 with the portable maker, saw 13',
    );
  });

  it('tells when the other maker has the level', () => {
    expect(levelProblem('zlib', 10, 'portable')).toBe(
      'zlib has the levels 1 to 9 with the portable maker, saw 10, which only the native maker has',
    );
  });

  it('knows the codecs without levels', () => {
    expect(levelProblem('lzo', 1)).toBe('lzo has no compression levels, saw 1');
    expect(levelProblem('snappy', 3, 'portable')).toBe('snappy has no compression levels, saw 3');
  });
});
