/** lzo: raw LZO1X blocks. liblzo2 natively; our own compressor and decompressor otherwise. */
import { requireRoom } from '../native/block-library.ts';
import { openLiblzo2 } from '../native/liblzo2.ts';
import type { CodecMaker, PageCodec } from './codec.ts';
import { Lzo1xCompressor, Lzo1xDecompressor, lzo1xBound } from './lzo1x.ts';
import { nativeMaker } from './native-codec.ts';

export const lzoNative: CodecMaker = nativeMaker('lzo', openLiblzo2);

export const lzoPortable: CodecMaker = {
  name: 'lzo',
  kind: 'portable',
  async create() {
    return new OwnLzoCodec();
  },
};

class OwnLzoCodec implements PageCodec {
  readonly name = 'lzo';
  readonly kind = 'portable';
  readonly maker = "smelt's own LZO1X";
  readonly #compressor = new Lzo1xCompressor();
  readonly #decompressor = new Lzo1xDecompressor();

  compress(source: Uint8Array, out: Uint8Array, at = 0, size = source.length - at, outAt = 0): number {
    requireRoom(this.maker, out.length - outAt, this.outSize(size));
    return this.#compressor.compress(source.subarray(at, at + size), out.subarray(outAt));
  }

  decompress(input: Uint8Array, out: Uint8Array): number {
    return this.#decompressor.decompress(input, out);
  }

  outSize(pageSize: number): number {
    return lzo1xBound(pageSize);
  }

  /** Buffers only; they go with the object. */
  close(): void {}
}
