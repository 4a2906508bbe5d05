/** Which bit is taken for the encryption bit, from what the kernel says and from what a person says. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Vmcoreinfo } from '../../src/kernel/vmcoreinfo.ts';
import { checkMaskOption, chooseMask, maskBit } from '../../src/sme/mask.ts';
import { expectSmeltError } from '../read/temp-files.ts';

const exported = (value: string) => new Vmcoreinfo(`NUMBER(sme_mask)=${value}\n`).number('sme_mask');

describe('the encryption mask', () => {
  it.each([
    ['140737488355328', 47],
    ['2251799813685248', 51],
    ['4294967296', 32],
  ])('is read from the decimal that the kernel prints (%s is bit %i)', (text, bit) => {
    expect(chooseMask(exported(text), undefined)).toEqual({ mask: 1n << BigInt(bit), warning: undefined });
    expect(maskBit(1n << BigInt(bit))).toBe(bit);
  });

  it('is none where the kernel says 0 or nothing', () => {
    const none = { mask: 0n, warning: undefined };
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
    const { mask, warning } = chooseMask(exported(BigInt.asIntN(64, value).toString()), undefined);
    expect(mask).toBe(0n);
    expect(warning).toContain(`0x${value.toString(16)}`);
    expect(warning).toContain('--sme-mask');
  });

  it('is what the person says, where one does, 0 included', () => {
    expect(chooseMask(1n << 47n, 1n << 51n)).toEqual({ mask: 1n << 51n, warning: undefined });
    expect(chooseMask(1n << 47n, 0n)).toEqual({ mask: 0n, warning: undefined });
    expect(chooseMask(undefined, 1n << 51n).mask).toBe(1n << 51n);
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

describe('--sme-mask', () => {
  it('takes each bit from 32 to 51, and 0', () => {
    for (let bit = 32n; bit <= 51n; bit++) expect(checkMaskOption(1n << bit)).toBe(1n << bit);
    expect(checkMaskOption(0n)).toBe(0n);
  });

  it.each([1n, 47n, 1n << 31n, 1n << 52n, 3n << 47n, (1n << 47n) | 1n, -1n])('refuses %i', (mask) => {
    const error = expectSmeltError(
      () => checkMaskOption(mask),
      'USAGE',
      /--sme-mask: expected one bit in 32 to 51/,
    );
    expect(error.hint).toMatch(/47.*51/);
  });
});
