/** That the streams are the ones other readers of kdump files expect, beyond what our own decompressors accept. */
import { expect, it } from 'vitest';
import { compressed, describeMakers } from './opened.ts';
import { PAGE_KINDS } from './pages.ts';

function contentSizeOfZstdFrame(frame: Uint8Array): number | undefined {
  const view = new DataView(frame.buffer, frame.byteOffset);
  expect(view.getUint32(0, true)).toBe(0xfd2fb528);
  // RFC 8878, 3.1.1.1.1: descriptor, then the window unless it is a single segment, then dictionary and content size.
  const descriptor = frame[4];
  const singleSegment = (descriptor >> 5) & 1;
  expect(descriptor & 0b11, 'no dictionary').toBe(0);
  expect((descriptor >> 2) & 1, 'no checksum').toBe(0);
  const at = 5 + (1 - singleSegment);
  const sizeFlag = descriptor >> 6;
  if (sizeFlag === 0) return singleSegment ? frame[at] : undefined;
  if (sizeFlag === 1) return view.getUint16(at, true) + 256;
  return sizeFlag === 2 ? view.getUint32(at, true) : Number(view.getBigUint64(at, true));
}

describeMakers('writes what the peers read', (codec) => {
  for (const size of [4096, 65536]) {
    const page = PAGE_KINDS['kernel structs'](size);
    const stream = compressed(codec, page)!;
    it(`for a page of ${size} bytes`, () => {
      if (codec.name === 'zstd') expect(contentSizeOfZstdFrame(stream)).toBe(size);
      if (codec.name === 'zlib') {
        expect(stream[0] & 0xf, 'deflate').toBe(8);
        expect(stream[0] >> 4, 'window of 32 KiB at most').toBeLessThanOrEqual(7);
        expect(((stream[0] << 8) | stream[1]) % 31, 'header check').toBe(0);
        expect(stream[1] & 0x20, 'no dictionary').toBe(0);
      }
      if (codec.name === 'lzo') expect(Buffer.from(stream.subarray(-3)).toString('hex')).toBe('110000');
      // The block's length as a varint, first thing in the block: no frame around it.
      const length = Buffer.from(stream.subarray(0, 3)).toString('hex');
      if (codec.name === 'snappy') expect(length.startsWith(size === 4096 ? '8020' : '808004')).toBe(true);
    });
  }
});
