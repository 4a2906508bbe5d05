import { describe, expect, it } from 'vitest';
import { SmeltError } from '../../src/errors.ts';
import { AddressBook } from '../../src/native/address.ts';
import { needsNative, noNative } from '../native-parts.ts';

describe.skipIf(noNative !== undefined)(`an address book${needsNative}`, () => {
  it('tells where a part of a buffer lies, whichever buffer comes', () => {
    const book = new AddressBook();
    const buffer = Buffer.alloc(10_000);
    const start = book.of(buffer, 0, 1);
    expect(book.of(buffer, 4096, 100)).toBe(start + 4096);
    expect(book.of(buffer.subarray(50), 0, 1)).toBe(start + 50);
    expect(book.of(buffer, 10_000, 0)).toBe(start + 10_000);
  });

  it('hands out nothing that is not all inside', () => {
    const book = new AddressBook();
    const buffer = Buffer.alloc(100);
    for (const [at, length] of [
      [-1, 1],
      [0, 101],
      [100, 1],
      [50, -1],
      [Number.NaN, 1],
      [0, Number.NaN],
    ] as const) {
      expect(() => book.of(buffer, at, length)).toThrow(SmeltError);
    }
  });
});
