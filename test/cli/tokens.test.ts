import { describe, expect, test } from 'vitest';
import { given, tokenise } from '../../src/cli/tokens.ts';

const brief = (...words: string[]): string[] =>
  tokenise(words).map((token) => {
    if (token.kind === 'operand') return `${token.text}${token.commandPossible ? '' : ' (no command)'}`;
    if (token.kind === 'option') return token.value === undefined ? token.key : `${token.key}=${token.value}`;
    return `${token.kind}: ${token.name}`;
  });

describe('the words of a command line', () => {
  test('are cut into options, values and operands', () => {
    expect(brief('dump', '-zfd31', 'in', '--num-threads=4', '--', '-out')).toEqual([
      'dump',
      'z',
      'f',
      'dump-level=31',
      'in',
      'num-threads=4',
      '-out (no command)',
    ]);
  });

  test('end their cluster at an unknown letter, because the rest may be its value', () => {
    expect(brief('-zqh', 'in')).toEqual(['z', 'unknown: -q', 'in']);
    expect(brief('-qd', '31')).toEqual(['unknown: -q', '31']);
    expect(given(tokenise(['-qh']), 'help')).toBe(false);
  });

  test('give the next word to an option that takes one, whatever it looks like', () => {
    expect(brief('-i', '--', '-d', '-z', '--sme-mask', '--json')).toEqual([
      'i=--',
      'dump-level=-z',
      'sme-mask=--json',
    ]);
    expect(brief('--num-threads=')).toEqual(['num-threads=']);
    expect(brief('--json=1', '-d')).toEqual(['needless value: --json', 'no value: -d']);
  });
});
