/** libz.so.1: zlib streams by zlib itself, for machines without libdeflate. */
import { type Address, AddressBook } from './address.ts';
import type { BlockLibrary } from './block-library.ts';
import { bindLibrary, type Unavailable } from './koffi.ts';
import { SizeCell } from './size-cell.ts';

interface Zlib {
  version: () => string;
  bound: (size: number) => number;
  compress: (dst: Address, dstSize: Address, src: Address, srcSize: number, level: number) => number;
  decompress: (dst: Uint8Array, dstSize: Uint32Array, src: Uint8Array, srcSize: Uint32Array) => number;
}

const Z_OK = 0;

let bound: { functions: Zlib } | Unavailable | undefined;

function bind(): { functions: Zlib } | Unavailable {
  bound ??= bindLibrary('libz.so.1', (lib) => ({
    version: lib.func('const char *zlibVersion()'),
    bound: lib.func('unsigned long compressBound(unsigned long size)'),
    compress: lib.func(
      'int compress2(uintptr_t dst, uintptr_t dstSize, uintptr_t src, unsigned long srcSize, int level)',
    ),
    // uncompress2 (zlib 1.2.9) also says how much it read: bytes after the stream's end make a block invalid.
    decompress: lib.func('int uncompress2(void *dst, void *dstSize, const void *src, void *srcSize)'),
  }));
  return bound;
}

/** zlib at a level of 1 to 9, or why it cannot be had. */
export function openLibz(level: number): BlockLibrary | Unavailable {
  const loaded = bind();
  return 'unavailable' in loaded ? loaded : new Libz(loaded.functions, level);
}

class Libz implements BlockLibrary {
  readonly library: string;
  readonly #zlib: Zlib;
  readonly #level: number;
  // uLong is as wide as size_t on Linux.
  readonly #sources = new AddressBook();
  readonly #targets = new AddressBook();
  readonly #dstSize = new SizeCell();
  readonly #srcSize = new SizeCell();

  constructor(zlib: Zlib, level: number) {
    this.#zlib = zlib;
    this.#level = level;
    this.library = `zlib ${zlib.version()}`;
  }

  bound(size: number): number {
    return this.#zlib.bound(size);
  }

  compress(
    source: Uint8Array,
    at: number,
    size: number,
    out: Uint8Array,
    outAt: number,
    room: number,
  ): number {
    const from = this.#sources.of(source, at, size);
    const to = this.#targets.of(out, outAt, room);
    this.#dstSize.value = room;
    const result = this.#zlib.compress(to, this.#dstSize.address, from, size, this.#level);
    return result === Z_OK ? this.#dstSize.value : -1;
  }

  decompress(input: Uint8Array, out: Uint8Array): number {
    this.#dstSize.value = out.length;
    this.#srcSize.value = input.length;
    const result = this.#zlib.decompress(out, this.#dstSize.words, input, this.#srcSize.words);
    return result === Z_OK && this.#srcSize.value === input.length ? this.#dstSize.value : -1;
  }

  /** zlib's whole-block calls keep no context between them. */
  close(): void {}
}
