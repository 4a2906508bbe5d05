/** Text in kernel memory is any bytes, and mostly UTF-8. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { textOf } from '../../src/kernel/text.ts';

it('is what people wrote, in any language', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      expect(textOf(Buffer.from(text))).toBe(text);
    }),
  );
});

it('shows bytes that are none of it, and what is around them', () => {
  expect(textOf(Buffer.from('gr\xfcn', 'latin1'))).toBe('gr\\xfcn');
  // A name that was cut in the middle of a character.
  expect(textOf(Buffer.from('für日本').subarray(0, 6))).toBe('für\\xe6\\x97');
  // A half of a pair of UTF-16, which is no character.
  expect(textOf(Buffer.from('a\xed\xa0\x80ü', 'latin1'))).toBe('a\\xed\\xa0\\x80\\xfc');
});
