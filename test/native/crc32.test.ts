import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { openChecksum } from '../../src/native/crc32.ts';

it.each([true, false])('the checksum of any part of a buffer is that of zlib (native: %s)', (native) => {
  const checksum = openChecksum(native);
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 5000 }), fc.nat(100), (data, before) => {
      const bytes = Buffer.concat([Buffer.alloc(before, 1), data, Buffer.from('more')]);
      expect(checksum(bytes, before, data.length)).toBe(crc32(data) | 0);
    }),
  );
});
