import { describe, expect, test } from 'vitest';
import { CATEGORIES } from '../../src/cli/option.ts';
import { ALL_OPTIONS, belongsTo } from '../../src/cli/options.ts';
import { findRefused } from '../../src/cli/refused.ts';

describe('the table of options', () => {
  test('names every option once', () => {
    const names = ALL_OPTIONS.flatMap(({ long, short }) =>
      [long, short].filter((name) => name !== undefined),
    );
    expect(new Set(names).size).toBe(names.length);
    expect(ALL_OPTIONS.map(({ key }) => key)).toEqual(ALL_OPTIONS.map(({ long, short }) => long ?? short));
  });

  test('has no option for dumps that is refused as well', () => {
    for (const { long, short } of ALL_OPTIONS.filter((option) => belongsTo(option, 'dump'))) {
      expect(findRefused(`--${long}`)).toBeUndefined();
      expect(findRefused(`-${short}`)).toBeUndefined();
    }
  });

  test.each(ALL_OPTIONS.map((option) => [option.key, option] as const))('explains %s', (_key, option) => {
    expect(option.doc).toMatch(/^[ -~]+[^.]$/);
    expect(option.longDoc).toMatch(/\.$/);
    expect(Object.keys(CATEGORIES)).toContain(option.category);
    // A value is checked; a flag has none.
    expect(option.read === undefined).toBe(option.valueName === undefined);
  });
});
