import { describe, expect, test } from 'vitest';
import { coloured, hang, printable, printableJson, Style, widthOf } from '../../src/cli/text.ts';
import { RecordingSink } from './fake-host.ts';

test('what a terminal would obey is shown instead', () => {
  expect(printable('a\x1b[2Jb\nc\td\x7f\x9be\u202ef')).toBe('a\\x1b[2Jb\\x0ac\\x09d\\x7f\\x9be\\u202ef');
  expect(printable('/mnt/Überraschung 日本 "x"')).toBe('/mnt/Überraschung 日本 "x"');
});

test('JSON has nothing raw that a terminal would obey, and means the same', () => {
  const value = { 'a\x9b\u202e': 'b\u2028\x7fü日\n"\\' };
  const json = printableJson(JSON.stringify(value));
  expect(json).toMatch(/^[ -~ü日]*$/);
  expect(JSON.parse(json)).toEqual(value);
});

describe('a long sentence', () => {
  const words = 'one two three four'.split(' ');
  test('hangs below its first word', () => {
    expect(hang('so: ', words, 12)).toEqual(['so: one two', '    three', '    four']);
    expect(hang('so: ', words, 12, 2)).toEqual(['so: one two', '  three four']);
  });
  test('has the width of the terminal, and 80 columns elsewhere', () => {
    expect([120, 40, 0].map((columns) => widthOf(new RecordingSink(columns)))).toEqual([120, 40, 80]);
  });
  test('keeps a word whole that is longer than a line', () => {
    expect(hang('so: ', ['a', 'b'.repeat(20), 'c'], 10)).toEqual(['so: a', `    ${'b'.repeat(20)}`, '    c']);
  });
});

describe('colour', () => {
  const terminal = new RecordingSink(80);
  const start = (env: Record<string, string>, sink = terminal): string =>
    coloured('smelt: x', 6, Style.error, sink, env);
  test('is used on a terminal', () => {
    expect(start({ TERM: 'xterm' })).toBe('\x1b[1;31msmelt:\x1b[0m x');
    expect(start({ TERM: 'xterm', NO_COLOR: '' })).toContain('\x1b');
  });
  test.each<[string, Record<string, string>, RecordingSink]>([
    ['with NO_COLOR', { TERM: 'xterm', NO_COLOR: '1' }, terminal],
    ['on a dumb terminal', { TERM: 'dumb' }, terminal],
    ['on an unknown terminal', {}, terminal],
    ['in a file', { TERM: 'xterm' }, new RecordingSink()],
  ])('is not used %s', (_where, env, sink) => expect(start(env, sink)).toBe('smelt: x'));
});
