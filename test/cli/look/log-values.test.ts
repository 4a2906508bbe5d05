/** Values of --since and --level. */
import { describe, expect, test } from 'vitest';
import { readLevels, readSince } from '../../../src/cli/look/log-values.ts';
import { expectSmeltError } from '../../read/temp-files.ts';

describe('--since', () => {
  test.each([
    ['0', 0],
    ['12', 12_000_000],
    ['12.5', 12_500_000],
    ['11.965750', 11_965_750],
    ['-30', -30_000_000],
    ['-0.5', -500_000],
  ])('%s is so many microseconds', (text, us) => {
    expect(readSince(text)).toBe(us);
  });

  test.each(['', 'x', '1e3', '--30', '5s', '.5', '1234567890'])('%j is refused', (text) => {
    expectSmeltError(() => readSince(text), 'USAGE', 'is no number of seconds');
  });
});

describe('--level', () => {
  test.each([
    ['err', ['err']],
    ['err,warn', ['err', 'warn']],
    ['warn+', ['emerg', 'alert', 'crit', 'err', 'warn']],
    ['+notice', ['notice', 'info', 'debug']],
    ['emerg, debug', ['emerg', 'debug']],
    ['emerg+', ['emerg']],
  ])('%s is %j', (text, levels) => {
    expect([...readLevels(text)]).toEqual(levels);
  });

  test.each(['', 'error', 'err,', '+err+', 'WARN', '4'])('%j is refused', (text) => {
    expectSmeltError(() => readLevels(text), 'USAGE', 'is no level');
  });
});
