import { describe, expect, it } from 'vitest';
import { openZeroTest } from '../../src/native/zero-test.ts';
import { needsNative, noNative } from '../native-parts.ts';

describe.each([
  ['by memcmp', true],
  ['by Node', false],
] as const)('the test for zeros %s', (_name, native) => {
  const skipped = native && noNative !== undefined;
  it.skipIf(skipped)(`sees any byte of the page, and none outside${native ? needsNative : ''}`, () => {
    const isZero = openZeroTest(4096, native);
    const bytes = Buffer.alloc(3 * 4096);
    bytes[4095] = 1;
    bytes[2 * 4096] = 1;
    expect(isZero(bytes, 4096)).toBe(true);
    for (const at of [0, 1, 7, 8, 2047, 4095]) {
      bytes[4096 + at] = 0x80;
      expect(isZero(bytes, 4096)).toBe(false);
      bytes[4096 + at] = 0;
    }
    expect(isZero(Buffer.alloc(4096), 0)).toBe(true);
  });

  it.skipIf(skipped)(`never looks beyond a buffer${native ? needsNative : ''}`, () => {
    const isZero = openZeroTest(4096, native);
    expect(() => isZero(Buffer.alloc(8191), 4096)).toThrow();
    expect(() => isZero(Buffer.alloc(8192), -1)).toThrow();
  });
});
