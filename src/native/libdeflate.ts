/** libdeflate.so.0: zlib streams (RFC 1950) made about four times faster than zlib makes them. */
import { type BlockLibrary, requirePointer } from './block-library.ts';
import { bindLibrary, type Pointer, type Unavailable } from './koffi.ts';
import { SizeCell } from './size-cell.ts';

interface Libdeflate {
  allocCompressor: (level: number) => Pointer | null;
  freeCompressor: (compressor: Pointer) => void;
  bound: (compressor: Pointer, size: number) => number;
  compress: (
    compressor: Pointer,
    src: Uint8Array,
    srcSize: number,
    dst: Uint8Array,
    dstSize: number,
  ) => number;
  allocDecompressor: () => Pointer | null;
  freeDecompressor: (decompressor: Pointer) => void;
  decompress: (
    decompressor: Pointer,
    src: Uint8Array,
    srcSize: number,
    dst: Uint8Array,
    dstSize: number,
    consumed: Uint32Array,
    written: Uint32Array,
  ) => number;
}

const LIBDEFLATE_SUCCESS = 0;

let bound: { functions: Libdeflate } | Unavailable | undefined;

function bind(): { functions: Libdeflate } | Unavailable {
  bound ??= bindLibrary('libdeflate.so.0', (lib) => ({
    allocCompressor: lib.func('void *libdeflate_alloc_compressor(int level)'),
    freeCompressor: lib.func('void libdeflate_free_compressor(void *compressor)'),
    bound: lib.func('size_t libdeflate_zlib_compress_bound(void *compressor, size_t size)'),
    compress: lib.func(
      'size_t libdeflate_zlib_compress(void *compressor, const void *src, size_t srcSize, void *dst, size_t dstSize)',
    ),
    allocDecompressor: lib.func('void *libdeflate_alloc_decompressor()'),
    freeDecompressor: lib.func('void libdeflate_free_decompressor(void *decompressor)'),
    // The _ex form also says how much it read: bytes after the stream's end make a block invalid.
    decompress: lib.func(
      'int libdeflate_zlib_decompress_ex(void *decompressor, const void *src, size_t srcSize, void *dst, size_t dstSize, void *consumed, void *written)',
    ),
  }));
  return bound;
}

/** libdeflate at a level of 1 to 12, or why it cannot be had. The library does not tell its version. */
export function openLibdeflate(level: number): BlockLibrary | Unavailable {
  const loaded = bind();
  return 'unavailable' in loaded ? loaded : new LibdeflateZlib(loaded.functions, level);
}

class LibdeflateZlib implements BlockLibrary {
  readonly library = 'libdeflate';
  readonly #deflate: Libdeflate;
  readonly #consumed = new SizeCell();
  readonly #written = new SizeCell();
  #compressor: Pointer | undefined;
  #decompressor: Pointer | undefined;

  constructor(deflate: Libdeflate, level: number) {
    this.#deflate = deflate;
    this.#compressor = requirePointer(this.library, deflate.allocCompressor(level));
    this.#decompressor = requirePointer(this.library, deflate.allocDecompressor());
  }

  bound(size: number): number {
    return this.#deflate.bound(this.#compressor ?? requirePointer(this.library, undefined), size);
  }

  compress(block: Uint8Array, out: Uint8Array): number {
    const compressor = this.#compressor ?? requirePointer(this.library, undefined);
    // Room for less than the block itself lets the library give up early on what does not compress.
    const room = Math.min(out.length, block.length - 1);
    return this.#deflate.compress(compressor, block, block.length, out, room) || -1;
  }

  decompress(input: Uint8Array, out: Uint8Array): number {
    const decompressor = this.#decompressor ?? requirePointer(this.library, undefined);
    const { words: consumed } = this.#consumed;
    const { words: written } = this.#written;
    const result = this.#deflate.decompress(
      decompressor,
      input,
      input.length,
      out,
      out.length,
      consumed,
      written,
    );
    if (result !== LIBDEFLATE_SUCCESS || this.#consumed.value !== input.length) return -1;
    return this.#written.value;
  }

  close(): void {
    if (this.#compressor !== undefined) this.#deflate.freeCompressor(this.#compressor);
    if (this.#decompressor !== undefined) this.#deflate.freeDecompressor(this.#decompressor);
    this.#compressor = undefined;
    this.#decompressor = undefined;
  }
}
