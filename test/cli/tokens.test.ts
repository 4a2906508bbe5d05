import { describe, expect, test } from 'vitest';
import { given, tokenise } from '../../src/cli/tokens.ts';

const brief = (...words: string[]): string[] =>
  tokenise(words).map((token) => {
    if (token.kind === 'operand') return `${token.text}${token.commandPossible ? '' : ' (no command)'}`;
    if (token.kind === 'option') return token.value === undefined ? token.key : `${token.key}=${token.value}`;
    if (token.kind === 'ambiguous') return `${token.name}: ${token.candidates.join(' ')}`;
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

  test('may be shortened, where they are long, to what no other option of the command begins with', () => {
    expect(brief('--message-lev', '0', '--dry-ru', '--num=4', 'in')).toEqual([
      'message-level=0',
      'dry-run',
      'num-threads=4',
      'in',
    ]);
    expect(brief('--split', '--dump', '--non')).toEqual([
      'split',
      '--dump: --dump-dmesg --dump-level',
      '--non: --non-cyclic --non-mmap',
    ]);
    // Those that are refused are options of makedumpfile, too.
    expect(brief('--epp', '--xen', '--mesage-level')).toEqual([
      'unknown: --eppic',
      '--xen: --xen-syms --xen-vmcoreinfo --xen_phys_start',
      'unknown: --mesage-level',
    ]);
    expect(brief('--roun')).toEqual(['unknown: --roun']);
    const [token] = tokenise(['--roun', '3'], 'bench');
    expect(token).toMatchObject({ kind: 'option', key: 'rounds', value: '3' });
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
