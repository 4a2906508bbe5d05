/** zlib (RFC 1950): libdeflate or else libz natively; node:zlib otherwise. Readers cannot tell them apart. */
import { deflateSync, inflateSync, type ZlibOptions } from 'node:zlib';
import { requireRoom } from '../native/block-library.ts';
import { openLibdeflate } from '../native/libdeflate.ts';
import { openLibz } from '../native/libz.ts';
import type { CodecMaker, PageCodec } from './codec.ts';
import { DEFAULT_LEVEL } from './levels.ts';
import { nativeMaker } from './native-codec.ts';

/** Z_BEST_COMPRESSION; only libdeflate goes on, to 12. */
export const ZLIB_HIGHEST_LEVEL = 9;

export const zlibNative: CodecMaker = nativeMaker('zlib', (level = DEFAULT_LEVEL) => {
  const libdeflate = openLibdeflate(level);
  if (!('unavailable' in libdeflate)) return libdeflate;
  if (level > ZLIB_HIGHEST_LEVEL) {
    return {
      unavailable: `${libdeflate.unavailable}, and only libdeflate has zlib levels above ${ZLIB_HIGHEST_LEVEL}`,
    };
  }
  const libz = openLibz(level);
  if (!('unavailable' in libz)) return libz;
  const same = libz.unavailable === libdeflate.unavailable;
  return same ? libz : { unavailable: `${libdeflate.unavailable} and ${libz.unavailable}` };
});

export const zlibPortable: CodecMaker = {
  name: 'zlib',
  kind: 'portable',
  async create(level = DEFAULT_LEVEL) {
    return new NodeZlibCodec(level);
  },
};

/** `info: true` makes node:zlib return its engine too, which knows how much it read; @types/node does not say so. */
interface InflateResult {
  readonly buffer: Uint8Array;
  readonly engine: { readonly bytesWritten: number };
}

/**
 * A window as large as the page. Node makes an engine for each call, and what it takes (256 KiB with the default
 * window) is there until the garbage collector comes by.
 */
const windowBits = (size: number) => Math.min(15, Math.max(9, Math.ceil(Math.log2(size))));

class NodeZlibCodec implements PageCodec {
  readonly name = 'zlib';
  readonly kind = 'portable';
  readonly maker = `node:zlib ${process.versions.zlib}`;
  readonly #level: number;
  #deflateOptions: ZlibOptions = {};
  #deflateSize = -1;
  #inflateOptions: ZlibOptions = {};
  #inflateSize = -1;

  constructor(level: number) {
    this.#level = level;
  }

  compress(source: Uint8Array, out: Uint8Array, at = 0, size = source.length - at, outAt = 0): number {
    requireRoom(this.maker, out.length - outAt, this.outSize(size));
    if (size === 0) return 0;
    if (size !== this.#deflateSize) {
      this.#deflateOptions = {
        level: this.#level,
        windowBits: windowBits(size),
        // Node refuses less.
        chunkSize: Math.max(64, this.outSize(size)),
      };
      this.#deflateSize = size;
    }
    const compressed = deflateSync(source.subarray(at, at + size), this.#deflateOptions);
    if (compressed.length >= size) return 0;
    out.set(compressed, outAt);
    return compressed.length;
  }

  decompress(input: Uint8Array, out: Uint8Array): number {
    // Node refuses a limit of 0 bytes, and no page is that small.
    if (input.length === 0 || out.length === 0) return -1;
    if (out.length !== this.#inflateSize) {
      this.#inflateOptions = { maxOutputLength: out.length, chunkSize: out.length + 64, info: true };
      this.#inflateSize = out.length;
    }
    let result: InflateResult;
    try {
      result = inflateSync(input, this.#inflateOptions) as unknown as InflateResult;
    } catch {
      return -1;
    }
    // It stops at the stream's end without a word about what follows.
    if (result.engine.bytesWritten !== input.length) return -1;
    out.set(result.buffer);
    return result.buffer.length;
  }

  /** zlib's compressBound(). */
  outSize(pageSize: number): number {
    return pageSize + (pageSize >>> 12) + (pageSize >>> 14) + (pageSize >>> 25) + 13;
  }

  /** Node frees what it makes for a call. */
  close(): void {}
}
