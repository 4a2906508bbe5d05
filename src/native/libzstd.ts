/** libzstd.so.1: one frame a block, with its content size in the header, from contexts that are kept. */
import { type Address, AddressBook, toAddress } from './address.ts';
import { type BlockLibrary, requirePointer } from './block-library.ts';
import { bindLibrary, type Pointer, type Unavailable } from './koffi.ts';

// Errors are the top of size_t, which koffi gives as a bigint; every true size is a number.
type SizeOrError = number | bigint;

interface Zstd {
  version: () => string;
  bound: (size: number) => SizeOrError;
  createCompressor: () => Pointer | null;
  freeCompressor: (cctx: Pointer) => SizeOrError;
  compress: (
    cctx: Address,
    dst: Address,
    dstSize: number,
    src: Address,
    srcSize: number,
    level: number,
  ) => SizeOrError;
  createDecompressor: () => Pointer | null;
  freeDecompressor: (dctx: Pointer) => SizeOrError;
  decompress: (
    dctx: Pointer,
    dst: Uint8Array,
    dstSize: number,
    src: Uint8Array,
    srcSize: number,
  ) => SizeOrError;
}

let bound: { functions: Zstd } | Unavailable | undefined;

function bind(): { functions: Zstd } | Unavailable {
  bound ??= bindLibrary('libzstd.so.1', (lib) => ({
    version: lib.func('const char *ZSTD_versionString()'),
    bound: lib.func('size_t ZSTD_compressBound(size_t size)'),
    createCompressor: lib.func('void *ZSTD_createCCtx()'),
    freeCompressor: lib.func('size_t ZSTD_freeCCtx(void *cctx)'),
    compress: lib.func(
      'size_t ZSTD_compressCCtx(uintptr_t cctx, uintptr_t dst, size_t dstSize, uintptr_t src, size_t srcSize, int level)',
    ),
    createDecompressor: lib.func('void *ZSTD_createDCtx()'),
    freeDecompressor: lib.func('size_t ZSTD_freeDCtx(void *dctx)'),
    decompress: lib.func(
      'size_t ZSTD_decompressDCtx(void *dctx, void *dst, size_t dstSize, const void *src, size_t srcSize)',
    ),
  }));
  return bound;
}

/** libzstd at a level of 1 to 19, or why it cannot be had. */
export function openLibzstd(level: number): BlockLibrary | Unavailable {
  const loaded = bind();
  return 'unavailable' in loaded ? loaded : new Libzstd(loaded.functions, level);
}

class Libzstd implements BlockLibrary {
  readonly library: string;
  readonly #zstd: Zstd;
  readonly #level: number;
  readonly #sources = new AddressBook();
  readonly #targets = new AddressBook();
  #cctx: Pointer | undefined;
  readonly #cctxAddress: Address;
  #dctx: Pointer | undefined;

  constructor(zstd: Zstd, level: number) {
    this.#zstd = zstd;
    this.#level = level;
    this.library = `libzstd ${zstd.version()}`;
    this.#cctx = requirePointer(this.library, zstd.createCompressor());
    this.#cctxAddress = toAddress(this.#cctx);
    this.#dctx = requirePointer(this.library, zstd.createDecompressor());
  }

  bound(size: number): number {
    return Number(this.#zstd.bound(size));
  }

  compress(
    source: Uint8Array,
    at: number,
    size: number,
    out: Uint8Array,
    outAt: number,
    room: number,
  ): number {
    if (this.#cctx === undefined) requirePointer(this.library, undefined);
    const from = this.#sources.of(source, at, size);
    const to = this.#targets.of(out, outAt, room);
    const written = this.#zstd.compress(this.#cctxAddress, to, room, from, size, this.#level);
    return typeof written === 'number' ? written : -1;
  }

  decompress(input: Uint8Array, out: Uint8Array): number {
    const dctx = this.#dctx ?? requirePointer(this.library, undefined);
    const written = this.#zstd.decompress(dctx, out, out.length, input, input.length);
    return typeof written === 'number' ? written : -1;
  }

  close(): void {
    if (this.#cctx !== undefined) this.#zstd.freeCompressor(this.#cctx);
    if (this.#dctx !== undefined) this.#zstd.freeDecompressor(this.#dctx);
    this.#cctx = undefined;
    this.#dctx = undefined;
  }
}
