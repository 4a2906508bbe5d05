/** snappy: raw blocks, not the framed format. libsnappy natively; snappyjs to compress and our own decompressor otherwise. */
import { requireRoom } from '../native/block-library.ts';
import { openLibsnappy } from '../native/libsnappy.ts';
import type { CodecMaker, PageCodec } from './codec.ts';
import { nativeMaker } from './native-codec.ts';
import { loadPackage } from './npm-package.ts';
import { decompressSnappyBlock } from './snappy-block.ts';

export const snappyNative: CodecMaker = nativeMaker('snappy', openLibsnappy);

/** snappyjs's compressor below its own `compress`, which allocates and copies for every call. */
interface SnappyJs {
  SnappyCompressor: new (block: Uint8Array) => { compressToBuffer(out: Uint8Array): number };
}

export const snappyPortable: CodecMaker = {
  name: 'snappy',
  kind: 'portable',
  async create() {
    const loaded = loadPackage<SnappyJs>('snappyjs', 'snappy_compressor.js');
    return 'unavailable' in loaded ? loaded : new SnappyJsCodec(loaded.module, loaded.version);
  },
};

class SnappyJsCodec implements PageCodec {
  readonly name = 'snappy';
  readonly kind = 'portable';
  readonly maker: string;
  readonly #snappy: SnappyJs;

  constructor(snappy: SnappyJs, version: string) {
    this.#snappy = snappy;
    this.maker = `snappyjs ${version}`;
  }

  compress(source: Uint8Array, out: Uint8Array, at = 0, size = source.length - at, outAt = 0): number {
    requireRoom(this.maker, out.length - outAt, this.outSize(size));
    if (size === 0) return 0;
    const page = source.subarray(at, at + size);
    const written = new this.#snappy.SnappyCompressor(page).compressToBuffer(out.subarray(outAt));
    return written < size ? written : 0;
  }

  decompress(input: Uint8Array, out: Uint8Array): number {
    return decompressSnappyBlock(input, out);
  }

  /** snappy's MaxCompressedLength(). */
  outSize(pageSize: number): number {
    return 32 + pageSize + Math.floor(pageSize / 6);
  }

  /** It keeps nothing between calls. */
  close(): void {}
}
