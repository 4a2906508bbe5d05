/** Which bit is taken for the encryption bit, from what the kernel says and from what a person says. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Vmcoreinfo } from '../../src/kernel/vmcoreinfo.ts';
import { chooseMask } from '../../src/sme/mask.ts';
import { maskBit } from '../../src/sme/mask-bits.ts';

const exported = (value: string) => new Vmcoreinfo(`NUMBER(sme_mask)=${value}\n`).number('sme_mask');

describe('the encryption mask', () => {
  it.each([
    ['140737488355328', 47],
    ['2251799813685248', 51],
    ['4294967296', 32],
  ])('is read from the decimal that the kernel prints (%s is bit %i)', (text, bit) => {
    expect(chooseMask(exported(text), undefined)).toEqual({
      mask: 1n << BigInt(bit),
      source: 'vmcoreinfo',
      warning: undefined,
    });
    expect(maskBit(1n << BigInt(bit))).toBe(bit);
  });

  it('is none where the kernel says 0 or nothing', () => {
    const none = { mask: 0n, source: undefined, warning: undefined };
    expect(chooseMask(exported('0'), undefined)).toEqual(none);
    expect(chooseMask(undefined, undefined)).toEqual(none);
    expect(chooseMask(exported('nonsense'), undefined)).toEqual(none);
  });

  it('is the one bit in 32 to 51 where bits outside are set, which are reported', () => {
    // Bit 63 makes %ld print a negative number.
    const value = BigInt.asIntN(64, (1n << 63n) | (1n << 47n) | 1n);
    expect(value).toBeLessThan(0n);
    const { mask, warning } = chooseMask(exported(value.toString()), undefined);
    expect(mask).toBe(1n << 47n);
    expect(warning).toMatch(/bit 47.*0x8000000000000001/);
  });

  it.each([
    ['two bits', (1n << 47n) | (1n << 51n)],
    ['only bit 31', 1n << 31n],
    ['only bit 52', 1n << 52n],
    ['only bit 63', 1n << 63n],
    ['all bits', (1n << 64n) - 1n],
    ['a bit number instead of a mask', 47n],
  ])('is not used where it has %s, with a warning that says the value', (_, value) => {
    const { mask, source, warning } = chooseMask(exported(BigInt.asIntN(64, value).toString()), undefined);
    expect(mask).toBe(0n);
    expect(source).toBeUndefined();
    expect(warning).toContain(`0x${value.toString(16)}`);
    expect(warning).toContain('--sme-mask');
  });

  it('is what the person says, where one does, 0 included', () => {
    const option = { source: 'option', warning: undefined };
    expect(chooseMask(1n << 47n, 1n << 51n)).toEqual({ mask: 1n << 51n, ...option });
    expect(chooseMask(1n << 47n, 0n)).toEqual({ mask: 0n, ...option });
    expect(chooseMask(undefined, 1n << 51n)).toEqual({ mask: 1n << 51n, ...option });
  });

  it('is 0 or one bit in 32 to 51, whatever the kernel says', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }), (value) => {
        const { mask, warning } = chooseMask(value, undefined);
        if (mask === 0n) {
          expect(warning === undefined).toBe(value === 0n);
          return;
        }
        expect(mask & (mask - 1n)).toBe(0n);
        expect(maskBit(mask)).toBeGreaterThanOrEqual(32);
        expect(maskBit(mask)).toBeLessThanOrEqual(51);
        expect(BigInt.asUintN(64, value) & mask).toBe(mask);
      }),
    );
  });
});

describe('the encryption mask beside what the page tables show', () => {
  const [bit47, bit51] = [1n << 47n, 1n << 51n];

  it.each([
    ['the same', bit51, undefined, bit51, { mask: bit51, source: 'vmcoreinfo' }],
    ['nothing certain', bit47, undefined, undefined, { mask: bit47, source: 'vmcoreinfo' }],
    [
      'a bit that VMCOREINFO does not know of',
      undefined,
      undefined,
      bit47,
      { mask: bit47, source: 'page tables' },
    ],
    ['no bit, and nobody says that there is one', 0n, undefined, 0n, { mask: 0n, source: undefined }],
    ['what the person says', bit47, bit51, bit51, { mask: bit51, source: 'option' }],
    ['no bit, as the person says', bit47, 0n, 0n, { mask: 0n, source: 'option' }],
  ])('needs no warning where they show %s', (_, said, override, shown, expected) => {
    expect(chooseMask(said, override, shown)).toEqual({ ...expected, warning: undefined });
  });

  it.each([
    [
      'another bit than the kernel says',
      bit47,
      bit51,
      { mask: bit51, source: 'page tables' },
      /0x800000000000,.*bit 51/,
    ],
    ['a bit where the kernel says 0', 0n, bit47, { mask: bit47, source: 'page tables' }, /=0x0,.*bit 47/],
    [
      'one bit where the kernel says two',
      bit47 | bit51,
      bit51,
      { mask: bit51, source: 'page tables' },
      /bit 51/,
    ],
    [
      'no bit where the kernel says one',
      bit47,
      0n,
      { mask: bit47, source: 'vmcoreinfo' },
      /bit 47, but no entry/,
    ],
  ])('comes with a warning where they show %s', (_, said, shown, expected, words) => {
    const { warning, ...rest } = chooseMask(said, undefined, shown);
    expect(rest).toEqual(expected);
    expect(warning).toMatch(words);
  });

  it.each([
    ['another bit', bit47, bit51, /bit 47, but .*bit 51/],
    ['none', bit47, 0n, /bit 47, but .*no encryption bit/],
    ['one although the person says none', 0n, bit51, /no encryption bit, but .*bit 51/],
  ])('is what the person says, with a warning, where they show %s', (_, override, shown, words) => {
    const { warning, ...rest } = chooseMask(bit47, override, shown);
    expect(rest).toEqual({ mask: override, source: 'option' });
    expect(warning).toMatch(words);
  });

  it('keeps the word on bits besides the mask', () => {
    expect(chooseMask(bit47 | 1n, undefined, bit47).warning).toMatch(/besides the encryption bit 47: 0x1/);
  });
});
