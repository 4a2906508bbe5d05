/** The bound compression libraries by themselves: what PageCodec's rules would hide. */
import { describe, expect, it } from 'vitest';
import type { BlockLibrary } from '../../src/native/block-library.ts';
import type { Unavailable } from '../../src/native/koffi.ts';
import { openLibdeflate } from '../../src/native/libdeflate.ts';
import { openLiblzo2 } from '../../src/native/liblzo2.ts';
import { openLibsnappy } from '../../src/native/libsnappy.ts';
import { openLibz } from '../../src/native/libz.ts';
import { openLibzstd } from '../../src/native/libzstd.ts';
import { embedded, guarded, PAGE_KINDS, randomBytes } from '../codec/pages.ts';

const LIBRARIES: readonly (readonly [
  soname: string,
  named: RegExp,
  open: () => BlockLibrary | Unavailable,
])[] = [
  ['libzstd.so.1', /^libzstd \d+\.\d+\.\d+$/, () => openLibzstd(1)],
  ['libdeflate.so.0', /^libdeflate$/, () => openLibdeflate(1)],
  ['libz.so.1', /^zlib \d+\.\d+/, () => openLibz(1)],
  ['liblzo2.so.2', /^liblzo2 \d+\.\d+$/, () => openLiblzo2()],
  ['libsnappy.so.1', /^libsnappy$/, () => openLibsnappy()],
];

function compress(library: BlockLibrary, block: Uint8Array, out: Uint8Array): number {
  return library.compress(block, 0, block.length, out, 0, out.length);
}

for (const [soname, named, open] of LIBRARIES) {
  const opened = open();
  if ('unavailable' in opened) {
    describe.skip(`${soname} (skipped: ${opened.unavailable})`, () => {});
    continue;
  }
  describe(soname, () => {
    it('says which library it is', () => {
      expect(opened.library).toMatch(named);
    });

    it('gives back what it was given', () => {
      const block = PAGE_KINDS.text(4096);
      const out = guarded(opened.bound(4096));
      const written = compress(opened, embedded(block), out.view);
      expect(written).toBeGreaterThan(0);
      const back = guarded(4096);
      expect(opened.decompress(out.view.subarray(0, written), back.view)).toBe(4096);
      expect(Buffer.compare(back.view, block)).toBe(0);
      expect(out.intact() && back.intact()).toBe(true);
    });

    it('refuses a stream with something after it', () => {
      const out = new Uint8Array(opened.bound(4096) + 1);
      const written = compress(opened, PAGE_KINDS.text(4096), out);
      out[written] = 0;
      expect(opened.decompress(out.subarray(0, written + 1), new Uint8Array(8192))).toBe(-1);
    });

    it('has room enough in its bound for what does not compress', () => {
      for (const size of [1, 4096, 65536]) {
        const out = guarded(opened.bound(size));
        compress(opened, randomBytes(size), out.view);
        expect(out.intact()).toBe(true);
      }
    });

    it('does not write past a room that is too small, whether it refuses or throws', () => {
      const block = PAGE_KINDS['kernel structs'](4096);
      for (const room of [0, 1, 100, 500]) {
        const out = guarded(room);
        let written = -1;
        try {
          written = compress(opened, block, out.view);
        } catch {}
        expect(written).toBeLessThanOrEqual(room);
        expect(out.intact()).toBe(true);
      }
    });
  });
}

describe('a closed library', () => {
  // The others keep no memory of their own between calls.
  const withContexts = [
    ['libzstd', () => openLibzstd(1)],
    ['libdeflate', () => openLibdeflate(1)],
    ['liblzo2', () => openLiblzo2()],
  ] as const;
  for (const [name, open] of withContexts) {
    const opened = open();
    const skipped = 'unavailable' in opened ? ` (skipped: ${opened.unavailable})` : '';
    it.skipIf(skipped !== '')(`throws instead of handing out freed memory: ${name}${skipped}`, () => {
      if ('unavailable' in opened) return;
      const out = new Uint8Array(opened.bound(4096));
      opened.close();
      opened.close();
      expect(() => compress(opened, new Uint8Array(4096), out)).toThrow('was used after it was closed');
      expect(() => opened.decompress(new Uint8Array(10), out)).toThrow('was used after it was closed');
    });
  }
});
