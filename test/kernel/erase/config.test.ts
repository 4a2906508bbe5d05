/** The file of --config: what its words mean, and what is said of words that mean nothing. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SmeltError } from '../../../src/errors.ts';
import { parseEraseConfig, symbolsOf } from '../../../src/kernel/erase/config.ts';
import { expectSmeltError } from '../../read/temp-files.ts';

const parse = (text: string) => parseEraseConfig('rules', text);

describe('a file of rules', () => {
  it('may be empty, or comments', () => {
    expect(parse('')).toEqual([]);
    expect(parse('# nothing\n\n\t  \n[vmlinux] # of the kernel\n')).toEqual([]);
  });

  it('has rules over several lines, with comments behind them', () => {
    expect(parse('erase\n a.b.c # of a\n size\t4K\nerase d nullify erase e size f.g')).toMatchObject([
      {
        rules: [
          { line: 1, target: { text: 'a.b.c', first: 'a', members: ['b', 'c'] }, size: 4096, nullify: false },
        ],
      },
      { rules: [{ line: 4, target: { text: 'd' }, size: undefined, nullify: true }] },
      { rules: [{ line: 4, target: { text: 'e' }, size: { text: 'f.g' } }] },
    ]);
  });

  it('has loops over lists', () => {
    expect(
      parse(
        'for m in modules.next within module:list\n erase m.name\n erase m size 1M\nendfor\nfor a in b via c erase a endfor',
      ),
    ).toMatchObject([
      {
        loop: {
          line: 1,
          id: 'm',
          list: { text: 'modules.next' },
          within: { structure: 'module', member: 'list' },
        },
        rules: [{ line: 2 }, { line: 3, size: 2 ** 20 }],
      },
      { loop: { line: 5, id: 'a', via: 'c', within: undefined } },
    ]);
    expect(parse('for m in modules within module endfor')[0]!.loop!.within).toEqual({
      structure: 'module',
      member: 'list',
    });
  });

  it('names symbols of the kernel, and elements of its loops', () => {
    const text = 'erase a.b size c.d\nfor x in e within f:g\nerase x.h size x.i\nerase x size j\nendfor';
    expect(symbolsOf(parse(text))).toEqual(new Set(['a', 'c', 'e', 'j']));
  });

  it.each([
    ['erase', 'line 1: expected what to erase, saw the end of the file'],
    ['erase size 10', 'line 1: expected what to erase, saw "size"'],
    ['erase a..b', '"a..b" is no symbol with members'],
    ['erase .a', '".a" is no symbol'],
    ['erase a size', 'expected a size, saw the end'],
    ['erase a size nullify', 'expected a size, saw "nullify"'],
    ['wipe a', 'expected "erase" or "for", saw "wipe"'],
    ['erase a b', 'expected "erase" or "for", saw "b"'],
    ['for', 'expected a name for the elements'],
    ['for x a', 'expected "in" behind "for x"'],
    ['for x in', 'expected the list'],
    ['for x in a via', 'expected the member that leads'],
    ['for x in a within :b endfor', '":b" is not STRUCTURE:MEMBER'],
    ['for x in a within b: endfor', '"b:" is not STRUCTURE:MEMBER'],
    ['\nfor x in a\nerase x\n', 'line 3: expected "erase" or "endfor" in the loop of line 2, saw the end'],
    ['for x in a\nfor y in b\nendfor\nendfor', 'line 2: expected "erase" or "endfor"'],
    ['for x in a\nerase y\nendfor', 'line 2: "y" does not begin with "x"'],
    ['[vmlinux', 'line 1: a section is a name in [ ]'],
  ])('is refused with the line that is wrong: %j', (text, words) => {
    expectSmeltError(() => parse(text), 'CORRUPT', words);
  });

  it('is refused where it is about a module, whose symbols are not known', () => {
    expectSmeltError(() => parse('erase a\n[z90crypt]\nerase b'), 'UNSUPPORTED', 'line 2', 'z90crypt');
  });

  it('is read or refused, whatever its words are', () => {
    const word = fc.constantFrom(
      'erase',
      'for',
      'in',
      'via',
      'within',
      'endfor',
      'size',
      'nullify',
      'a',
      'a.b',
      'a:b',
      '4K',
      '\n',
      '#',
      '[vmlinux]',
    );
    fc.assert(
      fc.property(fc.array(word, { maxLength: 30 }), (words) => {
        try {
          parse(words.join(' '));
        } catch (error) {
          expect(error).toBeInstanceOf(SmeltError);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
