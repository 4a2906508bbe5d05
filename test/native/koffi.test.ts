/** What we rely on koffi for: honest reasons where something is missing, and views passed as pointers without a copy. */
import { describe, expect, it } from 'vitest';
import { bindLibrary, loadKoffi, loadLibrary, tryKoffi } from '../../src/native/koffi.ts';

const koffi = loadKoffi();
const skipped = 'unavailable' in koffi ? ` (skipped: ${koffi.unavailable})` : '';

describe('tryKoffi', () => {
  it('says that koffi is not installed', () => {
    const notInstalled = () => {
      throw Object.assign(new Error("Cannot find module 'koffi'"), { code: 'MODULE_NOT_FOUND' });
    };
    expect(tryKoffi(notInstalled)).toEqual({ unavailable: 'the npm package koffi is not installed' });
  });

  it('says that koffi has no binary for this machine', () => {
    const noBinary = () => {
      throw new Error('Cannot find the native Koffi module; did you bundle it correctly?\nmore');
    };
    expect(tryKoffi(noBinary)).toEqual({
      unavailable: 'koffi does not load (Cannot find the native Koffi module; did you bundle it correctly?)',
    });
  });
});

describe.skipIf(skipped !== '')(`loadLibrary${skipped}`, () => {
  it('says which library is not installed', () => {
    expect(loadLibrary('libnothere.so.9')).toEqual({ unavailable: 'libnothere.so.9 is not installed' });
  });

  it('says why a file is no library', () => {
    expect(loadLibrary('/etc/passwd')).toEqual({
      unavailable: expect.stringMatching(/^\/etc\/passwd does not load \(.+\)$/),
    });
  });

  it('finds out at once that a function is missing', () => {
    expect(bindLibrary(null, (lib) => lib.func('int smelt_is_no_function_of_libc()'))).toEqual({
      unavailable: expect.stringMatching(/^libc cannot be used \(.*smelt_is_no_function_of_libc.*\)$/),
    });
  });
});

describe.skipIf(skipped !== '')(`a view passed as a pointer${skipped}`, () => {
  interface Libc {
    memcpy: (to: Uint8Array, from: Uint8Array, size: number) => bigint;
    memchr: (in_: Uint8Array, byte: number, size: number) => bigint;
  }

  function libc(): Libc {
    const bound = bindLibrary(
      null,
      (lib): Libc => ({
        memcpy: lib.func('void *memcpy(void *to, const void *from, size_t size)'),
        memchr: lib.func('void *memchr(const void *in, int byte, size_t size)'),
      }),
    );
    if ('unavailable' in bound) throw new Error(bound.unavailable);
    return bound.functions;
  }

  const memories: Readonly<Record<string, (size: number) => Uint8Array>> = {
    'an ArrayBuffer': (size) => new Uint8Array(new ArrayBuffer(size)),
    'a SharedArrayBuffer': (size) => new Uint8Array(new SharedArrayBuffer(size)),
    'a pooled Buffer': (size) => Buffer.allocUnsafe(size).fill(0),
    'a buffer small enough for the JavaScript heap': () => new Uint8Array(48),
  };
  for (const [what, make] of Object.entries(memories)) {
    it(`is read and written from its own offset in ${what}`, () => {
      const from = make(300);
      const to = make(300);
      for (let i = 0; i < from.length; i++) from[i] = i;
      libc().memcpy(to.subarray(7, 27), from.subarray(13, 33), 20);
      const expected = new Uint8Array(to.length);
      for (let i = 0; i < 20; i++) expected[7 + i] = 13 + i;
      expect(Buffer.compare(to, expected)).toBe(0);
    });

    it(`is not copied when it lies in ${what}`, () => {
      const { memchr } = libc();
      const whole = make(300);
      whole[0] = 1;
      whole[41] = 1;
      // A copy would lie elsewhere; these addresses are as far apart as the bytes are.
      expect(memchr(whole.subarray(41), 1, 1) - memchr(whole, 1, 1)).toBe(41n);
    });
  }

  it('gives a size_t back as a number', () => {
    const bound = bindLibrary(null, (lib) =>
      lib.func<(text: Uint8Array, size: number) => number>('size_t strnlen(const void *text, size_t size)'),
    );
    if ('unavailable' in bound) throw new Error(bound.unavailable);
    expect(bound.functions(Buffer.from('four\0more'), 9)).toBe(4);
  });
});
