/** libdeflate.so.0: zlib streams (RFC 1950) made about four times faster than zlib makes them. */
import { type Address, AddressBook, toAddress } from './address.ts';
import { type BlockLibrary, requirePointer } from './block-library.ts';
import { bindLibrary, type Pointer, type Unavailable } from './koffi.ts';
import { SizeCell } from './size-cell.ts';

interface Libdeflate {
  crc32: (before: number, buffer: Address, size: number) => number;
  allocCompressor: (level: number) => Pointer | null;
  freeCompressor: (compressor: Pointer) => void;
  bound: (compressor: Pointer, size: number) => number;
  compress: (compressor: Address, src: Address, srcSize: number, dst: Address, dstSize: number) => number;
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
    crc32: lib.func('uint32_t libdeflate_crc32(uint32_t before, uintptr_t buffer, size_t size)'),
    allocCompressor: lib.func('void *libdeflate_alloc_compressor(int level)'),
    freeCompressor: lib.func('void libdeflate_free_compressor(void *compressor)'),
    bound: lib.func('size_t libdeflate_zlib_compress_bound(void *compressor, size_t size)'),
    compress: lib.func(
      'size_t libdeflate_zlib_compress(uintptr_t compressor, uintptr_t src, size_t srcSize, uintptr_t dst, size_t dstSize)',
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

/** Its checksum by itself, or why it cannot be had. */
export function openLibdeflateCrc32(): { functions: Pick<Libdeflate, 'crc32'> } | Unavailable {
  return bind();
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
  readonly #sources = new AddressBook();
  readonly #targets = new AddressBook();
  #compressor: Pointer | undefined;
  readonly #compressorAddress: Address;
  #decompressor: Pointer | undefined;

  constructor(deflate: Libdeflate, level: number) {
    this.#deflate = deflate;
    this.#compressor = requirePointer(this.library, deflate.allocCompressor(level));
    this.#compressorAddress = toAddress(this.#compressor);
    this.#decompressor = requirePointer(this.library, deflate.allocDecompressor());
  }

  bound(size: number): number {
    return this.#deflate.bound(this.#compressor ?? requirePointer(this.library, undefined), size);
  }

  compress(
    source: Uint8Array,
    at: number,
    size: number,
    out: Uint8Array,
    outAt: number,
    room: number,
  ): number {
    if (this.#compressor === undefined) requirePointer(this.library, undefined);
    const from = this.#sources.of(source, at, size);
    // Room for less than the block itself lets the library give up early on what does not compress.
    const most = Math.min(room, size - 1);
    const to = this.#targets.of(out, outAt, most);
    return this.#deflate.compress(this.#compressorAddress, from, size, to, most) || -1;
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
